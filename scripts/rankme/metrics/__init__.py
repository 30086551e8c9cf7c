"""Label-free metrics of embeddings, one file a metric. Importing them does not import torch."""

from rankme.metrics.rankme import rankme, rankme_from_singular_values
from rankme.metrics.spectrum import Gram

__all__ = ["Gram", "rankme", "rankme_from_singular_values"]
