"""Measures of how well scores agree with labels, and their uncertainty. Needs numpy alone.

Scores are (N, C), the higher the likelier. Labels (N,) name one class of each image and are
measured by top-1; labels (N, C) are 0 or 1, an image may have several classes, and the measure is
the mean average precision. Equal scores count in the order of the classes, and a score that is not
a number comes last: a head that says nothing answers with the first class.
"""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
BOOTSTRAP_SEED = 0

_RESAMPLES_AT_ONCE = 100


def metric_of(labels: np.ndarray) -> str:
    """Name of the measure of such labels: "top1" or "map"."""
    return "top1" if labels.ndim == 1 else "map"


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Top-1 accuracy or mean average precision, whichever belongs to the labels."""
    if metric_of(labels) == "map":
        return float(np.nanmean(average_precisions(scores, labels)))
    return int((truth_ranks(scores, labels) == 0).sum()) / len(labels)


def truth_ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the true one of labels (N,), int64 (N,); 0 is correct."""
    scores, truth = _numbers(scores), np.asarray(labels)[:, None]
    own = np.take_along_axis(scores, truth, axis=1)
    earlier = np.arange(scores.shape[1]) < truth
    return ((scores > own) | ((scores == own) & earlier)).sum(axis=1)


def average_precisions(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Average precision of each class of labels (N, C); NaN for a class without a positive.

    The sum over thresholds of precision times the step in recall, images of equal score being one
    threshold (scikit-learn's `average_precision_score`; VOC2007's own measure interpolates at 11
    recalls instead).

    Args:
        weights: how often each image counts, whole numbers (N, R) for R measurements at once.

    Returns:
        (C,), or (R, C) with weights.
    """
    columns = zip(_numbers(scores).T, np.asarray(labels).T, strict=True)
    counts = np.ones((len(scores), 1)) if weights is None else weights
    precisions = np.stack([_average_precision(s, y, counts) for s, y in columns], axis=1)
    return precisions[0] if weights is None else precisions


def wilson_interval(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a binomial proportion (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the bound is the share itself, but for rounding.
    low = centre - half if successes > 0 else 0.0
    high = centre + half if successes < n else 1.0
    return low, high


def bootstrap_interval(
    scores: np.ndarray, labels: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Percentile interval of the mean average precision over resampled images.

    A class that a resample has no positive of does not count in it.
    """
    resamples = _resamples(len(scores))
    means = [np.nanmean(average_precisions(scores, labels, w), axis=1) for w in resamples]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _resamples(n: int) -> Iterator[np.ndarray]:
    """How often each of n images is drawn, (n, _RESAMPLES_AT_ONCE), RESAMPLES columns in all."""
    generator, columns = np.random.default_rng(BOOTSTRAP_SEED), _RESAMPLES_AT_ONCE
    for _ in range(RESAMPLES // columns):
        cells = generator.integers(n, size=(n, columns)) * columns + np.arange(columns)
        yield np.bincount(cells.ravel(), minlength=n * columns).reshape(n, columns)


def _average_precision(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision of one class, (R,), from scores (N,), labels (N,) and weights (N, R)."""
    order = np.argsort(-scores, kind="stable")
    falling, sorted_weights = -scores[order], weights[order]
    positives = np.flatnonzero(labels[order])
    # Images of equal score are found together: what counts is the last of them.
    last = np.searchsorted(falling, falling[positives], side="right") - 1
    last_positive = np.searchsorted(positives, last, side="right") - 1
    gained, found = sorted_weights[positives], sorted_weights.cumsum(axis=0)[last]
    hits = gained.cumsum(axis=0)
    with np.errstate(invalid="ignore"):
        terms = gained * hits[last_positive] / np.maximum(found, 1)
        return terms.sum(axis=0) / gained.sum(axis=0)


def _numbers(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores), -np.inf, scores)
