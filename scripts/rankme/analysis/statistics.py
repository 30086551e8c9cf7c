"""Rank correlation between RankMe and accuracy, with no more certainty than the runs allow."""

from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata, spearmanr

from rankme.analysis.groups import KEYS, METRIC, groups

MINIMUM_RUNS = 3
EXACT_RUNS = 9
COLUMNS = (*KEYS, "metric", "n", "spearman", "p", "p_method", "reason")


def correlate(results: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation of source RankMe with top-1 accuracy, for every group of `groups`.

    Every run is one point, so seeds of one setting count separately. The p-values are two-sided
    and not corrected for the number of groups.

    Returns:
        A table of `COLUMNS`; `n` counts runs. Where no correlation exists `spearman` and `p` are
        empty and `reason` says why.
    """
    rows = [
        {**key, "metric": METRIC, "n": len(runs), **spearman(runs[METRIC], runs["top1"])}
        for key, runs in groups(results)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def spearman(x: ArrayLike, y: ArrayLike) -> dict[str, Any]:
    """Spearman's rho (ties share their mean rank) with a two-sided p.

    p is exact over all pairings for n <= 9, and from the t approximation above.

    Returns:
        {"spearman", "p", "p_method"} with p_method "exact" or "t", or {"reason"}.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(x) < MINIMUM_RUNS:
        return {"reason": f"fewer than {MINIMUM_RUNS} runs"}
    for name, values in (("RankMe", x), ("accuracy", y)):
        if np.ptp(values) == 0:
            return {"reason": f"{name} is the same in all runs"}
    rho, approximate_p = map(float, spearmanr(x, y))
    if len(x) <= EXACT_RUNS:
        return {"spearman": rho, "p": _exact_p(rankdata(x), rankdata(y)), "p_method": "exact"}
    # The t approximation gives 0 for a perfect order; no arrangement is rarer than 2 of n!.
    p = max(approximate_p, 2 / factorial(len(x)))
    return {"spearman": rho, "p": p, "p_method": "t"}


def _exact_p(x_ranks: np.ndarray, y_ranks: np.ndarray) -> float:
    null = _null_distribution(tuple(sorted(x_ranks)), tuple(sorted(y_ranks)))
    centre = x_ranks.sum() * y_ranks.mean()
    # The sums are exact in float64 (ranks are whole or half); their centre is not.
    extreme = np.abs(null - centre) >= abs(x_ranks @ y_ranks - centre) - 1e-9
    return float(extreme.mean())


@lru_cache(maxsize=16)
def _null_distribution(x_ranks: tuple[float, ...], y_ranks: tuple[float, ...]) -> np.ndarray:
    """sum_i x_i y_pi(i) for every permutation pi: float64, n! values."""
    return np.array(y_ranks)[_permutations(len(y_ranks))] @ np.array(x_ranks)


@lru_cache(maxsize=EXACT_RUNS)
def _permutations(n: int) -> np.ndarray:
    return np.array(list(permutations(range(n))), dtype=np.int8)
