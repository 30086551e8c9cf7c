"""What every program in scripts/ shares: logging, and errors as one line."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

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


def output_file(text: str) -> Path:
    """The file of an --output, its folder made: what is wrong with it is told before any work.

    Raises:
        UserError: it is a folder.
    """
    path = Path(text)
    if path.is_dir():
        raise UserError(f"--output: {path} is a folder; name the file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def json_object(text: str) -> dict[str, Any]:
    """The value of an option that takes a JSON object.

    Raises:
        UserError: it is none.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{text!r} is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f'{text!r} is not a JSON object, such as {{"epochs": 28}}')
    return value


def add_study(parser: argparse.ArgumentParser) -> "argparse._MutuallyExclusiveGroup":
    """The options by which a program takes a study: resolved, or as a file; and their group."""
    study = parser.add_mutually_exclusive_group(required=True)
    study.add_argument("--study", type=json_object, metavar="JSON", help="resolved config")
    study.add_argument("--config", type=Path, help="file of the study, such as config/config.yaml")
    return study


def study_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The resolved study of those options; a file is checked as the workflow checks it."""
    from rankme.schema import read_yaml

    checks = import_workflow("checks")
    study: dict[str, Any] = arguments.study or checks.load_study(read_yaml(arguments.config))
    return study


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
