"""Draw the study's figures from its tables, each as PDF with a PNG beside it."""

import argparse
from pathlib import Path

from rankme import cli
from rankme.plots import interactive, style
from rankme.plots.figures import FIGURES, draw
from rankme.plots.tables import Tables


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--output", type=Path, required=True, help="folder for the figures")
    parser.add_argument(
        "--figures", nargs="+", choices=FIGURES, default=list(FIGURES), help="default: all"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    tables = Tables(arguments.tables)
    for name in arguments.figures:
        style.save(draw(name, tables), arguments.output / f"{name}.pdf", *tables.label)
    if "rank_vs_acc" in arguments.figures:
        interactive.write(tables, arguments.output / "rank_vs_acc.html")


if __name__ == "__main__":
    cli.run(main)
