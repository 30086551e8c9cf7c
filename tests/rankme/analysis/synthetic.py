"""Made-up studies: a results tree on disk, or the table that collecting it gives."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankme.files import write_json
from rankme.metrics.registry import METRICS

DIMENSION = 64


@dataclass(frozen=True)
class Run:
    method: str
    name: str
    sweep: str
    settings: dict[str, Any]


def make_run(
    method: str = "SimCLR", name: str = "a-1", sweep: str = "default", **hyperparameters: Any
) -> Run:
    settings = {
        "method": method,
        "hyperparameters": hyperparameters,
        "source": {"name": "shapes"},
        "encoder": {"name": "resnet10", "width": 32, "stem": "stride2"},
        "projector": {"widths": [256, 128]},
        "augmentation": {"recipe": "simclr", "crop_scale": [0.2, 1.0]},
        "training": {"epochs": 10, "lr": 0.1 + 0.2, "weight_decay": 1e-6, "momentum": 0.9},
        "seed": 7,
    }
    return Run(method, name, sweep, settings)


def write_run(
    results: Path,
    run: Run,
    rankme: dict[str, float],
    top1: dict[str, float],
    status: str = "completed",
) -> Path:
    """Write RANKME_EVAL and every ACCURACY of `run`; values are given for each dataset."""
    folder = results / "all_results" / run.method / run.name
    ranks = {
        name: {
            "embedding": {"rankme": value},
            "representation": {"rankme": value / 2},
            "dataset_digest": f"digest of {name}",
        }
        for name, value in rankme.items()
    }
    evaluation = {"run": run.settings, "status": status, "source": "shapes", "datasets": ranks}
    write_json(folder / "RANKME_EVAL", {"artefact": "RANKME_EVAL", "format": 1, **evaluation})
    for name, value in top1.items():
        write_json(folder / name / "ACCURACY", accuracy_record(name, value))
    return folder


def accuracy_record(dataset: str, top1: float) -> dict[str, Any]:
    return {
        "artefact": "ACCURACY",
        "format": 1,
        "dataset": dataset,
        "dataset_digest": f"digest of {dataset}",
        "n": 500,
        "metric": "top1",
        "top1": top1,
        "top5": min(1.0, top1 + 0.25),
        "interval": [top1 - 0.04, top1 + 0.04],
        "confidence": 0.95,
        "chance": 0.1,
        "train_top1": top1 + 0.01,
        "readouts": {
            name: {"top1": top1 + gain, "interval": [top1 + gain - 0.04, top1 + gain + 0.04]}
            for name, gain in (("embedding", -0.1), ("knn", -0.03), ("mlp", 0.01))
        },
    }


def write_tree(results: Path, runs: Sequence[Any], source: str, targets: Sequence[str]) -> None:
    """Write all that the analysis reads of these runs: rank and accuracy rise together, with noise.

    Every eleventh run collapses. Plain writes: ten thousand runs would wait for the disk at each
    fsync.
    """
    generator = np.random.default_rng(0)
    for place, run in enumerate(runs):
        folder = results / "all_results" / run.method / run.name
        quality = -1.0 if place % 11 == 10 else generator.uniform()
        status = "collapsed" if quality < 0 else "completed"
        ranks = {
            name: _rank_record(generator, quality, name == source)
            | {"dataset_digest": f"digest of {name}"}
            for name in (source, *targets)
        }
        evaluation = {"run": run.settings, "status": status, "source": source, "datasets": ranks}
        folder.mkdir(parents=True, exist_ok=True)
        header = {"artefact": "RANKME_EVAL", "format": 1}
        (folder / "RANKME_EVAL").write_text(json.dumps({**header, **evaluation}))
        (folder / "TRAINING_LOG").write_text("".join(_training_log(generator, quality)))
        for name in (source, *targets):
            (folder / name).mkdir(exist_ok=True)
            top1 = float(np.clip(0.6 + 0.2 * quality + 0.04 * generator.normal(), 0.1, 0.94))
            (folder / name / "ACCURACY").write_text(json.dumps(accuracy_record(name, top1)))


def _rank_record(generator: np.random.Generator, quality: float, source: bool) -> dict[str, Any]:
    decay = np.exp(-(1.5 - quality) * np.linspace(0, 6, DIMENSION)) + 1e-4
    rank = 1.5 if quality < 0 else 10 + 40 * quality + 2 * generator.normal()
    taps = {}
    for tap in ("embedding", "representation"):
        values = {name: float(rank * generator.uniform(0.9, 1.1)) for name in METRICS}
        spectrum = {"n": 1000, "k": DIMENSION, "eps": 1e-7, "singular_values": decay.tolist()}
        taps[tap] = {**spectrum, **values, "rankme": float(rank), "settings": {}}
    if source:
        taps["embedding"]["convergence"] = [
            {"samples": n, "mean": rank * (1 - 8 / n), "std": rank / n, "draws": 4}
            for n in (256, 512, 800)
        ]
    return taps


def _training_log(generator: np.random.Generator, quality: float) -> list[str]:
    rows = [
        {"epoch": e, "loss": 5 - quality - e / 9 + generator.normal() / 20, "lr": 0.1, "rankme": r}
        for e, r in zip(range(1, 11), np.linspace(5, 10 + 40 * max(quality, 0), 10), strict=True)
    ]
    return [json.dumps(row) + "\n" for row in rows]


def study_table(
    points: dict[str, list[tuple[float, float]]],
    datasets: tuple[str, ...] = ("shapes", "digits"),
    sweep: str = "temperature",
    **columns: Any,
) -> pd.DataFrame:
    """Method -> (RankMe, top-1) of each run, the same on every dataset; the first is the source.

    The first run of a method is its default; `columns` replaces values in every row.
    """
    rows = [
        {
            "method": method,
            "run": f"run{index}",
            "sweep": sweep if index else "default",
            "seed": 0,
            "status": "completed",
            "control": False,
            "dataset": dataset,
            "role": "source" if dataset == datasets[0] else "target",
            "rankme": rankme,
            "top1": top1,
            "top1_low": top1 - 0.02,
            "top1_high": top1 + 0.02,
            "confidence": 0.95,
            "chance": 0.1,
            **columns,
        }
        for method, values in points.items()
        for index, (rankme, top1) in enumerate(values)
        for dataset in datasets
    ]
    return pd.DataFrame(rows)
