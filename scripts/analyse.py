"""Statistics, selection, claims and the run to use, from a table of runs.

Of the study's runs (--results), or of runs trained elsewhere (--runs): one row a run with its
method, hyperparameters, one or more ranks and one or more accuracies.
"""

import argparse
from pathlib import Path

import pandas as pd

from rankme import cli
from rankme.analysis import foreign
from rankme.analysis.answer import answer
from rankme.analysis.claims import CLAIMS
from rankme.analysis.curves import CONVERGENCE
from rankme.analysis.groups import NEEDED_COLUMNS
from rankme.analysis.noise import spread
from rankme.analysis.pick import pick
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import read_table, write_table
from rankme.analysis.verdicts import Evidence, judge
from rankme.files import write_text


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    tables = parser.add_mutually_exclusive_group(required=True)
    tables.add_argument("--results", type=Path, help="table of collect_results.py")
    tables.add_argument("--runs", type=Path, help="table of runs trained elsewhere, one row a run")
    parser.add_argument("--convergence", type=Path, help="table of collect_curves.py")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    foreign.add_arguments(parser.add_argument_group("columns of --runs"))
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    folder = arguments.output
    if arguments.runs:
        results = foreign.read_runs(arguments.runs, foreign.columns_of(arguments))
        write_table(folder / "results.csv", results)
    else:
        results = read_table(arguments.results, NEEDED_COLUMNS)
    convergence = pd.DataFrame(columns=list(CONVERGENCE))
    if arguments.convergence:
        convergence = read_table(arguments.convergence, CONVERGENCE)
    tables = {
        "correlations": correlate(results),
        "selection": select(results),
        "variance": spread(results),
        "claims": judge(CLAIMS, Evidence(results, convergence)),
        "selected": pick(results),
    }
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    words = answer(tables["selected"], tables["selection"], tables["claims"], str(folder.parent))
    write_text(folder / "answer.rst", words)
    if arguments.runs:
        foreign.draw(results, tables["correlations"], tables["selection"], folder)
        print(words.partition(".. csv-table")[0].replace("\\", "").strip())


if __name__ == "__main__":
    cli.run(main)
