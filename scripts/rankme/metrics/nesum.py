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
    """Sum of the eigenvalues of the covariance (centred) over the largest, 1 to K.

    He & Ozay (ICML 2022), definition 4.1.

    Raises:
        ValueError: not a matrix, an empty one, or one with NaN or infinite values.
    """
    return float(relative_values(spectrum_of(embeddings).covariance_eigenvalues).sum())
