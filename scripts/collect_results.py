"""Collect every result of the study into one table."""

import argparse
from pathlib import Path

from rankme import cli
from rankme.analysis.collect import collect
from rankme.analysis.tables import write_table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    cli.add_study(parser)
    parser.add_argument("--output", type=Path, required=True, help="table to write, CSV")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config, study = cli.study_of(arguments), cli.import_workflow("study")
    labelled = study.labelled_datasets(config)
    table = collect(
        study.runs(config),
        Path(config["pathvars"]["results"]),
        config["source"],
        config["targets"],
        controls=study.controls(),
        unlabelled=[name for name in study.evaluation_datasets(config) if name not in labelled],
    )
    write_table(arguments.output, table)


if __name__ == "__main__":
    cli.run(main)
