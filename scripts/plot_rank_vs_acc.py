"""Draw accuracy against RankMe, a panel for each dataset, as PDF with a PNG beside it."""

import argparse
from pathlib import Path

from rankme import cli
from rankme.analysis import selection, statistics
from rankme.analysis.tables import read_table
from rankme.plots import rank_vs_acc, style


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="table of collect_results.py")
    parser.add_argument("--correlations", type=Path, required=True, help="table of analyse.py")
    parser.add_argument("--selection", type=Path, required=True, help="table of analyse.py")
    parser.add_argument("--output", type=Path, required=True, help="figure to write, PDF")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    figure = rank_vs_acc.draw(
        read_table(arguments.results, rank_vs_acc.NEEDED_COLUMNS),
        read_table(arguments.correlations, statistics.COLUMNS),
        read_table(arguments.selection, selection.COLUMNS),
    )
    style.save(figure, arguments.output)


if __name__ == "__main__":
    cli.run(main)
