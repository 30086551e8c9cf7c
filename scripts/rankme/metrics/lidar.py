"""LiDAR: how many directions tell images apart despite their augmentation."""

from typing import Any

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rankme import rankme_from_singular_values
from rankme.metrics.rows import as_array, blocks
from rankme.metrics.spectrum import zeroed_below

DELTA = 1e-4
EPS = 1e-8

METRIC = Metric(
    label="LiDAR",
    source="Thilak et al., ICLR 2024 (arXiv 2312.04000)",
    better="high",
    why="counts the directions that tell images apart despite their augmentation",
    measure=lambda sample: lidar(sample.views),
    settings=lambda sample: sample.view_counts | {"delta": DELTA, "eps": EPS},
    needs_views=True,
)


def lidar(views: Any, delta: float = DELTA, eps: float = EPS) -> float:
    """Rank of the linear discriminant analysis of views (Thilak et al., ICLR 2024, equations 1-4).

    Each image is a class, its q augmented views the members. With S_b the covariance of the class
    means (over n - 1) and S_w that within classes (over n (q - 1)), the exponential of the entropy
    of the eigenvalues of (S_w + delta I)^-1/2 S_b (S_w + delta I)^-1/2, each share raised by eps.
    One pass, O(n K + K^2) memory. `delta` is absolute, as in the paper, so unlike its rivals this
    metric changes with the scale of the embeddings.

    Args:
        views: n x q x K: embeddings of q >= 2 views of each of n >= 2 images. With n <= K, at most
            n - 1 directions can be found: it then measures the sample.
        delta: added to the variance within classes.
        eps: added to each of the K shares of the eigenvalues.

    Returns:
        A value from about 1 to min(n - 1, K).
    """
    views = as_array(views, axes=3)
    count, q, dimension = views.shape
    if count < 2 or q < 2:
        raise ValueError(f"LiDAR needs at least 2 views of 2 images, has {q} of {count}")
    within, means = np.zeros((dimension, dimension)), []
    for block in blocks(views):
        mean = block.mean(1)
        spread = (block - mean[:, None]).reshape(-1, dimension)
        within += spread.T @ spread
        means.append(mean)
    centres = np.concatenate(means)
    centres -= centres.mean(0)
    between = centres.T @ centres / (count - 1)
    eigenvalues = _discriminant(between, within / (count * (q - 1)), delta)
    return rankme_from_singular_values(eigenvalues, eps)


def _discriminant(between: np.ndarray, within: np.ndarray, delta: float) -> np.ndarray:
    """Eigenvalues, ascending, of the variance between classes in units of that within."""
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(values.clip(min=0) + delta)
    found = np.linalg.eigvalsh(whitening.T @ between @ whitening)
    return zeroed_below(found, len(found) * np.finfo(np.float64).eps * found[-1])
