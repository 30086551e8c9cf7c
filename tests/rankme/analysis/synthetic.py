"""Small made-up studies: a results tree on disk, or the table that collecting it gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rankme.files import write_json


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
    }


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
