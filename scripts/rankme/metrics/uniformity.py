"""Uniformity: how evenly the directions of embeddings use the sphere."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import PAIR_ROWS, Embeddings, as_array, subset, unit, whole

TEMPERATURE = 2.0

METRIC = Metric(
    label="uniformity",
    source="Wang & Isola, ICML 2020 (arXiv 2005.10242)",
    better="low",
    why="a loss: the lower, the more evenly the sphere is used",
    measure=lambda sample: uniformity(sample.embeddings, sample.pair_rows),
    settings=lambda sample: {"rows": sample.pair_rows, "t": TEMPERATURE},
)


def uniformity(embeddings: Embeddings, rows: int = PAIR_ROWS, t: float = TEMPERATURE) -> float:
    """log E exp(-t norm(u - v)^2) over pairs of directions (Wang & Isola, ICML 2020, equation 2).

    Over all pairs of two different rows of a fixed random subset, since pairs grow as N^2.

    Args:
        rows: rows of that subset, all where there are fewer; 8 rows^2 bytes are held.
        t: of the kernel.

    Returns:
        0 where all directions are one, down to -4 t; about -2 t for independent ones at large K.
        NaN of a single row, or with a row of zeros.
    """
    matrix = as_array(embeddings)
    directions = unit(whole(matrix[subset(len(matrix), rows)]))
    count = len(directions)
    if count == 1:
        return float("nan")
    kernel = np.exp(2 * t * ((directions @ directions.T).clip(max=1) - 1))
    np.fill_diagonal(kernel, 0.0)
    return float(np.log(kernel.sum() / (count * (count - 1))))
