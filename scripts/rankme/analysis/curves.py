"""Curves as tables: training, spectra, and RankMe against sample size."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankme.analysis.collect import Run
from rankme.artefacts import read_record
from rankme.errors import UserError

KEYS = ("method", "run")
TRAINING = (*KEYS, "epoch", "loss", "lr", "rankme")
SPECTRA = (*KEYS, "k", "index", "singular_value")
CONVERGENCE = (*KEYS, "k", "samples", "mean", "std", "draws")

SPECTRUM_POINTS = 48
"""Singular values kept of each spectrum: at indices evenly spread on a logarithmic axis."""


def collect_curves(
    runs: Sequence[Run], results: Path, source: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Tables of columns `TRAINING`, `SPECTRA` and `CONVERGENCE`, on the source, embeddings.

    `index` counts singular values from 1, which are divided by the largest. A diverged run has no
    spectrum, an untrained one no training.

    Raises:
        UserError: a result is missing or invalid; the message names its file.
    """
    tables: tuple[list[Any], ...] = ([], [], [])
    for run in runs:
        folder = results / "all_results" / run.method / run.name
        about = (run.method, run.name)
        embedding = _embedding(folder / "RANKME_EVAL", source)
        for table, rows in zip(
            tables,
            (
                _training(folder / "TRAINING_LOG"),
                _spectrum(embedding),
                _convergence(embedding),
            ),
            strict=True,
        ):
            table.extend((*about, *row) for row in rows)
    columns = (TRAINING, SPECTRA, CONVERGENCE)
    made = [pd.DataFrame(t, columns=list(c)) for t, c in zip(tables, columns, strict=True)]
    return made[0], made[1], made[2]


def _embedding(path: Path, source: str) -> dict[str, Any]:
    record = read_record(path, "RANKME_EVAL")
    try:
        embedding: dict[str, Any] = record["datasets"][source]["embedding"]
        return {
            "k": int(embedding["k"]),
            "sigma": np.array(embedding["singular_values"], float),
            "convergence": [dict(row) for row in embedding.get("convergence") or ()],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _unfit(path, error) from error


def _training(path: Path) -> Iterator[tuple[Any, ...]]:
    try:
        lines = path.read_text().splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        yield from [tuple(row.get(key) for key in TRAINING[2:]) for row in rows]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise _unfit(path, error) from error


def _spectrum(embedding: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    sigma = embedding["sigma"]
    if sigma.size == 0 or sigma[0] <= 0:
        return
    kept = np.unique(np.geomspace(1, len(sigma), SPECTRUM_POINTS).round().astype(int))
    for index in kept.tolist():
        yield embedding["k"], index, sigma[index - 1] / sigma[0]


def _convergence(embedding: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in embedding["convergence"]:
        yield embedding["k"], *(row.get(key) for key in CONVERGENCE[3:])


def _unfit(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: does not hold what it should ({type(error).__name__}: {error}); "
        "delete it and run snakemake again to remake it"
    )


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
