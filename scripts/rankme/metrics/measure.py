"""Every label-free metric of one matrix of embeddings, as RANK records it.

RANK holds the metrics of one dataset, RANKME_EVAL those of all in `["datasets"][dataset]`, for each
layer ("embedding" and "representation") as

    n, k, eps            images, width of the features, eps of RankMe
    singular_values      all min(n, k), descending; empty where features are not finite
    one key a metric     its value, or null: not finite, not defined, or not measured
    settings             what else the metrics were measured with
    convergence          on the embeddings of the source only: RankMe against sample size, a list
                         of {"samples", "mean", "std", "draws"}
"""

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from rankme.errors import UserError
from rankme.metrics.metric import Metric, Sample
from rankme.metrics.rankme import rankme
from rankme.metrics.rows import SUBSET_SEED
from rankme.plugins import files

if TYPE_CHECKING:
    from rankme.study.settings import Rank

RECORD_KEYS = ("n", "k", "eps", "singular_values", "settings", "convergence")
"""Keys of a record that are no metrics."""

FEWEST_SAMPLES = 256
DRAWS = 5


def find_metrics() -> dict[str, Metric]:
    """Name -> metric of each file of this folder that offers one: RankMe first, then by name.

    Raises:
        UserError: a file is named as a key of the records.
    """
    found: dict[str, Metric] = {}
    for name, file in files("metrics").items():
        module = import_module(f"rankme.metrics.{name}")
        if hasattr(module, "METRIC"):
            if name in RECORD_KEYS:
                raise UserError(f"{file}: {name!r} is taken; choose another file name")
            found[name] = module.METRIC
    return {"rankme": found.pop("rankme"), **found}


METRICS = find_metrics()


def measure(embeddings: np.ndarray, views: np.ndarray | None, settings: "Rank") -> dict[str, Any]:
    """All metrics of the same embeddings, with their spectrum and settings.

    Args:
        embeddings: N x K.
        views: n x q x K, embeddings of q augmented views of each of n images; None where there are
            none, and the metrics of views are not measured.
        settings: of the study.

    Returns:
        A record as the top of this file shows it, without convergence. Embeddings that are not
        finite have no metric and no spectrum.
    """
    count, dimension = embeddings.shape
    sample = Sample(embeddings, np.empty((0, 0, 0)) if views is None else views, settings)
    try:
        sigma = sample.spectrum.singular_values.tolist()
    except ValueError:
        sigma = []
    given = {False: bool(sigma), True: views is not None}  # by `needs_views`
    finite = {False: given[False], True: given[True] and bool(np.isfinite(sample.views).all())}
    record: dict[str, Any] = {"n": count, "k": dimension, "eps": settings.eps}
    measured_with = {}
    for name, metric in METRICS.items():
        record[name] = _value(metric, sample) if finite[metric.needs_views] else None
        if metric.settings:
            measured_with[name] = metric.settings(sample) if given[metric.needs_views] else None
    return {**record, "settings": measured_with, "singular_values": sigma}


def convergence(embeddings: np.ndarray, samples: int, eps: float) -> list[dict[str, Any]]:
    """RankMe against the number of samples: 256, 512, ... up to `samples`.

    Args:
        embeddings: M x K, of all images there are: M >= samples, if so many exist.
        samples: the largest number.
        eps: of RankMe.

    Returns:
        For each number of samples "mean" and "std" (with one degree of freedom taken off) over
        "draws" random subsets of the M; that of all M is drawn once, with std 0. The smaller M, the
        more the subsets overlap and the less they differ. Empty where embeddings are not finite.
    """
    count, most = len(embeddings), min(samples, len(embeddings))
    sizes = [FEWEST_SAMPLES * 2**i for i in range(64) if FEWEST_SAMPLES * 2**i < most]
    generator, curve = np.random.default_rng(SUBSET_SEED), []
    for size in [*sizes, most]:
        draws = DRAWS if size < count else 1
        subsets = [np.sort(generator.permutation(count)[:size]) for _ in range(draws)]
        try:
            found = np.array([rankme(embeddings[rows], eps) for rows in subsets])
        except ValueError:
            return []
        std = float(found.std(ddof=1)) if draws > 1 else 0.0
        curve.append({"samples": size, "mean": float(found.mean()), "std": std, "draws": draws})
    return curve


def _value(metric: Metric, sample: Sample) -> float | None:
    value = float(metric.measure(sample))
    return value if math.isfinite(value) else None
