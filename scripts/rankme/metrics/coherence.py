"""Coherence: whether single images hold a direction of their own."""

from typing import Any

import numpy as np

from rankme.metrics.rows import Embeddings, as_matrix, blocks
from rankme.metrics.spectrum import Spectrum, spectrum_of


def coherence(embeddings: Embeddings, spectrum: Spectrum | None = None) -> float:
    """(N / r) max_i norm(U_i)^2 of the left singular vectors U, N x r, of the raw matrix.

    As Tsitsulin et al. (arXiv 2305.16562) define it; r is the rank to 1e-7 of the largest singular
    value, where their code takes min(N, K) whatever the rank. Two passes over the rows, O(K^2)
    memory: norm(U_i) is that of row i in the basis that makes the Gram matrix the identity.

    Args:
        embeddings: N x K.
        spectrum: theirs, where it is known.

    Returns:
        A value from 1, all images count alike, to N / r; NaN of a zero matrix.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    matrix = as_matrix(embeddings)
    spectrum = spectrum or spectrum_of(matrix)
    rank = int((spectrum.singular_values > 0).sum())
    if rank == 0:
        return float("nan")
    values, vectors = np.linalg.eigh(_host(spectrum.gram))
    values, vectors = values[-rank:], vectors[:, -rank:]
    if spectrum.sum is None:  # eigenvectors of Z Z^T: U itself
        largest = _leverage(vectors)
    else:
        basis = vectors / np.sqrt(values)
        largest = max(_leverage(block @ basis) for block in blocks(matrix))
    return largest * len(matrix) / rank


def _leverage(rows: np.ndarray) -> float:
    """The largest squared norm of a row."""
    return float(np.square(rows).sum(1).max())


def _host(matrix: Any) -> np.ndarray:
    host: np.ndarray = matrix if isinstance(matrix, np.ndarray) else matrix.cpu().numpy()
    return host
