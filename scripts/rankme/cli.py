"""What every program in scripts/ shares: logging, and errors as one line."""

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rankme.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def run(main: Callable[[], None]) -> None:
    """Run a program's `main`; a user's mistake or a failing disk is one line and exit code 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}")


def import_workflow(name: str) -> ModuleType:
    """A module of workflow/ ("study" or "checks"), which the Snakefile and the programs share."""
    folder = str(ROOT / "workflow")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module(name)
