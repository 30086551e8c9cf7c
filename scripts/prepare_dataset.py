"""Fetch and decode one data set: `python scripts/prepare_dataset.py --name cifar10`."""

import argparse
import os
from pathlib import Path
from typing import Any

from rankme import cli


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="name of the data set")
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


def declared(name: str, file: Path) -> dict[str, Any]:
    """The declaration of that name."""
    from rankme.data.declarations import load_declarations
    from rankme.errors import UserError
    from rankme.schema import choices

    declarations = load_declarations(file)
    if name not in declarations:
        raise UserError(f"--name: {name!r} is not declared in {file}{choices(name, declarations)}")
    return declarations[name]


def main() -> None:
    arguments = parse_arguments()
    # Imported here and above, since each decoding process imports this file: a third less memory.
    from rankme.data.prepare import prepare

    output = arguments.output or Path("results/datasets") / arguments.name
    prepare(arguments.name, declared(arguments.name, arguments.datasets), output, arguments.workers)


if __name__ == "__main__":
    cli.run(main)
