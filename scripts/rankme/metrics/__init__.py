"""Label-free metrics of embeddings, one file a metric. Importing them needs numpy alone.

A file offers `METRIC`, which says how its metric is measured and read, and a function of the file's
name, which this package exports; other files hold what several share. Adding a metric is adding a
file.

Each function takes a matrix N x K, those of augmented views n x q x K, and raises ValueError where
it has another shape, is empty, or holds NaN or infinite values. Those of the spectrum also take a
`Spectrum`, which a `Gram` makes of batches that were never in memory together::

    gram = Gram(dimension)
    for batch in batches:
        gram.update(batch)
    spectrum = gram.spectrum()
    rankme(spectrum), nesum(spectrum)
"""

from importlib import import_module

from rankme.metrics.measure import METRICS
from rankme.metrics.rankme import rankme, rankme_from_singular_values
from rankme.metrics.spectrum import Gram, Spectrum

globals().update({name: getattr(import_module(f"{__name__}.{name}"), name) for name in METRICS})

__all__ = ["METRICS", "Gram", "Spectrum", "rankme", "rankme_from_singular_values", *METRICS]
