"""Every label-free metric of one matrix of embeddings, as RANK records it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rankme.metrics.alpha_req import alpha_req, fitted_ranks
from rankme.metrics.coherence import coherence
from rankme.metrics.idest import idest, tree_sizes
from rankme.metrics.lidar import DELTA, lidar
from rankme.metrics.lidar import EPS as LIDAR_EPS
from rankme.metrics.own import OWN
from rankme.metrics.rankme import effective_rank, rankme
from rankme.metrics.ratios import condition_number, nesum, participation_ratio, stable_rank
from rankme.metrics.registry import METRICS
from rankme.metrics.rows import SUBSET_SEED
from rankme.metrics.settings import RankSettings
from rankme.metrics.spectrum import Spectrum, spectrum_of
from rankme.metrics.sphere import TEMPERATURE, alignment, self_cluster, uniformity

FEWEST_SAMPLES = 256
DRAWS = 5


def measure(
    embeddings: np.ndarray, views: np.ndarray | None, settings: RankSettings
) -> dict[str, Any]:
    """All metrics of the same embeddings, with their spectrum and settings.

    Args:
        embeddings: N x K.
        views: n x q x K, embeddings of q augmented views of each of n images; None where there are
            none, and LiDAR and alignment are not measured.
        settings: of the study.

    Returns:
        n, k, eps, one entry a metric, settings and singular_values, as `rankme.metrics.registry`
        says. Embeddings that are not finite have no metric and no spectrum.
    """
    count, dimension = embeddings.shape
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    sigma: list[float] = []
    used: dict[str, Any] = {"alpha_req": None, "uniformity": None, "idest": None}
    spectrum = _spectrum(embeddings)
    if spectrum is not None:
        sigma = spectrum.singular_values.tolist()
        values |= _of_rows(embeddings, spectrum, settings)
        used |= _settings(spectrum, settings)
    if views is not None and np.isfinite(views).all():
        values |= {"lidar": lidar(views), "alignment": alignment(views)}
    known = {
        name: None if value is None or not math.isfinite(value) else value
        for name, value in values.items()
    }
    return {
        "n": count,
        "k": dimension,
        "eps": settings.eps,
        **known,
        "settings": used | _view_settings(views),
        "singular_values": sigma,
    }


def convergence(embeddings: np.ndarray, samples: int, eps: float) -> list[dict[str, Any]]:
    """RankMe against the number of samples: 256, 512, ... up to `samples`.

    Args:
        embeddings: M x K, of all images there are: M >= samples, if so many exist.
        samples: the largest number.
        eps: of RankMe.

    Returns:
        For each number of samples their "mean" and "std" (with one degree of freedom taken off)
        over "draws" random subsets of the M; the subset of all M is drawn once, with std 0. The
        smaller M, the more the subsets overlap, and the smaller their spread. Empty where
        embeddings are not finite.
    """
    most = min(samples, len(embeddings))
    sizes = [FEWEST_SAMPLES * 2**i for i in range(64) if FEWEST_SAMPLES * 2**i < most]
    generator = np.random.default_rng(SUBSET_SEED)
    try:
        return [_drawn(embeddings, size, eps, generator) for size in [*sizes, most]]
    except ValueError:
        return []


def _drawn(
    embeddings: np.ndarray, size: int, eps: float, generator: np.random.Generator
) -> dict[str, Any]:
    draws = DRAWS if size < len(embeddings) else 1
    subsets = [np.sort(generator.permutation(len(embeddings))[:size]) for _ in range(draws)]
    found = np.array([rankme(embeddings[rows], eps) for rows in subsets])
    std = float(found.std(ddof=1)) if draws > 1 else 0.0
    return {"samples": size, "mean": float(found.mean()), "std": std, "draws": draws}


def _spectrum(embeddings: np.ndarray) -> Spectrum | None:
    """None where embeddings are not finite."""
    try:
        return spectrum_of(embeddings)
    except ValueError:
        return None


def _of_rows(
    embeddings: np.ndarray, spectrum: Spectrum, settings: RankSettings
) -> dict[str, float | None]:
    of_spectrum: dict[str, Callable[[Spectrum], float]] = {
        "effective_rank": effective_rank,
        "nesum": nesum,
        "stable_rank": stable_rank,
        "participation_ratio": participation_ratio,
        "condition_number": condition_number,
    }
    return {
        "rankme": rankme(spectrum, settings.eps),
        **{name: metric(spectrum) for name, metric in of_spectrum.items()},
        "alpha_req": alpha_req(spectrum, settings.alpha_fit),
        "coherence": coherence(embeddings, spectrum),
        "self_cluster": self_cluster(embeddings),
        "uniformity": uniformity(embeddings, settings.pair_rows),
        "idest": idest(embeddings, settings.pair_rows),
        **{name: float(own.measure(embeddings, spectrum)) for name, own in OWN.items()},
    }


def _settings(spectrum: Spectrum, settings: RankSettings) -> dict[str, Any]:
    first, last = fitted_ranks(spectrum.covariance_eigenvalues, settings.alpha_fit)
    rows = min(settings.pair_rows, spectrum.count)
    return {
        "alpha_req": {"first_rank": first, "last_rank": last},
        "uniformity": {"rows": rows, "t": TEMPERATURE},
        "idest": {"rows": rows, "tree_sizes": tree_sizes(rows)},
    }


def _view_settings(views: np.ndarray | None) -> dict[str, Any]:
    if views is None:
        return {"lidar": None, "alignment": None}
    shape = {"images": views.shape[0], "views": views.shape[1]}
    return {"lidar": {**shape, "delta": DELTA, "eps": LIDAR_EPS}, "alignment": shape}
