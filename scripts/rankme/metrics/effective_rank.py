"""Effective rank: RankMe as it was defined first, without an eps."""

from rankme.metrics.metric import Metric
from rankme.metrics.rankme import rankme
from rankme.metrics.rows import Embeddings
from rankme.metrics.spectrum import Spectrum

METRIC = Metric(
    label="effective rank",
    source="Roy & Vetterli, EUSIPCO 2007",
    better="high",
    why="RankMe without its eps",
    measure=lambda sample: effective_rank(sample.spectrum),
)


def effective_rank(embeddings: Embeddings | Spectrum) -> float:
    """Effective rank of a matrix of embeddings (Roy & Vetterli, 2007): RankMe with eps 0."""
    return rankme(embeddings, eps=0.0)
