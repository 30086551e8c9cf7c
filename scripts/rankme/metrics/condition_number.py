"""Condition number: the largest singular value over the smallest."""

from rankme.metrics.metric import Metric
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum, relative_values, spectrum_of

METRIC = Metric(
    label="condition number",
    source="Tsitsulin et al., 2023 (arXiv 2305.16562)",
    better="low",
    why="the error of a linear head's least squares grows with it",
    measure=lambda sample: condition_number(sample.spectrum),
)


def condition_number(embeddings: Embeddings | Spectrum) -> float:
    """Largest over smallest of the min(N, K) singular values of the raw matrix, 1 to infinity.

    Infinity for a matrix that has not full rank to 1e-7. The paper's code returns the inverse, the
    "pseudo-condition number".
    """
    smallest = relative_values(spectrum_of(embeddings).singular_values)[-1]
    return float(1 / smallest) if smallest > 0 else float("inf")
