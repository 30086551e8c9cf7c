"""Stable rank: the squares of the singular values over the largest."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, relative_values, spectrum_of

METRIC = Metric(
    label="stable rank",
    source="Tsitsulin et al., 2023 (arXiv 2305.16562)",
    better="high",
    why="a stable lower bound of the rank, which bounds what a linear head can tell apart",
    measure=lambda sample: stable_rank(sample.spectrum),
)


def stable_rank(embeddings: Embeddings | Spectrum) -> float:
    """Squared Frobenius norm over squared spectral norm of the raw matrix, 1 to min(N, K)."""
    return float(np.square(relative_values(spectrum_of(embeddings).singular_values)).sum())
