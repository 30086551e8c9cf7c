"""Self-cluster: how much the directions of embeddings cluster."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings, as_array, blocks, unit, whole

METRIC = Metric(
    label="self-cluster",
    source="Tsitsulin et al., 2023 (arXiv 2305.16562)",
    better="low",
    why="0 is spread over the sphere as if at random, 1 is a single point: collapse",
    measure=lambda sample: self_cluster(sample.embeddings),
)


def self_cluster(embeddings: Embeddings) -> float:
    """How much the directions cluster (Tsitsulin et al., arXiv 2305.16562, definition 3.5).

    (S - E) / (N^2 - E) with S the sum of all squared cosines and E = N + N (N - 1) / K that of
    independent directions. S = norm(W W^T)^2 = norm(W^T W)^2, so one pass and O(K^2) memory do for
    any N; their code holds the N x N matrix.

    Returns:
        0 for independent directions, 1 for a single one, slightly negative for those that repel;
        NaN for K = 1 or N = 1, where there is no other possibility, or with a row of zeros.
    """
    matrix = as_array(embeddings)
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
