"""Runs that were trained elsewhere: one row a run, in whatever columns, as the study's table."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rankme.analysis.collect import COLUMNS
from rankme.analysis.tables import STUDY_COLUMNS, read_csv, short
from rankme.errors import UserError
from rankme.files import sha256_file
from rankme.metrics import METRICS
from rankme.study.runs import DEFAULT

RANK_NAMES = ("rankme", "rank_me", "rank", "effective_rank")
ACCURACY_NAMES = ("top1", "acc", "accuracy", "acc1")
METHOD_NAMES = ("method", "algorithm")

_log = logging.getLogger(__name__)


class Columns(NamedTuple):
    """Names of the columns of a table; empty where they are to be found by common names."""

    method: str = ""
    run: str = ""
    ranks: Sequence[str] = ()
    accuracies: Sequence[str] = ()
    source: str = ""


def read_runs(path: Path, columns: Columns) -> pd.DataFrame:
    """A table of one row a run as the table of `rankme.analysis.collect`.

    Each accuracy column becomes a dataset of its name, the source first. Accuracies above 1 are
    taken as percent. What is neither method, run, rank nor accuracy is a hyperparameter; `seed`,
    `sweep` and `status` mean what they mean in a study. Rows without a rank or without any
    accuracy, and repeated rows, are left out; how many is logged. The name of the study is the
    file's, its digest that of the file.

    Raises:
        UserError: the file is no table, lacks a named column, or a rank or accuracy is no number.
    """
    table = read_csv(path)
    table.columns = table.columns.map(str)
    method = _one(path, table, columns.method, METHOD_NAMES)
    ranks = _several(path, table, columns.ranks, [*RANK_NAMES, *METRICS], "--rank-columns")
    accuracies = _several(path, table, columns.accuracies, _alike(table), "--accuracy-columns")
    if columns.source:
        _require(path, table, [columns.source])
        accuracies = [columns.source, *(name for name in accuracies if name != columns.source)]
    metrics = _metric_names(path, ranks)
    for name in (*ranks, *accuracies):
        table[name] = _numbers(path, table[name])
    table = _cleaned(path, table, ranks[0], accuracies)
    table["method"] = table[method].astype(str) if method else "runs"
    table["run"] = _run_names(table, columns.run)
    taken = {"method", "run", method, columns.run, *ranks, *accuracies, *COLUMNS}
    rows = pd.DataFrame(index=table.index)
    for column, default in (("seed", 0), ("sweep", DEFAULT), ("status", "completed")):
        rows[column] = table.get(column, pd.Series(default, index=table.index)).fillna(default)
    rows = rows.assign(method=table["method"], run=table["run"], control=False)
    rows[list(STUDY_COLUMNS)] = path.stem, short(sha256_file(path))
    rows = rows.assign(**{metrics[name]: table[name] for name in ranks})
    settings = table[[name for name in table if name not in taken]]
    parts = [
        rows.assign(dataset=name, role="target" if place else "source", top1=_share(table[name]))
        for place, name in enumerate(accuracies)
    ]
    joined = pd.concat([part.join(settings) for part in parts])
    order = joined.sort_index(kind="stable").reset_index(drop=True)
    return order.reindex(columns=[*COLUMNS, *settings])


def _one(path: Path, table: pd.DataFrame, name: str, usual: Sequence[str]) -> str:
    if name:
        _require(path, table, [name])
        return name
    return next((column for column in usual if column in table), "")


def _several(
    path: Path, table: pd.DataFrame, names: Sequence[str], usual: Sequence[str], option: str
) -> list[str]:
    if names:
        _require(path, table, names)
        return list(dict.fromkeys(names))
    found = [name for name in dict.fromkeys(usual) if name in table]
    if not found:
        raise UserError(
            f"{path}: has none of the columns {', '.join(dict.fromkeys(usual)) or 'top1, acc'}; "
            f"say by {option} which of {', '.join(map(str, table))} to take"
        )
    return found


def _require(path: Path, table: pd.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in table]:
        there = ", ".join(map(str, table))
        raise UserError(f"{path}: has no column {', '.join(missing)}; its columns are {there}")


def _alike(table: pd.DataFrame) -> list[str]:
    return [name for name in map(str, table) if name.lower().startswith(ACCURACY_NAMES)]


def _metric_names(path: Path, ranks: Sequence[str]) -> dict[str, str]:
    """Column -> metric; the first that is no other metric is RankMe."""
    first = next((name for name in ranks if name == "rankme"), ranks[0])
    metrics = {name: "rankme" if name == first else name for name in ranks}
    if unknown := [name for name in metrics.values() if name not in METRICS]:
        raise UserError(
            f"{path}: {', '.join(unknown)} is no metric whose direction is known; "
            f"the first rank column counts as RankMe, the others are among {', '.join(METRICS)}"
        )
    return metrics


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = column[numbers.isna() & column.notna()]
    words = wrong[~wrong.astype(str).str.lower().isin(["nan", "na", "n/a", "none", "-"])]
    if not words.empty:
        raise UserError(
            f"{path}: {column.name} is {words.iloc[0]!r} in row {words.index[0] + 2}, "
            "expected a number or an empty cell"
        )
    return numbers.where(numbers.abs() < float("inf"))


def _cleaned(path: Path, table: pd.DataFrame, rank: str, accuracies: Sequence[str]) -> pd.DataFrame:
    usable = table[table[rank].notna() & table[list(accuracies)].notna().any(axis=1)]
    once = usable.drop_duplicates()
    for count, what in (
        (len(table) - len(usable), f"without {rank} or without any accuracy"),
        (len(usable) - len(once), "that repeat another one"),
    ):
        if count:
            _log.warning("%s: left out %d of %d rows %s", path, count, len(table), what)
    if once.empty:
        raise UserError(f"{path}: no row has a number in {rank} and one in {', '.join(accuracies)}")
    return once.reset_index(drop=True).copy()


def _run_names(table: pd.DataFrame, column: str) -> pd.Series:
    """The names of the runs, made unique by the number of the row where they are not."""
    numbers = pd.Series([f"row {place + 1}" for place in range(len(table))], index=table.index)
    name = column or ("run" if "run" in table else "")
    if not name:
        return numbers
    names = table[name].astype(str)
    repeated = table.assign(_name=names).duplicated(["method", "_name"], keep=False)
    return names.where(~repeated, names + " (" + numbers + ")")


def _share(accuracy: pd.Series) -> pd.Series:
    """Accuracies as fractions."""
    if accuracy.max() <= 1:
        return accuracy
    _log.info("%s exceeds 1 and is taken as percent", accuracy.name)
    return accuracy / 100
