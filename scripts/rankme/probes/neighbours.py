"""k nearest neighbours on cached features. Needs numpy alone.

The vote of a neighbour of cosine similarity s weighs exp(s / 0.07), as in the evaluation of
instance discrimination (Wu et al., CVPR 2018) and DINO. Features are read block by block, so they
need not fit into memory.
"""

from collections.abc import Sequence

import numpy as np

TEMPERATURE = 0.07

_FEATURE_ROWS = 4096


def neighbour_scores(
    queries: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    ks: Sequence[int],
    rows: np.ndarray | None = None,
    own_rows: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Scores of the classes from the k nearest features of each query.

    Args:
        queries: (Q, D), neither centred nor normalised.
        features: (N, D) likewise.
        labels: of the features: classes (N,), or 0/1 (N, C).
        ks: numbers of neighbours; where there are fewer, all are taken.
        rows: of the features that may be neighbours; all, if not given.
        own_rows: (Q,) where the queries are among the features: the row that is not a neighbour.

    Returns:
        For each k, the share of the votes for each class, float64 (Q, C).
    """
    rows = np.arange(len(features)) if rows is None else rows
    most = min(max(ks), len(rows) - (own_rows is not None))
    similarity, nearest = _nearest(queries, features, rows, most, own_rows)
    votes = np.exp((similarity - similarity[:, :1]) / TEMPERATURE)
    return [_shares(votes[:, :k], labels[nearest[:, :k]], classes) for k in ks]


def _nearest(
    queries: np.ndarray, features: np.ndarray, rows: np.ndarray, most: int, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine similarity float64 (Q, most), falling, and row (Q, most) of the nearest features."""
    unit = _unit_rows(queries)
    similarity, nearest = np.empty((len(unit), 0), np.float32), np.empty((len(unit), 0), np.int64)
    for start in range(0, len(rows), _FEATURE_ROWS):
        numbers = rows[start : start + _FEATURE_ROWS]
        found = unit @ _unit_rows(features[numbers]).T
        if own is not None:
            found[numbers == own[:, None]] = -np.inf
        similarity = np.concatenate([similarity, found], axis=1)
        nearest = np.concatenate([nearest, np.broadcast_to(numbers, found.shape)], axis=1)
        if similarity.shape[1] > most:
            kept = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
            similarity, nearest = _take(similarity, kept), _take(nearest, kept)
    order = np.argsort(-similarity, axis=1, kind="stable")
    return _take(similarity, order).astype(np.float64), _take(nearest, order)


def _shares(votes: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Share of votes (Q, k) for each class, (Q, C), from the neighbours' labels (Q, k[, C])."""
    if labels.ndim == 3:
        scores = np.einsum("qk,qkc->qc", votes, labels)
    else:
        cells = labels + classes * np.arange(len(labels))[:, None]
        scores = np.bincount(cells.ravel(), votes.ravel(), len(labels) * classes)
        scores = scores.reshape(-1, classes)
    return scores / votes.sum(axis=1, keepdims=True)


def _unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of length one; a zero row stays zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length == 0, 1, length)


def _take(array: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.take_along_axis(array, columns, axis=1)
