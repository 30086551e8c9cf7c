"""What every program in scripts/ shares: logging, and errors as one line."""

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rankme.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def run(main: Callable[[], None]) -> None:
    """Run a program's `main`; a user's mistake or a failing disk is one line and exit code 1.

    Of the processes of one run (see `rankme.training.distributed`) only the first tells a mistake,
    since all meet it, and only the first logs.
    """
    level = logging.INFO if is_first_process() else logging.ERROR
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}" if is_first_process() else 1)
    except OSError as error:
        sys.exit(f"error: {describe(error)}")


def is_first_process() -> bool:
    """Whether this is the first or only process of a run, as its launcher says; without torch."""
    return os.environ.get("RANK", "0") == "0"


def describe(error: UserError | OSError) -> str:
    """What an error says to the user, with the file it is about."""
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def import_workflow(name: str) -> ModuleType:
    """A module of workflow/ ("study" or "checks"), which the Snakefile and the programs share."""
    folder = str(ROOT / "workflow")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module(name)
