"""Participation ratio: over how many dimensions the variance is spread."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, relative_values, spectrum_of

METRIC = Metric(
    label="participation ratio",
    source="Gao et al., 2017 (bioRxiv 214262)",
    better="high",
    why="number of dimensions over which the variance is spread evenly",
    measure=lambda sample: participation_ratio(sample.spectrum),
)


def participation_ratio(embeddings: Embeddings | Spectrum) -> float:
    """(sum lambda)^2 / sum lambda^2 of the eigenvalues of the covariance (centred), 1 to K."""
    relative = relative_values(spectrum_of(embeddings).covariance_eigenvalues)
    return float(relative.sum() ** 2 / np.square(relative).sum())
