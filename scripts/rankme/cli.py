"""What every program in scripts/ shares: logging, errors as one line, and common options."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankme.errors import UserError, describe
from rankme.processes import is_first_process

if TYPE_CHECKING:
    from rankme.study.study import Study


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
    except KeyboardInterrupt:
        sys.exit(130)


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


def add_study(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The options by which a program takes a study and its results."""
    parser.add_argument(
        "--study",
        type=Path,
        required=required,
        metavar="FILE",
        help="the study: config/config.yaml, or the file STUDY beside its tables",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="the results tree; default: the study's"
    )


def study_of(arguments: argparse.Namespace) -> "tuple[Study, Path]":
    """The study of those options, and its results tree.

    Raises:
        UserError: the file is no study; with every mistake in it.
    """
    from rankme.study.config import read_study

    study = read_study(arguments.study)
    return study, arguments.results or study.results
