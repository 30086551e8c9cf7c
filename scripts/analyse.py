"""Statistics, selection, claims and the run to use, from a table of runs.

Of the study's runs (--results), or of runs trained elsewhere (--runs): one row a run with its
method, hyperparameters, one or more ranks and one or more accuracies.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from rankme import cli
from rankme.analysis.answer import answer
from rankme.analysis.claims import CLAIMS
from rankme.analysis.curves import CONVERGENCE
from rankme.analysis.foreign import Columns, read_runs
from rankme.analysis.groups import NEEDED_COLUMNS
from rankme.analysis.noise import spread
from rankme.analysis.pick import pick
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import Label, label_of, read_table, require_label, write_table
from rankme.analysis.verdicts import Evidence, judge
from rankme.files import write_text


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    tables = parser.add_mutually_exclusive_group(required=True)
    tables.add_argument("--results", type=Path, help="results.csv of collect_results.py")
    tables.add_argument("--runs", type=Path, help="table of runs trained elsewhere, one row a run")
    parser.add_argument("--convergence", type=Path, help="convergence.csv of collect_results.py")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    models = "results tree that holds the models"
    parser.add_argument("--tree", type=Path, default=Path("results"), help=models)
    columns = parser.add_argument_group("columns of --runs")
    one: dict[str, Any] = {"metavar": "COLUMN", "default": ""}
    several: dict[str, Any] = {"metavar": "COLUMN", "default": [], "nargs": "+"}
    method, run = "default: method, else one method", "default: run, else row numbers"
    ranks = "label-free metrics, RankMe first; default: the columns named as metrics"
    accuracies = "one a dataset; default: top1, acc, accuracy and what begins with them"
    source = "accuracy on the source; default: the first"
    columns.add_argument("--method-column", dest="method", help=method, **one)
    columns.add_argument("--run-column", dest="run", help=run, **one)
    columns.add_argument("--rank-columns", dest="ranks", help=ranks, **several)
    columns.add_argument("--accuracy-columns", dest="accuracies", help=accuracies, **several)
    columns.add_argument("--source-column", dest="source", help=source, **one)
    return parser.parse_args()


def results_of(arguments: argparse.Namespace) -> pd.DataFrame:
    """The table of runs."""
    if arguments.results:
        return read_table(arguments.results, NEEDED_COLUMNS)
    columns = Columns(*(getattr(arguments, name) for name in Columns._fields))
    return read_runs(arguments.runs, columns)


def draw(tables: dict[str, pd.DataFrame], label: Label, file: Path) -> None:
    """The figure rank_vs_acc, as PDF and PNG."""
    from rankme.plots import figures, style
    from rankme.plots.tables import Tables

    style.save(figures.draw("rank_vs_acc", Tables.of(**tables)), file, *label)


def main() -> None:
    arguments = parse_arguments()
    folder, results = arguments.output, results_of(arguments)
    label = label_of(arguments.results or arguments.runs, results)
    evidence = Evidence(results)
    if arguments.convergence:
        evidence = Evidence(results, read_table(arguments.convergence, CONVERGENCE))
        require_label(arguments.convergence, evidence.convergence, label)
    tables = {
        "correlations": correlate(results),
        "selection": select(results),
        "variance": spread(results),
        "claims": judge(CLAIMS, evidence),
        "selected": pick(results),
    }
    if arguments.runs:
        tables["results"] = results
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table, *label)
    judged = tables["selected"], tables["selection"], tables["claims"]
    words = answer(label, results, *judged, arguments.tree)
    write_text(folder / "answer.rst", words)
    if arguments.runs:
        print(words.partition(".. csv-table")[0].replace("\\", "").strip())
        draw(tables, label, folder / "rank_vs_acc.pdf")


if __name__ == "__main__":
    cli.run(main)
