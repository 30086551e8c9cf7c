"""Pearson, Spearman and Kendall (tau-b) of many metrics with many accuracies, on the same runs.

Everything is given as X (n, M) and Y (n, D), finite, a row a run; results are (M, D). Coefficients
and p-values of many runs are scipy's; p is exact over all pairings for few runs, and intervals are
bootstrapped through `rankme.analysis.resampling`.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, norm, pearsonr, rankdata

from rankme.analysis.resampling import CONFIDENCE, bca_interval, resample_counts

EXACT_RUNS = 9
"""Up to here p is exact: 9! = 362,880 pairings."""

BCA_RUNS = (7, 100)
"""Numbers of runs whose intervals are bootstrapped.

With fewer, BCa was measured to cover 76 % instead of 95 (n = 5, rho = 0.9) where the z interval
covers 97 %; with more, the two agree and the bootstrap costs minutes.
"""

INTERVAL_RUNS = 4
"""The z interval has sqrt(n - 3) in its denominator."""

_ROWS = 1000
_NO_VARIANCE = 1e-9

Resampled = Callable[[np.ndarray], np.ndarray]


class Estimate(NamedTuple):
    """A coefficient of each metric (M) with each accuracy (D); arrays are (M, D).

    Attributes:
        value: the coefficient.
        low, high: its 95 % interval; NaN where there is none.
        p: two-sided.
        interval: how it was made, "BCa" or "z"; "" where there is none.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    interval: np.ndarray


def pearson(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Pearson's r."""
    n, x, y = len(x), _standardised(x), _standardised(y)
    value, p = _product_moment(x, y)
    if n > BCA_RUNS[1]:
        error = _influence_error(x, y, value)
    else:
        error = np.full(value.shape, 1 / np.sqrt(max(n - 3, 1)))
    return _estimate(value, p, error, lambda: _weighted_pearson(x, y), n, ranks=False)


def spearman(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Spearman's rho, ties sharing their mean rank."""
    n, x, y = len(x), rankdata(x, axis=0), rankdata(y, axis=0)
    value, p = _product_moment(x, y)
    # Bonett & Wright 2000.
    error = np.sqrt((1 + value**2 / 2) / max(n - 3, 1))
    return _estimate(value, p, error, lambda: weighted_spearman(x, y), n, ranks=True)


def kendall(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Kendall's tau-b."""
    n, found = len(x), np.array([[kendalltau(a, b) for b in y.T] for a in x.T])
    value, p = found[..., 0], _exact_kendall_p(x, y) if n <= EXACT_RUNS else found[..., 1]
    # Fieller, Hartley & Pearson 1957.
    error = np.full(value.shape, np.sqrt(0.437 / max(n - 4, 0.5)))
    return _estimate(value, p, error, lambda: _weighted_kendall(x, y), n, ranks=True)


COEFFICIENTS = {"pearson": pearson, "spearman": spearman, "kendall": kendall}


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    result: np.ndarray = centred / centred.std(axis=0)
    return result


def _product_moment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r and its p."""
    found = pearsonr(x[:, :, None], y[:, None, :], axis=0)
    p = _exact_p(x, y) if len(x) <= EXACT_RUNS else found.pvalue
    return np.asarray(found.statistic), np.asarray(p)


def _influence_error(x: np.ndarray, y: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Standard error of atanh(r) of standardised columns from the influence of each run.

    It supposes no normal distribution.
    """
    squares = (x**2)[:, :, None] + (y**2)[:, None, :]
    influence = x[:, :, None] * y[:, None, :] - value * squares / 2
    free = np.maximum(1 - value**2, 1e-12)
    result: np.ndarray = np.sqrt((influence**2).mean(axis=0) / len(x)) / free
    return result


def _estimate(
    value: np.ndarray,
    p: np.ndarray,
    error: np.ndarray,
    build: Callable[[], Resampled],
    n: int,
    ranks: bool,
) -> Estimate:
    """BCa where it is defined, else a symmetric interval of atanh(value)."""
    if n < INTERVAL_RUNS:
        nothing = np.full(value.shape, np.nan)
        return Estimate(value, nothing, nothing, p, np.full(value.shape, ""))
    low, high = _z_interval(value, error, n, ranks)
    method = np.full(value.shape, "z", dtype=object)
    if BCA_RUNS[0] <= n <= BCA_RUNS[1]:
        # Built only here: Kendall's holds every pair of runs.
        statistic, counts = build(), resample_counts(n)
        blocks = [statistic(counts[i : i + _ROWS]) for i in range(0, len(counts), _ROWS)]
        without_one = statistic(1.0 - np.eye(n))
        bounds = bca_interval(value.ravel(), np.concatenate(blocks), without_one)
        bca_low, bca_high = (bound.reshape(value.shape) for bound in bounds)
        defined = np.isfinite(bca_low) & np.isfinite(bca_high) & (bca_low < bca_high)
        low, high = np.where(defined, bca_low, low), np.where(defined, bca_high, high)
        method[defined] = "BCa"
    return Estimate(value, low, high, p, method)


def _z_interval(
    value: np.ndarray, error: np.ndarray, n: int, ranks: bool
) -> tuple[np.ndarray, np.ndarray]:
    """tanh(atanh(value) -+ 1.96 errors).

    atanh(1) is infinite: around a perfect order the interval is that of the nearest order that is
    not perfect, which two neighbours change places in, with the perfect one as its end.
    """
    largest = 1 - 12 / (n**3 - n) if ranks else 1 - 1e-6
    inner = np.clip(value, -largest, largest)
    half = norm.ppf((1 + CONFIDENCE) / 2) * error
    low, high = np.tanh(np.arctanh(inner) - half), np.tanh(np.arctanh(inner) + half)
    return np.where(value < -largest, -1.0, low), np.where(value > largest, 1.0, high)


def _ratio(products: np.ndarray, squares_x: np.ndarray, squares_y: np.ndarray) -> np.ndarray:
    """products (B, M, D) over the root of both variances (B, M), (B, D), as (B, M * D)."""
    scale = squares_x[:, :, None] * squares_y[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scale > _NO_VARIANCE, products / np.sqrt(scale), np.nan)
    return ratio.reshape(len(products), -1)


def _weighted_pearson(x: np.ndarray, y: np.ndarray) -> Resampled:
    """r of resamples, from the sums of x, y, their squares and products."""
    (n, metrics), accuracies = x.shape, y.shape[1]
    both = (x[:, :, None] * y[:, None, :]).reshape(n, -1)
    columns = np.hstack([x, y, x**2, y**2, both])
    ends = np.cumsum([metrics, accuracies, metrics, accuracies])

    def statistic(counts: np.ndarray) -> np.ndarray:
        sums = (counts @ columns) / counts.sum(axis=1, keepdims=True)
        mean_x, mean_y, square_x, square_y, products = np.split(sums, ends, axis=1)
        products = products.reshape(-1, metrics, accuracies)
        products = products - mean_x[:, :, None] * mean_y[:, None, :]
        return _ratio(products, square_x - mean_x**2, square_y - mean_y**2)

    return statistic


def weighted_spearman(x: np.ndarray, y: np.ndarray) -> Resampled:
    """rho of resamples, every resample ranked anew."""

    def statistic(counts: np.ndarray) -> np.ndarray:
        weights = counts.astype(np.float32)
        ranks_x, ranks_y = _resampled_ranks(x, weights), _resampled_ranks(y, weights)
        weighted_x = ranks_x * weights[:, None, :]
        products = weighted_x @ ranks_y.transpose(0, 2, 1)
        variance_x = (weighted_x * ranks_x).sum(axis=2)
        variance_y = (ranks_y**2 * weights[:, None, :]).sum(axis=2)
        return _ratio(products, variance_x, variance_y)

    return statistic


def _resampled_ranks(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ranks of each run within each resample, less their mean, (B, K, n), of columns (n, K)."""
    ranks = np.empty((len(weights), columns.shape[1], len(columns)), np.float32)
    centre = weights.sum(axis=1, keepdims=True) / 2
    for index, column in enumerate(columns.T):
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        of_value = np.add.reduceat(weights[:, order], starts, axis=1)
        middle = of_value.cumsum(axis=1) - of_value / 2 - centre
        ranks[:, index, order] = np.repeat(middle, np.diff(np.r_[starts, len(order)]), axis=1)
    return ranks


def _weighted_kendall(x: np.ndarray, y: np.ndarray) -> Resampled:
    """tau-b of resamples, each pair of runs counting as often as the resample holds it."""
    first, second = np.triu_indices(len(x), 1)
    signs_x, signs_y = (np.sign(v[first] - v[second]).astype(np.float32) for v in (x, y))
    metrics, accuracies = x.shape[1], y.shape[1]
    both = (signs_x[:, :, None] * signs_y[:, None, :]).reshape(len(first), -1)
    columns = np.hstack([np.abs(signs_x), np.abs(signs_y), both])

    def statistic(counts: np.ndarray) -> np.ndarray:
        pairs = counts[:, first].astype(np.float32) * counts[:, second]
        untied_x, untied_y, agreement = np.split(
            pairs @ columns, [metrics, metrics + accuracies], axis=1
        )
        return _ratio(agreement.reshape(-1, metrics, accuracies), untied_x, untied_y)

    return statistic


def _exact_p(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of all pairings whose product moment is at least as far from its mean."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return _share_as_extreme(x, [column[_permutations(len(x))] for column in y.T], x.T @ y)


def _exact_kendall_p(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same of concordant less discordant pairs of runs."""
    first, second = np.triu_indices(len(x), 1)
    signs_x, signs_y = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
    order = _permutations(len(x))
    signs = [np.sign(column[:, None] - column) for column in y.T]
    permuted = [of_pair[order[:, first], order[:, second]] for of_pair in signs]
    return _share_as_extreme(signs_x, permuted, signs_x.T @ signs_y)


def _share_as_extreme(
    x: np.ndarray, permuted: list[np.ndarray], observed: np.ndarray
) -> np.ndarray:
    """p (M, D) of observed (M, D), from x (K, M) and, for each accuracy, all its orders (n!, K)."""
    tolerance = 1e-9 * max(1.0, float(np.abs(observed).max()))
    shares = [
        (np.abs(orders @ x) >= np.abs(values) - tolerance).mean(axis=0)
        for orders, values in zip(permuted, observed.T, strict=True)
    ]
    return np.stack(shares, axis=1)


@lru_cache(maxsize=EXACT_RUNS)
def _permutations(n: int) -> np.ndarray:
    return np.array(list(permutations(range(n))), dtype=np.int8)
