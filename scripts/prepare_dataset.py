"""Fetch and decode one dataset: `python scripts/prepare_dataset.py --name cifar10`."""

import argparse
import os
from pathlib import Path

from rankme import cli


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="name of the dataset")
    declared = parser.add_mutually_exclusive_group()
    declared.add_argument("--declaration", metavar="JSON", help="how to read it")
    declared.add_argument(
        "--datasets",
        type=Path,
        metavar="FILE",
        help="declarations of one's own, over the built-in ones of config/datasets.yaml",
    )
    parser.add_argument("--output", type=Path, help="folder (default: results/datasets/NAME)")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes that decode (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    # Imported here, since each decoding process imports this file: a third less memory.
    from rankme.artefacts import Tree
    from rankme.data.prepare import prepare
    from rankme.errors import UserError, choices
    from rankme.study.datasets import Catalogue, Declaration, from_json

    name = arguments.name
    if arguments.declaration:
        given = cli.json_object(arguments.declaration)
        declaration = from_json(Declaration, given, "--declaration")
    else:
        datasets = Catalogue(arguments.datasets)
        if name not in datasets:
            raise UserError(
                f"--name: {name!r} is not declared in {datasets.place}{choices(name, datasets)}"
            )
        declaration = datasets[name]
    output = arguments.output or Tree("results").dataset(name)
    prepare(name, declaration, output, arguments.workers)


if __name__ == "__main__":
    cli.run(main)
