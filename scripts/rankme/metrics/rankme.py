"""RankMe: the exponential of the entropy of the singular values."""

import numpy as np
from numpy.typing import ArrayLike

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, spectrum_of

EPS = 1e-7

COLLAPSED_RANKME = 2.0
"""A run whose RankMe ends below has collapsed: its embeddings have about one direction."""

METRIC = Metric(
    label="RankMe",
    source="Garrido et al., ICML 2023 (arXiv 2210.02885)",
    better="high",
    why="the rank of the embeddings bounds that of what a linear head can tell apart",
    measure=lambda sample: rankme(sample.spectrum, sample.settings.eps),
)


def rankme(embeddings: Embeddings | Spectrum, eps: float = EPS) -> float:
    """RankMe of a matrix of embeddings (Garrido et al., ICML 2023, equation 1).

    The raw matrix counts: no centring, no normalisation of rows or columns. The spectrum comes from
    the smaller of the two Gram matrices in float64 (see `Gram`), so 25,600 x 2,048 float32
    embeddings need 0.1 GB beside themselves.

    Args:
        embeddings: N x K, or their `Spectrum`.
        eps: added to each of the min(N, K) shares of the spectrum.

    Returns:
        A value from 1 to min(N, K) where eps is 0; eps > 0 raises it slightly (a flat spectrum of
        2,048 values gives 2,050.78 at 1e-7).

    Raises:
        ValueError: the matrix is unfit, or eps is negative, NaN or infinite.
    """
    return rankme_from_singular_values(spectrum_of(embeddings).singular_values, eps)


def rankme_from_singular_values(sigma: ArrayLike, eps: float = EPS) -> float:
    """RankMe of a spectrum: exp(-sum p ln p) with p = sigma / sum(sigma) + eps.

    Of a zero matrix the shares are 0 / 0, read as 0: the value is near 1, that of rank one, so
    that an encoder collapsed to zero is measured as collapsed.

    Args:
        sigma: all min(N, K) singular values, zeros included, in any order.
        eps: added to each share, outside the fraction.

    Raises:
        ValueError: empty, negative, NaN or infinite values, or such an eps.
    """
    sigma = np.asarray(sigma, dtype=np.float64)
    if sigma.ndim != 1 or sigma.size == 0:
        raise ValueError(f"singular values have shape {sigma.shape}, expected (n,) with n >= 1")
    if not np.isfinite(sigma).all() or sigma.min() < 0:
        raise ValueError("singular values must be finite and not negative")
    if not (np.isfinite(eps) and eps >= 0):
        raise ValueError(f"eps is {eps}, must be finite and not negative")
    total = sigma.sum()
    shares = (sigma / total if total > 0 else sigma) + eps
    shares = shares[shares > 0]  # 0 ln 0 = 0
    return float(np.exp(-np.sum(shares * np.log(shares))))
