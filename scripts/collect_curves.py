"""Collect what the study's runs went through: training curves, spectra and sample sizes."""

import argparse
from pathlib import Path

from rankme import cli
from rankme.analysis.curves import collect_curves
from rankme.analysis.tables import write_table

TABLES = ("training", "spectra", "convergence")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    cli.add_study(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config = cli.study_of(arguments)
    runs = cli.import_workflow("study").runs(config)
    tables = collect_curves(runs, Path(config["pathvars"]["results"]), config["source"])
    for name, table in zip(TABLES, tables, strict=True):
        write_table(arguments.output / f"{name}.csv", table)


if __name__ == "__main__":
    cli.run(main)
