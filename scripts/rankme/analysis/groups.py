"""Which runs are looked at together: within one method, by sweep and subset of runs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.collect import DATASET, DATASET_COLUMNS, LAYERS, RUN
from rankme.metrics import METRICS
from rankme.metrics.rankme import COLLAPSED_RANKME
from rankme.study.runs import DEFAULT

ALL_SWEEPS = "all"
MEAN = "mean over targets"
NON_DEGENERATE = "non-degenerate"
ALL_RUNS = "all"
KEYS = ("method", "sweep", "dataset", "role", "runs")
NEEDED_COLUMNS = (*RUN, *DATASET, "rankme", "top1", "chance")


@dataclass(frozen=True)
class Group:
    """Runs that may be compared.

    Attributes:
        method, sweep, subset: which runs; `sweep` is `ALL_SWEEPS` for all of the method.
        runs: a row a run.
        accuracy: the same rows, a column a labelled dataset: the source, the targets, `MEAN`.
        roles: role of each column of `accuracy`: "source", "target" or "mean".
        columns: `metric_columns` of the method.
    """

    method: str
    sweep: str
    subset: str
    runs: pd.DataFrame
    accuracy: pd.DataFrame
    roles: dict[str, str]
    columns: dict[str, tuple[str, str]]

    @property
    def rank(self) -> np.ndarray:
        """RankMe on the source, (n,)."""
        return self.runs["rankme"].to_numpy(float)

    def top1(self, dataset: str) -> np.ndarray:
        """Accuracy on one dataset, (n,)."""
        return self.accuracy[dataset].to_numpy(float)

    def scores(self) -> pd.DataFrame:
        """A column for each metric, higher where it promises the better model."""
        scored = {
            column: self.runs[column].astype(float).map(METRICS[metric].score)
            for column, (metric, _) in self.columns.items()
        }
        return pd.DataFrame(scored, index=self.runs.index, dtype=float)

    def key(self, dataset: str) -> dict[str, str]:
        """The columns `KEYS` of a row about one dataset."""
        values = (self.method, self.sweep, dataset, self.roles[dataset], self.subset)
        return dict(zip(KEYS, values, strict=True))


_Compute = Callable[[Group], Iterable[tuple[str, dict[str, Any]]]]


def degenerate(results: pd.DataFrame) -> pd.Series:
    """True for the rows of runs that diverged or collapsed. Looks at no label.

    A source RankMe below `COLLAPSED_RANKME` is a collapse, whatever the status says. Leaving out
    runs at chance accuracy as well would choose the runs by the outcome.
    """
    return (results["status"] != "completed") | ~(results["rankme"] >= COLLAPSED_RANKME)


def without_controls(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the runs under study."""
    return results[~results["control"].astype(bool)]


def metric_columns(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Column -> (metric, layer) of every metric that a table of runs has a value of."""
    return {
        name + ending: (name, layer)
        for layer, ending in LAYERS.items()
        for name in METRICS
        if name + ending in table and table[name + ending].notna().any()
    }


def with_mean_over_targets(results: pd.DataFrame) -> pd.DataFrame:
    """Append a row for each run: dataset `MEAN`, role "mean", top1 and chance averaged.

    Targets without labels do not count. The row has no interval: the Wilson intervals of several
    test sets do not average.
    """
    kept = [column for column in results if column not in DATASET_COLUMNS]
    targets = results[(results["role"] == "target") & results["top1"].notna()]
    if targets.empty:
        return results
    by_run = targets.groupby(["method", "run"], sort=False, as_index=False)
    firsts = targets.drop_duplicates(["method", "run"])[kept]
    mean = firsts.merge(by_run[["top1", "chance"]].mean(), on=["method", "run"])
    return pd.concat([results, mean.assign(dataset=MEAN, role="mean")], ignore_index=True)


def runs_of(results: pd.DataFrame) -> pd.DataFrame:
    """A row a run under study, in the table's order."""
    return without_controls(results).drop_duplicates(["method", "run"])


def groups(results: pd.DataFrame) -> Iterator[Group]:
    """Every group of runs that may be compared, in the table's order.

    Runs of different methods never share a group: RankMe is defined to compare runs of one
    method; controls are in none. A sweep holds its own runs and those at the method's default
    settings. Every group comes twice: without its degenerate runs (it may then be empty), and with
    all.
    """
    runs = runs_of(results).set_index(["method", "run"], drop=False).rename_axis([None, None])
    points = with_mean_over_targets(without_controls(results))
    labelled = points[points["top1"].notna()]
    named = labelled[["dataset", "role"]].drop_duplicates().astype(str)
    roles = dict(zip(named["dataset"], named["role"], strict=True))
    accuracy = labelled.pivot(index=["method", "run"], columns="dataset", values="top1")
    accuracy = accuracy.reindex(index=runs.index, columns=list(roles))
    for method, of_method in runs.groupby("method", sort=False):
        columns = metric_columns(of_method)
        sweeps = of_method["sweep"].unique()
        for sweep in (ALL_SWEEPS, *sweeps[sweeps != DEFAULT]):
            pooled = sweep == ALL_SWEEPS
            members = of_method[pooled | of_method["sweep"].isin([sweep, DEFAULT])]
            for subset in (NON_DEGENERATE, ALL_RUNS):
                rows = members if subset == ALL_RUNS else members[~degenerate(members)]
                top1 = accuracy.loc[rows.index]
                yield Group(str(method), sweep, subset, rows, top1, roles, columns)


def rows_by_group(results: pd.DataFrame, compute: _Compute) -> list[dict[str, Any]]:
    """What is computed of every group of runs and each dataset, with the columns `KEYS`."""
    rows, before, found = [], None, []
    for group in groups(results):
        members = (group.method, group.sweep, tuple(group.runs.index))
        # Without degenerate runs both subsets are the same runs.
        if members != before:
            before, found = members, list(compute(group))
        rows += [group.key(dataset) | row for dataset, row in found]
    return rows
