"""Correlation of label-free metrics with accuracy, with no more certainty than the runs allow."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rankme.analysis.coefficients import COEFFICIENTS, EXACT_RUNS
from rankme.analysis.groups import KEYS, Group, rows_by_group

MINIMUM_RUNS = 3
_PARTS = ("", "_low", "_high", "_p", "_interval")
COLUMNS = (
    *KEYS,
    "metric",
    "layer",
    "n",
    *(name + part for name in COEFFICIENTS for part in _PARTS),
    "spearman_p_holm",
    "spearman_given_seed",
    "pearson_of_log",
    "p_method",
    "reason",
)


def correlate(results: pd.DataFrame) -> pd.DataFrame:
    """Correlation of every metric on the source with top-1 accuracy, for every group of `groups`.

    Metrics are turned so that a positive correlation speaks for them (`Metric.score`). Every run is
    one point; `spearman_given_seed` is the partial correlation of ranks with the seed held fixed,
    where there are several seeds. p-values are two-sided: exact over all pairings up to 9 runs,
    scipy's above. `spearman_p_holm` is corrected for the number of metrics of the same runs and
    dataset (Holm 1979), not for the number of groups. Intervals are BCa for 7 to 100 runs, else z
    (`rankme.analysis.coefficients`). `pearson_of_log` takes the logarithm of the metric.

    Returns:
        A table of `COLUMNS`; `n` counts runs. Where no correlation exists the cells are empty and
        `reason` says why.
    """
    table = pd.DataFrame(rows_by_group(results, _correlations), columns=list(COLUMNS))
    if not table.empty:
        same = table.groupby(list(KEYS), sort=False)["spearman_p"]
        table["spearman_p_holm"] = same.transform(lambda p: holm(p.to_numpy(float)))
    return table


def correlate_columns(x: ArrayLike, y: ArrayLike) -> dict[str, Any]:
    """The statistics of one metric and one accuracy, (n,) each: a row without its keys."""
    x, y = np.asarray(x, float)[:, None], np.asarray(y, float)[:, None]
    usable = np.isfinite(x[:, 0]) & np.isfinite(y[:, 0])
    return next(iter(_block(x[usable], y[usable], np.zeros(usable.sum()))))[2]


def holm(p: ArrayLike) -> np.ndarray:
    """p-values (K,) corrected for K tests by Holm's step-down method (1979); NaN is no test."""
    values = np.asarray(p, float)
    order = np.argsort(values)[: np.isfinite(values).sum()]
    steps = np.arange(len(order), 0, -1)
    corrected = np.full(values.shape, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1)
    return corrected


def _correlations(group: Group) -> Iterator[tuple[str, dict[str, Any]]]:
    """A dataset and its row for each metric, computed together where the same runs count."""
    columns, accuracy = group.columns, group.accuracy
    metrics, seeds = group.scores(), group.runs["seed"].to_numpy()
    for names, rows_x in _columns_by_rows(metrics):
        for datasets, rows_y in _columns_by_rows(accuracy):
            rows = rows_x & rows_y
            x, y = metrics.loc[rows, names].to_numpy(), accuracy.loc[rows, datasets].to_numpy()
            for m, d, row in _block(x, y, seeds[rows]):
                metric, layer = columns[names[m]]
                yield datasets[d], {"metric": metric, "layer": layer, **row}


def _columns_by_rows(table: pd.DataFrame) -> Iterator[tuple[list[str], np.ndarray]]:
    """Columns that have values in the same rows, and those rows."""
    present = table.notna()
    patterns: dict[bytes, list[str]] = {}
    for column in table:
        patterns.setdefault(present[column].to_numpy().tobytes(), []).append(str(column))
    for columns in patterns.values():
        yield columns, present[columns[0]].to_numpy()


def _block(
    x: np.ndarray, y: np.ndarray, seeds: np.ndarray
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Statistics of each metric (n, M) with each accuracy (n, D): its place and its row."""
    n = len(x)
    reasons_x, reasons_y = _reasons(x, "the metric"), _reasons(y, "accuracy")
    for m, d in np.ndindex(len(reasons_x), len(reasons_y)):
        if reason := reasons_x[m] or reasons_y[d]:
            yield m, d, {"n": n, "reason": reason}
    good_x = [m for m, reason in enumerate(reasons_x) if not reason]
    good_y = [d for d, reason in enumerate(reasons_y) if not reason]
    if not good_x or not good_y:
        return
    cells = _cells(x[:, good_x], y[:, good_y], seeds)
    method = "exact" if n <= EXACT_RUNS else "scipy"
    for i, j in np.ndindex(len(good_x), len(good_y)):
        row = {name: values[i, j] for name, values in cells.items()}
        yield good_x[i], good_y[j], {"n": n, **row, "p_method": method}


def _reasons(values: np.ndarray, what: str) -> list[str]:
    """Why each column (n, K) has no correlation, "" where it has one."""
    if len(values) < MINIMUM_RUNS:
        return [f"fewer than {MINIMUM_RUNS} runs"] * values.shape[1]
    spread = np.ptp(values, axis=0)
    constant = spread <= 1e-12 * np.abs(values).max(axis=0)
    return [f"{what} is the same in all runs" if same else "" for same in constant]


def _cells(x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> dict[str, np.ndarray]:
    cells: dict[str, np.ndarray] = {}
    for name, coefficient in COEFFICIENTS.items():
        found = coefficient(x, y)
        cells |= {name + part: values for part, values in zip(_PARTS, found, strict=True)}
    cells["spearman_given_seed"] = _given_seed(x, y, seeds)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where((x > 0).all(axis=0), np.log(np.where(x > 0, x, 1)), np.nan)
    return cells | {"pearson_of_log": _correlation(logs, y)}


def _given_seed(x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Correlation of ranks less their mean over the runs of the same seed."""
    if len(np.unique(seeds)) < 2:
        return np.full((x.shape[1], y.shape[1]), np.nan)
    ranks = pd.DataFrame(rankdata(np.hstack([x, y]), axis=0))
    residuals = (ranks - ranks.groupby(seeds, dropna=False).transform("mean")).to_numpy()
    return _correlation(*np.split(residuals, [x.shape[1]], axis=1))


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r, (M, D); NaN where a column does not vary."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = np.sqrt((x**2).sum(axis=0)[:, None] * (y**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = np.where(scale > 1e-12, x.T @ y / scale, np.nan)
    return result
