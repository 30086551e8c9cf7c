"""Bootstrap over runs: one set of resamples for everything that is computed on the same runs.

A resample of n runs is kept as how often it holds each run, so that statistics of many metrics and
datasets are a few matrix products, and so that differences between metrics are paired.
"""

from functools import lru_cache

import numpy as np
from scipy.stats import norm

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0

_BLOCK = 500

_TIE = 1e-9
"""Statistics closer than this are equal: sums in another order differ in their last bits."""


@lru_cache(maxsize=4)
def resample_counts(n: int) -> np.ndarray:
    """How often each of n runs is in each resample, uint8 (RESAMPLES, n); always the same."""
    generator = np.random.default_rng(SEED)
    counts = np.empty((RESAMPLES, n), np.uint8)
    step = max(1, 2_000_000 // n)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        cells = generator.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts[start : start + rows] = np.bincount(cells.ravel(), minlength=rows * n).reshape(-1, n)
    return counts


def resampled_means(values: np.ndarray) -> np.ndarray:
    """Mean of values (n,) in each resample, (B,)."""
    counts, n = resample_counts(len(values)), len(values)
    # In blocks, since numpy makes floats of all counts before it multiplies.
    blocks = (counts[i : i + _BLOCK].astype(np.float32) for i in range(0, RESAMPLES, _BLOCK))
    centre = values.mean()
    shifted = (values - centre).astype(np.float32)
    means: np.ndarray = centre + np.concatenate([block @ shifted for block in blocks]) / n
    return means


def percentile_interval(resampled: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled statistics (B,), without those that are undefined."""
    tail = (1 - CONFIDENCE) / 2
    if np.isnan(resampled).all():
        return np.nan, np.nan
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def bca_interval(estimate: np.ndarray, resampled: np.ndarray, jackknife: np.ndarray) -> np.ndarray:
    """Bias-corrected and accelerated intervals (Efron 1987), (2, K); NaN where undefined.

    That is where no resample differs from the estimate on one side, or no run matters.

    Args:
        estimate: statistics of all runs, (K,).
        resampled: the same of resamples, (B, K); NaN where a resample defines none.
        jackknife: the same without each of the n runs, (n, K).
    """
    defined = np.isfinite(resampled)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = (resampled < estimate - _TIE).sum(axis=0)
        tied = (np.abs(resampled - estimate) <= _TIE).sum(axis=0)
        bias = norm.ppf((below + tied / 2) / defined.sum(axis=0))
        influence = jackknife.mean(axis=0) - jackknife
        skew = (influence**3).sum(axis=0) / (6 * (influence**2).sum(axis=0) ** 1.5)
        z = norm.ppf(np.array([[(1 - CONFIDENCE) / 2], [(1 + CONFIDENCE) / 2]]))
        levels = np.asarray(norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))))
    levels[:, ~np.isfinite(levels).all(axis=0) | ~np.isfinite(bias)] = np.nan
    return _quantiles(resampled, defined, levels)


def _quantiles(values: np.ndarray, defined: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles (2, K) of the defined values of each column at levels (2, K)."""
    ordered = np.sort(np.where(defined, values, np.inf), axis=0)
    place = levels * (defined.sum(axis=0) - 1)
    lower = np.nan_to_num(np.floor(place)).astype(np.int64)
    upper = np.nan_to_num(np.ceil(place)).astype(np.int64)
    columns = np.arange(values.shape[1])
    left, right = ordered[lower, columns], ordered[upper, columns]
    result: np.ndarray = left + (right - left) * (place - lower)
    return result
