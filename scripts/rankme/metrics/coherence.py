"""Coherence: whether single images hold a direction of their own."""

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings, as_array, blocks, host_float64
from rankme.metrics.spectrum import Spectrum, spectrum_of

METRIC = Metric(
    label="coherence",
    source="Tsitsulin et al., 2023 (arXiv 2305.16562)",
    better="low",
    why=(
        "where it is low no single image holds a direction of its own, so any sample of the"
        " images determines the head"
    ),
    measure=lambda sample: coherence(sample.embeddings, sample.spectrum),
)


def coherence(embeddings: Embeddings, spectrum: Spectrum | None = None) -> float:
    """(N / r) max_i norm(U_i)^2 of the left singular vectors U, N x r, of the raw matrix.

    r is the rank to 1e-7 of the largest singular value, where the paper's code takes min(N, K)
    whatever the rank. Two passes over the rows, O(N + K^2) memory: norm(U_i) is that of row i in
    the basis that makes the Gram matrix the identity.

    Args:
        spectrum: theirs, where it is known.

    Returns:
        A value from 1, all images count alike, to N / r; NaN of a zero matrix.
    """
    matrix = as_array(embeddings)
    spectrum = spectrum or spectrum_of(matrix)
    rank = int((spectrum.singular_values > 0).sum())
    if rank == 0:
        return float("nan")
    values, vectors = np.linalg.eigh(host_float64(spectrum.gram))
    values, vectors = values[-rank:], vectors[:, -rank:]
    if spectrum.sum is None:  # eigenvectors of Z Z^T: U itself
        lengths = np.square(vectors).sum(1)
    else:
        basis = vectors / np.sqrt(values)
        lengths = np.concatenate([np.square(block @ basis).sum(1) for block in blocks(matrix)])
    return float(lengths.max()) * len(matrix) / rank
