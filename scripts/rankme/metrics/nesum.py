"""NESum: the eigenvalues of the covariance over the largest."""

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, relative_values, spectrum_of

METRIC = Metric(
    label="NESum",
    source="He & Ozay, ICML 2022",
    better="high",
    why="between collapsed (1) and whitened (K) features, less collapsed ones transfer better",
    measure=lambda sample: nesum(sample.spectrum),
)


def nesum(embeddings: Embeddings | Spectrum) -> float:
    """Eigenvalues of the covariance (centred) over the largest, summed, 1 to K (definition 4.1)."""
    return float(relative_values(spectrum_of(embeddings).covariance_eigenvalues).sum())
