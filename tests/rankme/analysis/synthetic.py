"""Made-up studies: a results tree on disk, or the table that collecting it gives."""

import json
from collections.abc import Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from pydantic import create_model

from rankme.artefacts import LogRow, RunFiles, Tree, write_training_log
from rankme.files import write_json
from rankme.metrics import METRICS
from rankme.study.choices import methods, reader_options
from rankme.study.config import load_study
from rankme.study.datasets import Source
from rankme.study.identity import plain
from rankme.study.runs import Run, RunSettings
from rankme.study.settings import Augmentation, EncoderSettings, Projector, Training
from rankme.study.study import Study

DIMENSION = 64
TARGETS = ("digits", "eurosat")


def make_study(targets: Sequence[str] = TARGETS, **config: Any) -> Study:
    """A study on `shapes`."""
    given = {"study": "made-up", "source": "shapes", "targets": list(targets)}
    return load_study({**given, "methods": [{"name": "SimCLR"}], **config})


def make_run(
    method: str = "SimCLR", name: str = "a-1", sweep: str = "default", **values: Any
) -> Run:
    """A run of these hyperparameters, which are the method's own, of the training, or new ones."""
    trained = {"epochs": 10, "warmup_epochs": 1, "lr": 0.1 + 0.2}
    trained |= {key: values.pop(key) for key in list(values) if key in Training.model_fields}
    own = methods()[method].hyperparameters
    new: dict[str, Any] = {key: (Any, None) for key in values if key not in own.model_fields}
    settings = RunSettings(
        method=method,
        hyperparameters=create_model("Hyperparameters", __base__=own, **new)(**values),
        source=Source(name="shapes", reader="shapes", size=32, options=reader_options("shapes")()),
        encoder=EncoderSettings(name="resnet10", width=32, stem="stride2"),
        projector=Projector(widths=(256, 128)),
        augmentation=Augmentation(recipe="simclr", crop_scale=(0.2, 1.0)),
        training=Training(**trained),
        seed=7,
    )
    return Run(name, sweep, settings)


def write_run(
    results: Path,
    run: Run,
    rankme: dict[str, float],
    top1: dict[str, float],
    status: str = "completed",
    epochs: int = 1,
) -> RunFiles:
    """Write what the tables are made of; RankMe and top-1 are given for each dataset.

    RankMe of representations is half of it, the loss of the first epoch RankMe on the first.
    """
    rest = {"alpha_req": None, "n": 500, "k": 128, "singular_values": [2.0, 1.0]}
    ranks = {
        name: {
            "embedding": {"rankme": value, **rest},
            "representation": {"rankme": value / 2, **rest},
        }
        for name, value in rankme.items()
    }
    log = training_log(epochs, next(iter(rankme.values())))
    return _write_files(results, run, status, ranks, top1, log)


def _write_files(
    results: Path,
    run: Run,
    status: str,
    ranks: dict[str, Any],
    top1: dict[str, float],
    log: list[LogRow],
) -> RunFiles:
    files = Tree(results).run(run.method, run.name)
    for name, measured in ranks.items():
        measured["dataset_digest"] = f"digest of {name}"
    about = {"artefact": "RANKME_EVAL", "format": 1, "run": plain(run.settings), "status": status}
    write_json(files.ranks, {**about, "source": "shapes", "datasets": ranks})
    for name, value in top1.items():
        write_json(files.dataset(name).accuracy, _accuracy_record(name, value))
    write_training_log(files.log, log)
    return files


def training_log(epochs: int, value: float) -> list[LogRow]:
    """TRAINING_LOG of a loss that falls and a RankMe that rises."""
    return [
        LogRow(e, 4 * e, value / e, 0.1 / e, value * e, 0.1, 1000.0 + e, 10.0 * e)
        for e in range(1, epochs + 1)
    ]


def _accuracy_record(dataset: str, top1: float) -> dict[str, Any]:
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
        "per_class": {"class 0": {"top1": top1, "n": 50}},
        "readouts": {
            name: {"top1": top1 + gain, "interval": [top1 + gain - 0.04, top1 + gain + 0.04]}
            for name, gain in (("embedding", -0.1), ("knn", -0.03), ("mlp", 0.01))
        },
    }


def put(file: Path, values: dict[str, Any]) -> None:
    """Replace values of a JSON file; their keys are those from outside in: `datasets.shapes`."""
    record = json.loads(file.read_text())
    for name, value in values.items():
        *outer, last = name.split(".")
        reduce(getitem, outer, record)[last] = value
    write_json(file, record)


def write_tree(results: Path, runs: Sequence[Run], source: str, targets: Sequence[str]) -> None:
    """Write all that the analysis reads of these runs: rank and accuracy rise together, with noise.

    Every eleventh run collapses.
    """
    generator = np.random.default_rng(0)
    # Ten thousand runs would wait for the disk at each file.
    with patch("os.fsync"):
        for place, run in enumerate(runs):
            quality = -1.0 if place % 11 == 10 else generator.uniform()
            status = "collapsed" if quality < 0 else "completed"
            names = (source, *targets)
            ranks = {name: _noisy_ranks(generator, quality, name == source) for name in names}
            log = training_log(10, 5 - quality + generator.normal() / 20)
            top1 = 0.6 + 0.2 * quality + 0.04 * generator.normal(size=len(names))
            accuracies = dict(zip(names, np.clip(top1, 0.1, 0.94).tolist(), strict=True))
            _write_files(results, run, status, ranks, accuracies, log)


def _noisy_ranks(generator: np.random.Generator, quality: float, source: bool) -> dict[str, Any]:
    decay = np.exp(-(1.5 - quality) * np.linspace(0, 6, DIMENSION)) + 1e-4
    rank = 1.5 if quality < 0 else 10 + 40 * quality + 2 * generator.normal()
    layers = {}
    for layer in ("embedding", "representation"):
        values = {name: float(rank * generator.uniform(0.9, 1.1)) for name in METRICS}
        spectrum = {"n": 1000, "k": DIMENSION, "eps": 1e-7, "singular_values": decay.tolist()}
        layers[layer] = {**spectrum, **values, "rankme": float(rank), "settings": {}}
    if source:
        layers["embedding"]["convergence"] = [
            {"samples": n, "mean": rank * (1 - 8 / n), "std": rank / n, "draws": 4}
            for n in (256, 512, 800)
        ]
    return layers


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


def row_of(table: pd.DataFrame, **key: str) -> pd.Series:
    """The row with these keys; by default of RankMe, and of all non-degenerate runs on `shapes`."""
    wanted = {"sweep": "all", "dataset": "shapes", "runs": "non-degenerate"}
    wanted |= {"metric": "rankme", "layer": "embedding", **key}
    rows = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]
