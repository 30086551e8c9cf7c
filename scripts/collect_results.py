"""Collect every result of the study into one table."""

import argparse
import json
from pathlib import Path

from rankme import cli
from rankme.analysis.collect import collect
from rankme.analysis.tables import write_table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--study", type=json.loads, required=True, metavar="JSON", help="resolved configuration"
    )
    parser.add_argument("--output", type=Path, required=True, help="table to write, CSV")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config = arguments.study
    runs = cli.import_workflow("study").runs(config)
    results = Path(config["pathvars"]["results"])
    write_table(arguments.output, collect(runs, results, config["source"], config["targets"]))


if __name__ == "__main__":
    cli.run(main)
