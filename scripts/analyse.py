"""Correlate RankMe with accuracy, and say what selecting by RankMe costs."""

import argparse
from pathlib import Path

from rankme import cli
from rankme.analysis.groups import NEEDED_COLUMNS
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import read_table, write_table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="table of collect_results.py")
    parser.add_argument("--correlations", type=Path, required=True, help="table to write, CSV")
    parser.add_argument("--selection", type=Path, required=True, help="table to write, CSV")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    results = read_table(arguments.results, NEEDED_COLUMNS)
    write_table(arguments.correlations, correlate(results))
    write_table(arguments.selection, select(results))


if __name__ == "__main__":
    cli.run(main)
