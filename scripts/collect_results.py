"""Collect every result of the study into one table.

  python scripts/collect_results.py --from-tracking URI --output results.csv

reads the results of a study from an MLflow store instead, those of all machines that published it
together. Without a URI it is that of the environment variable MLFLOW_TRACKING_URI, where an address
with a password belongs.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rankme import cli
from rankme.analysis.collect import Run, collect
from rankme.analysis.tables import write_table
from rankme.tracking.destination import URI, censor_output


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    origin = cli.add_study(parser)
    origin.add_argument(
        "--from-tracking", nargs="?", const=os.environ.get(URI), metavar="URI", help="MLflow store"
    )
    parser.add_argument(
        "--experiment", nargs="+", default=[], help="studies to pool, where the store has several"
    )
    parser.add_argument("--output", type=Path, required=True, help="table to write, CSV")
    arguments = parser.parse_args()
    if not (arguments.study or arguments.config or arguments.from_tracking):
        parser.error(f"--from-tracking needs a URI, here or in {URI}")
    return arguments


def table_of(config: Mapping[str, Any], runs: Sequence[Run], results: Path) -> pd.DataFrame:
    """The table of a study's runs in a results tree."""
    study = cli.import_workflow("study")
    labelled = study.labelled_datasets(config)
    return collect(
        runs,
        results,
        config["source"],
        config["targets"],
        controls=study.controls(),
        unlabelled=[name for name in study.evaluation_datasets(config) if name not in labelled],
    )


def table_from_tracking(uri: str, names: Sequence[str]) -> pd.DataFrame:
    """The table of studies in a store; a run that several machines published stands there once."""
    from rankme.tracking.readback import read_back

    tables = []
    for study in read_back(uri, names):
        with TemporaryDirectory() as folder:
            for run in study.runs:
                run.write(Path(folder))
            tables.append(table_of(study.config, study.runs, Path(folder)))
    if len(tables) == 1:
        return tables[0]
    return pd.concat(tables).drop_duplicates(["method", "run", "dataset"])


def main() -> None:
    arguments = parse_arguments()
    if arguments.from_tracking:
        censor_output(arguments.from_tracking)
        table = table_from_tracking(arguments.from_tracking, arguments.experiment)
    else:
        config = cli.study_of(arguments)
        runs = cli.import_workflow("study").runs(config)
        table = table_of(config, runs, Path(config["pathvars"]["results"]))
    write_table(arguments.output, table)


if __name__ == "__main__":
    cli.run(main)
