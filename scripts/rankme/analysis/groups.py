"""Which runs are looked at together: within one method, by sweep, dataset and subset of runs."""

from collections.abc import Iterator

import pandas as pd

ALL_SWEEPS = "all"
DEFAULT = "default"
MEAN = "mean over targets"
NON_DEGENERATE = "non-degenerate"
ALL_RUNS = "all"
METRIC = "rankme"
KEYS = ("method", "sweep", "dataset", "role", "runs")

COLLAPSED_RANKME = 2.0
"""A source RankMe below this counts as collapse, whatever the status says."""

NEEDED_COLUMNS = (
    "method",
    "run",
    "sweep",
    "status",
    "dataset",
    "role",
    "rankme",
    "top1",
    "chance",
)


def degenerate(results: pd.DataFrame) -> pd.Series:
    """True for the rows of runs that diverged or collapsed. Looks at no label."""
    return (results["status"] != "completed") | (results["rankme"] < COLLAPSED_RANKME)


def with_mean_over_targets(results: pd.DataFrame) -> pd.DataFrame:
    """Append a row for each run: dataset `MEAN`, role "mean", top1 and chance averaged.

    The row has no interval: the Wilson intervals of several test sets do not average.
    """
    same = dict.fromkeys(("sweep", "status", "rankme"), "first")
    averaged = dict.fromkeys(("top1", "chance"), "mean")
    targets = results[results["role"] == "target"]
    mean = targets.groupby(["method", "run"], sort=False, as_index=False).agg({**same, **averaged})
    if mean.empty:
        return results
    return pd.concat([results, mean.assign(dataset=MEAN, role="mean")], ignore_index=True)


def groups(results: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Every group of runs that may be compared, with its key (`KEYS`), in the table's order.

    Runs of different methods never share a group: RankMe is defined to compare runs of one
    method. A sweep holds its own runs and those at the method's default settings. Every group
    comes twice: without its degenerate runs (it may then be empty), and with all.
    """
    table = with_mean_over_targets(results)
    for method, of_method in table.groupby("method", sort=False):
        for sweep in _sweeps(of_method):
            pooled = sweep == ALL_SWEEPS
            in_sweep = of_method[pooled | of_method["sweep"].isin([sweep, DEFAULT])]
            for (dataset, role), rows in in_sweep.groupby(["dataset", "role"], sort=False):
                key = dict(zip(KEYS, map(str, (method, sweep, dataset, role)), strict=False))
                yield {**key, "runs": NON_DEGENERATE}, rows[~degenerate(rows)]
                yield {**key, "runs": ALL_RUNS}, rows


def _sweeps(of_method: pd.DataFrame) -> list[str]:
    """All runs of a method together, then each of its sweeps."""
    return [ALL_SWEEPS, *(sweep for sweep in of_method["sweep"].unique() if sweep != DEFAULT)]
