"""Label-free metrics of embeddings, one file a metric or family. Importing them needs no torch.

Each takes a matrix N x K, those of augmented views n x q x K. Those of the spectrum also take a
`Spectrum`, which a `Gram` makes of batches that were never in memory together::

    gram = Gram(dimension)
    for batch in batches:
        gram.update(batch)
    spectrum = gram.spectrum()
    rankme(spectrum), nesum(spectrum)
"""

from rankme.metrics.alpha_req import alpha_req
from rankme.metrics.coherence import coherence
from rankme.metrics.idest import idest
from rankme.metrics.lidar import lidar
from rankme.metrics.own import OWN
from rankme.metrics.rankme import effective_rank, rankme, rankme_from_singular_values
from rankme.metrics.ratios import condition_number, nesum, participation_ratio, stable_rank
from rankme.metrics.registry import METRICS, Metric, register
from rankme.metrics.spectrum import Gram, Spectrum
from rankme.metrics.sphere import alignment, self_cluster, uniformity

register({name: module.METRIC for name, module in OWN.items()})

__all__ = [
    "METRICS",
    "Gram",
    "Metric",
    "Spectrum",
    "alignment",
    "alpha_req",
    "coherence",
    "condition_number",
    "effective_rank",
    "idest",
    "lidar",
    "nesum",
    "participation_ratio",
    "rankme",
    "rankme_from_singular_values",
    "self_cluster",
    "stable_rank",
    "uniformity",
]
