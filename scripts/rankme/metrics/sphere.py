"""Metrics of the directions of embeddings: their rows scaled to norm 1, points of a sphere.

A row of zeros has no direction: where there is one, all three are NaN.
"""

from typing import Any

import numpy as np

from rankme.metrics.rows import Embeddings, as_matrix, as_views, blocks, subset, unit, whole

PAIR_ROWS = 2048
TEMPERATURE = 2.0


def self_cluster(embeddings: Embeddings) -> float:
    """How much the directions cluster (Tsitsulin et al., arXiv 2305.16562, definition 3.5).

    (S - E) / (N^2 - E) with S the sum of all squared cosines and E = N + N (N - 1) / K that of
    independent directions. S = norm(W W^T)^2 = norm(W^T W)^2, so one pass and O(K^2) memory do for
    any N; their code holds the N x N matrix.

    Args:
        embeddings: N x K.

    Returns:
        0 for independent directions, 1 for a single one, slightly negative for those that repel;
        NaN for K = 1 or N = 1, where there is no other possibility, or with a row of zeros.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    matrix = as_matrix(embeddings)
    rows, columns = matrix.shape
    expected = rows + rows * (rows - 1) / columns
    if rows == 1 or columns == 1:
        return float("nan")
    if rows < columns:
        directions = unit(whole(matrix))
        products = directions @ directions.T
    else:
        products = sum(w.T @ w for w in map(unit, blocks(matrix)))
    return float((np.square(products).sum() - expected) / (rows**2 - expected))


def uniformity(embeddings: Embeddings, rows: int = PAIR_ROWS, t: float = TEMPERATURE) -> float:
    """log E exp(-t norm(u - v)^2) over pairs of directions (Wang & Isola, ICML 2020, equation 2).

    Over all pairs of two different rows of a fixed random subset, since pairs grow as N^2.

    Args:
        embeddings: N x K.
        rows: rows of that subset, all where there are fewer; 8 rows^2 bytes are held.
        t: of the kernel.

    Returns:
        0 where all directions are one, down to -4 t; about -2 t for independent ones at large K.
        NaN of a single row, or with a row of zeros.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    matrix = as_matrix(embeddings)
    directions = unit(whole(matrix[subset(len(matrix), rows)]))
    count = len(directions)
    if count == 1:
        return float("nan")
    kernel = np.exp(2 * t * ((directions @ directions.T).clip(max=1) - 1))
    np.fill_diagonal(kernel, 0.0)
    return float(np.log(kernel.sum() / (count * (count - 1))))


def alignment(views: Any) -> float:
    """E norm(u - v)^2 over views u, v of one image (Wang & Isola, ICML 2020, equation 1).

    Over all pairs of two different views of an image; where a recipe draws its two views from two
    distributions, pairs of one distribution are among them.

    Args:
        views: n x q x K: embeddings of q >= 2 views of each of n images.

    Returns:
        A value from 0, all views of an image have one direction, to 4; NaN with a row of zeros.

    Raises:
        ValueError: of another shape, or with NaN or infinite values.
    """
    views = as_views(views)
    count, q = views.shape[:2]
    if q < 2:
        raise ValueError("alignment needs at least 2 views of an image, has 1")
    # Of unit vectors, sum over ordered pairs norm(u - v)^2 = 2 q^2 - 2 norm(sum u)^2.
    sums = sum(np.square(unit(block).sum(1)).sum() for block in blocks(views))
    return max(float(2 * (count * q**2 - sums) / (count * q * (q - 1))), 0.0)
