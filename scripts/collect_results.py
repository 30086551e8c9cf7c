"""Collect every result of the study into tables: results, training, spectra, convergence.

  python scripts/collect_results.py --from-tracking URI --output FOLDER

reads the results of a study from an MLflow store instead, those of all machines that published it
together, and writes results.csv alone. Without a URI it is that of the environment variable
MLFLOW_TRACKING_URI, where an address with a password belongs.
"""

import argparse
import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from rankme import cli
from rankme.analysis.collect import collect, results_table
from rankme.analysis.tables import Label, short, study_label, write_table
from rankme.secrets import censor_output
from rankme.study.runs import runs
from rankme.tracking.destination import URI


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_study(parser, required=False)
    stated, store = os.environ.get(URI, ""), "MLflow store, instead of --study"
    parser.add_argument("--from-tracking", nargs="?", const=stated, metavar="URI", help=store)
    several = "studies to pool, where the store has several"
    parser.add_argument("--experiment", nargs="+", default=[], help=several)
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    arguments = parser.parse_args()
    if (arguments.study is None) == (arguments.from_tracking is None):
        parser.error("give --study or --from-tracking, one of the two")
    if arguments.from_tracking == "":
        parser.error(f"--from-tracking needs a URI, here or in {URI}")
    return arguments


def stored_results(uri: str, names: Sequence[str]) -> tuple[pd.DataFrame, Label]:
    """The table of studies in a store, and whose it is.

    A run that several machines published stands there once.
    """
    from rankme.tracking.readback import read_back

    found = read_back(uri, names)
    tables = []
    for stored in found:
        with TemporaryDirectory() as folder:
            stored.write(Path(folder))
            tables.append(results_table(stored.study, stored.runs, Path(folder)))
    labels = {study_label(stored.study) for stored in found}
    pooled = pd.concat(tables).drop_duplicates(["method", "run", "dataset"])
    return pooled, pooled_label(labels)


def pooled_label(labels: Collection[Label]) -> Label:
    """The names of studies, and one digest for theirs."""
    names, digests = (sorted(set(parts)) for parts in zip(*labels, strict=True))
    whole = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    return Label(" and ".join(names), digests[0] if len(digests) == 1 else short(whole))


def main() -> None:
    arguments = parse_arguments()
    if arguments.from_tracking:
        censor_output(arguments.from_tracking)
        results, label = stored_results(arguments.from_tracking, arguments.experiment)
        tables = {"results": results}
    else:
        study, tree = cli.study_of(arguments)
        tables, label = collect(study, runs(study), tree)._asdict(), study_label(study)
    for name, table in tables.items():
        write_table(arguments.output / f"{name}.csv", table, *label)


if __name__ == "__main__":
    cli.run(main)
