"""alpha-ReQ: how fast the eigenvalues of the covariance decay."""

from collections.abc import Sequence

import numpy as np

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, spectrum_of

METRIC = Metric(
    label="alpha-ReQ",
    source="Agrawal et al., NeurIPS 2022",
    better="near one",
    why="a spectrum that decays as 1/j keeps the most information while staying smooth",
    measure=lambda sample: alpha_req(sample.spectrum, sample.settings.alpha_fit),
    settings=lambda sample: fitted_ranks(sample.spectrum, sample.settings.alpha_fit),
)


def alpha_req(embeddings: Embeddings | Spectrum, fit: Sequence[int] = (10, 100)) -> float:
    """Exponent alpha of lambda_j ~ j^-alpha, of the eigenvalues of the covariance (centred).

    By least squares of log lambda_j on log j, over the ranks of `fitted_ranks`.

    Args:
        fit: first and last rank j of the fit, counted from 1: the first few eigenvalues and the
            tail, which finite samples bend, are left out.

    Returns:
        alpha; NaN where fewer than three positive eigenvalues have a rank in that range.
    """
    spectrum = spectrum_of(embeddings)
    first, last = fitted_ranks(spectrum, fit).values()
    eigenvalues = spectrum.covariance_eigenvalues[first - 1 : last]
    if last - first + 1 < 3:  # a line goes through any two
        return float("nan")
    ranks = np.log(np.arange(first, last + 1))
    ranks -= ranks.mean()
    return float(-(ranks @ np.log(eigenvalues)) / (ranks @ ranks))


def fitted_ranks(spectrum: Spectrum, fit: Sequence[int]) -> dict[str, int]:
    """First and last rank that the fit uses: the range, up to the last positive eigenvalue."""
    positive = int((spectrum.covariance_eigenvalues > 0).sum())
    return {"first_rank": fit[0], "last_rank": min(fit[1], positive)}
