"""Metrics that are one ratio of sums over a spectrum; none changes with rotation or scale.

Of embeddings collapsed to zero or, where the covariance counts, to one point, the ranks and NESum
are read as 1, as RankMe is: the value of a single direction.
"""

import numpy as np

from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, spectrum_of


def stable_rank(embeddings: Embeddings | Spectrum) -> float:
    """Squared Frobenius norm over squared spectral norm of the raw matrix, 1 to min(N, K).

    As Tsitsulin et al. (arXiv 2305.16562) use it; neither centred nor normalised.

    Args:
        embeddings: N x K, or their `Spectrum`.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    return float(np.square(_of_largest(spectrum_of(embeddings).singular_values)).sum())


def condition_number(embeddings: Embeddings | Spectrum) -> float:
    """Largest over smallest of the min(N, K) singular values of the raw matrix, 1 to infinity.

    As Tsitsulin et al. (arXiv 2305.16562) define it; their code returns its inverse, the
    "pseudo-condition number". Infinity for a matrix that has not full rank to 1e-7.

    Args:
        embeddings: N x K, or their `Spectrum`.

    Raises:
        ValueError: as `stable_rank`.
    """
    smallest = _of_largest(spectrum_of(embeddings).singular_values)[-1]
    return float(1 / smallest) if smallest > 0 else float("inf")


def nesum(embeddings: Embeddings | Spectrum) -> float:
    """Sum of the eigenvalues of the covariance (centred) over the largest, 1 to K.

    He & Ozay (ICML 2022), definition 4.1.

    Args:
        embeddings: N x K, or their `Spectrum`.

    Raises:
        ValueError: as `stable_rank`.
    """
    return float(_of_largest(spectrum_of(embeddings).covariance_eigenvalues).sum())


def participation_ratio(embeddings: Embeddings | Spectrum) -> float:
    """(sum lambda)^2 / sum lambda^2 of the eigenvalues of the covariance (centred), 1 to K.

    As in Gao et al. (bioRxiv 214262, 2017).

    Args:
        embeddings: N x K, or their `Spectrum`.

    Raises:
        ValueError: as `stable_rank`.
    """
    relative = _of_largest(spectrum_of(embeddings).covariance_eigenvalues)
    return float(relative.sum() ** 2 / np.square(relative).sum())


def _of_largest(values: np.ndarray) -> np.ndarray:
    """Descending values over the first; of none, or zeros alone, a single direction: 1, 0, 0 ..."""
    if values.size and values[0] > 0:
        return values / values[0]
    return np.eye(1, max(values.size, 1))[0]
