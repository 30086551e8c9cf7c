"""Spread between configurations against spread between seeds of one configuration."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from rankme.analysis.collect import COLUMNS as RESULT_COLUMNS
from rankme.analysis.groups import degenerate, runs_of, with_mean_over_targets, without_controls
from rankme.analysis.resampling import CONFIDENCE

_SHARE = ("config_share", "config_share_low", "config_share_high")
_SPREAD = ("configurations", "n", "config_std", "seed_std", *_SHARE)
COLUMNS = ("method", "dataset", "quantity", *_SPREAD, "reason")


def configurations(runs: pd.DataFrame) -> np.ndarray:
    """Number of the configuration of each run, (n,): all its settings but the seed."""
    settings = [column for column in runs if column not in RESULT_COLUMNS]
    # Without hyperparameters nothing says that two runs are the same configuration.
    if not settings:
        return np.arange(len(runs))
    keys = runs[["method", *settings]].astype(str)
    return keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()


def seed_noise(runs: pd.DataFrame) -> float:
    """Standard deviation of log RankMe between seeds of one configuration; NaN if none repeats.

    Args:
        runs: a row a run, of one method.
    """
    runs = runs[~degenerate(runs)]
    groups = _split(np.log(runs["rankme"].to_numpy(float)), configurations(runs))
    return _pooled_deviation(groups)[0]


def spread(results: pd.DataFrame) -> pd.DataFrame:
    """How much of the spread of log RankMe and of top-1 lies between configurations.

    One-way random effects over the configurations of a method, its degenerate runs left out:
    `config_share` is the intraclass correlation ICC(1) with its F interval (Shrout & Fleiss 1979;
    with unequal numbers of seeds, their n0 in place of the number of seeds). Standard deviations of
    top-1 are fractions.

    Returns:
        A table of `COLUMNS`, per method: log RankMe once, top-1 for each labelled dataset.
    """
    points = with_mean_over_targets(without_controls(results))
    points = points[~degenerate(points)]
    rows = []
    for method, runs in runs_of(points).groupby("method", sort=False):
        rank = np.log(runs["rankme"].to_numpy(float))
        about = {"method": method, "dataset": "", "quantity": "log RankMe"}
        rows.append(about | _share(rank, configurations(runs)))
        labelled = points[(points["method"] == method) & points["top1"].notna()]
        for dataset, of_dataset in labelled.groupby("dataset", sort=False):
            about = {"method": method, "dataset": dataset, "quantity": "top1"}
            top1 = of_dataset["top1"].to_numpy(float)
            rows.append(about | _share(top1, configurations(of_dataset)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _share(values: np.ndarray, configuration: np.ndarray) -> dict[str, Any]:
    groups = _split(values, configuration)
    row: dict[str, Any] = {"configurations": len(groups), "n": len(values)}
    within, free = _pooled_deviation(groups)
    if free == 0:
        return row | {"reason": "no configuration was run with several seeds"}
    if len(groups) < 2:
        return row | {"seed_std": within, "reason": "only one configuration"}
    sizes = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    between = (sizes * (means - values.mean()) ** 2).sum() / (len(groups) - 1)
    typical = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(groups) - 1)
    row |= {"config_std": np.sqrt(max(between - within**2, 0) / typical), "seed_std": within}
    if within == 0:
        return row | {"reason": "seeds do not differ"}
    tail = (1 - CONFIDENCE) / 2
    bounds = np.append(1, f_distribution.ppf([1 - tail, tail], len(groups) - 1, free))
    ratios = between / within**2 / bounds
    shares = np.maximum((ratios - 1) / (ratios + typical - 1), -1)
    return row | dict(zip(_SHARE, shares, strict=True))


def _split(values: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    return [values[group == number] for number in np.unique(group)]


def _pooled_deviation(groups: Sequence[np.ndarray]) -> tuple[float, int]:
    """Standard deviation within groups, pooled, and its degrees of freedom; NaN without any."""
    free = sum(len(group) - 1 for group in groups)
    if free == 0:
        return np.nan, 0
    return float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / free)), free
