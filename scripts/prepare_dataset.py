"""Fetch and decode one data set: `python scripts/prepare_dataset.py --name cifar10`."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rankme import cli
from rankme.data.declarations import load_declarations
from rankme.data.prepare import prepare
from rankme.errors import UserError


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="name of the data set")
    parser.add_argument("--declaration", help="its declaration as JSON (default: from --datasets)")
    parser.add_argument(
        "--datasets",
        type=Path,
        default=Path("config/datasets.yaml"),
        help="file of declarations (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, help="folder to write (default: results/datasets/NAME)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes that decode (default: %(default)s)",
    )
    return parser.parse_args()


def declared(arguments: argparse.Namespace) -> Any:
    """The declaration on the command line, or the one in the file of declarations."""
    if arguments.declaration is not None:
        try:
            return json.loads(arguments.declaration)
        except ValueError as error:
            raise UserError(f"--declaration is not valid JSON: {error}") from error
    declarations = load_declarations(arguments.datasets)
    if arguments.name not in declarations:
        known = ", ".join(declarations)
        raise UserError(f"{arguments.datasets}: no data set {arguments.name!r}; there are: {known}")
    return declarations[arguments.name]


def main() -> None:
    arguments = parse_arguments()
    output = arguments.output or Path("results/datasets") / arguments.name
    prepare(arguments.name, declared(arguments), output, arguments.workers)


if __name__ == "__main__":
    cli.run(main)
