"""How long a study takes to publish, against the same number of commits to the same disk.

    python tests/benchmarks/tracking.py [--runs 1000] [--epochs 100] [--workers 2] [--uri URI]

Without --uri into SQLite in a temporary folder.
"""

import argparse
import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from rankme.tracking.publishing import Publication  # noqa: E402
from tests.rankme.tracking.studies import runs_of, study_of, write_study  # noqa: E402


def commits_a_second(folder: Path, count: int = 200) -> float:
    """What the disk allows: commits of one row each, with SQLite's usual safety."""
    connection = sqlite3.connect(folder / "plain.db")
    connection.execute("CREATE TABLE rows (value INTEGER)")
    start = perf_counter()
    for value in range(count):
        connection.execute("INSERT INTO rows VALUES (?)", (value,))
        connection.commit()
    return count / (perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--uri")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        runs = runs_of(arguments.runs)
        write_study(results, runs, arguments.epochs)
        publication = Publication(study_of(), runs, results, models=False)
        uri = arguments.uri or f"sqlite:///{results}/tracking/mlflow.db"
        for attempt in ("first", "second"):
            start = perf_counter()
            outcomes = publication.publish(uri, arguments.workers)
            seconds = perf_counter() - start
            each = 1000 * seconds / arguments.runs
            print(f"{attempt}: {seconds:.1f} s, {each:.1f} ms a run, {dict(outcomes)}")
        print(f"safe commits to this disk: {commits_a_second(Path(folder)):.0f} a second")


if __name__ == "__main__":
    main()
