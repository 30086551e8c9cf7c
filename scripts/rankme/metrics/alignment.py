"""Alignment: how close the views of one image are."""

from typing import Any

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import as_array, blocks, unit

METRIC = Metric(
    label="alignment",
    source="Wang & Isola, ICML 2020 (arXiv 2005.10242)",
    better="low",
    why="a loss: the lower, the closer the views of one image",
    measure=lambda sample: alignment(sample.views),
    settings=lambda sample: sample.view_counts,
    needs_views=True,
)


def alignment(views: Any) -> float:
    """E norm(u - v)^2 over views u, v of one image (Wang & Isola, ICML 2020, equation 1).

    Over all pairs of two different views of an image; where a recipe draws its two views from two
    distributions, pairs of one distribution are among them.

    Args:
        views: n x q x K: embeddings of q >= 2 views of each of n images.

    Returns:
        A value from 0, all views of an image have one direction, to 4; NaN with a row of zeros.
    """
    views = as_array(views, axes=3)
    count, q = views.shape[:2]
    if q < 2:
        raise ValueError("alignment needs at least 2 views of an image, has 1")
    # Of unit vectors, sum over ordered pairs norm(u - v)^2 = 2 q^2 - 2 norm(sum u)^2.
    sums = sum(np.square(unit(block).sum(1)).sum() for block in blocks(views))
    return max(float(2 * (count * q**2 - sums) / (count * q * (q - 1))), 0.0)
