"""Curves as rows of tables: training, spectra, and RankMe against sample size."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from rankme.artefacts import LogRow

Row = tuple[Any, ...]

KEYS = ("method", "run")
TRAINING = (*KEYS, "epoch", "loss", "lr", "rankme")
SPECTRA = (*KEYS, "k", "index", "singular_value")
CONVERGENCE = (*KEYS, "k", "samples", "mean", "std", "draws")

SPECTRUM_POINTS = 48
"""Singular values kept of each spectrum: at indices evenly spread on a logarithmic axis."""


def training_points(log: Sequence[LogRow]) -> Iterator[Row]:
    """What `TRAINING` holds of a run beside its keys, an epoch a row."""
    yield from map(attrgetter(*TRAINING[len(KEYS) :]), log)


def spectrum_points(k: int, sigma: np.ndarray) -> Iterator[Row]:
    """What `SPECTRA` holds of a run beside its keys.

    `index` counts singular values from 1, which are divided by the largest. Where there are none,
    as of a diverged run, or all are 0, there is no row.
    """
    if sigma.size == 0 or sigma[0] <= 0:
        return
    kept = np.unique(np.geomspace(1, len(sigma), SPECTRUM_POINTS).round().astype(int))
    for index in kept.tolist():
        yield k, index, sigma[index - 1] / sigma[0]


def convergence_points(k: int, rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """What `CONVERGENCE` holds of a run beside its keys, a number of samples a row."""
    for row in rows:
        yield k, *(row.get(key) for key in CONVERGENCE[len(KEYS) + 1 :])


def halving(convergence: pd.DataFrame) -> pd.DataFrame:
    """How far RankMe is from its value on all samples at half of these or less, a row a run.

    Returns:
        Columns `KEYS`, "samples", "k", and "change": 1 - RankMe of at most half the samples over
        RankMe of all.
    """
    keys = list(KEYS)
    ordered = convergence.sort_values("samples", kind="stable")
    whole = ordered.drop_duplicates(keys, keep="last")[[*keys, "samples", "mean"]]
    both = ordered.merge(whole, on=keys, suffixes=("", "_of_all"))
    half = both[(both["samples"] <= both["samples_of_all"] / 2) & (both["mean_of_all"] > 0)]
    half = half.drop_duplicates(keys, keep="last")
    change = 1 - half["mean"].astype(float) / half["mean_of_all"].astype(float)
    return half.assign(samples=half["samples_of_all"], change=change)[
        [*keys, "samples", "k", "change"]
    ]
