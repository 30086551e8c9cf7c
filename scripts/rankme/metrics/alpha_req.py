"""alpha-ReQ: how fast the eigenvalues of the covariance decay."""

from collections.abc import Sequence

import numpy as np

from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, spectrum_of

FIT = (10, 100)

MIN_EIGENVALUES = 3
"""Fewer determine no slope: a line goes through any two."""


def alpha_req(embeddings: Embeddings | Spectrum, fit: Sequence[int] = FIT) -> float:
    """Exponent alpha of lambda_j ~ j^-alpha (Agrawal et al., NeurIPS 2022).

    Least squares of log lambda_j on log j, over the ranks of `fitted_ranks`, where lambda are the
    eigenvalues of the covariance (centred). Better nearer to 1.

    Args:
        embeddings: N x K, or their `Spectrum`.
        fit: first and last rank j of the fit, counted from 1. The paper's code, too, leaves out the
            first and the last eigenvalues, but says no fixed range.

    Returns:
        alpha; NaN where fewer than three positive eigenvalues have a rank in that range.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    eigenvalues = spectrum_of(embeddings).covariance_eigenvalues
    first, last = fitted_ranks(eigenvalues, fit)
    if last - first + 1 < MIN_EIGENVALUES:
        return float("nan")
    ranks = np.log(np.arange(first, last + 1))
    ranks -= ranks.mean()
    return float(-(ranks @ np.log(eigenvalues[first - 1 : last])) / (ranks @ ranks))


def fitted_ranks(eigenvalues: np.ndarray, fit: Sequence[int] = FIT) -> tuple[int, int]:
    """First and last rank that the fit uses: the range, up to the last positive eigenvalue.

    Args:
        eigenvalues: in descending order, 0 where there is no variance.
        fit: the range that is asked for.
    """
    first, last = fit
    return first, min(last, int((eigenvalues > 0).sum()))
