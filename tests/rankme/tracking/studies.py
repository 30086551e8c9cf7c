"""Made-up results trees of any size, whose files are written by the project's own writers."""

import json
from pathlib import Path
from typing import Any

import torch

from rankme.artefacts import provenance, save_model
from rankme.files import write_json
from rankme.training.progress import write_log
from tests.rankme.analysis.synthetic import Run, accuracy_record, make_run

DATASETS = ["shapes", "digits", "textures"]
READOUTS = ("embedding", "knn", "mlp")


def config_of(results: Path, study: str = "made-up", **changes: Any) -> dict[str, Any]:
    """A resolved study, as far as publishing and collecting look at it."""
    declared = {name: {"reader": "shapes", "root": "/private"} for name in DATASETS}
    where = {"results": str(results)}
    config = {"study": study, "source": "shapes", "targets": DATASETS[1:], "datasets": declared}
    return config | {"pathvars": where} | changes


def runs_of(count: int) -> list[Run]:
    """Runs of one sweep."""
    return [
        make_run(name=f"temperature={index}-{index:08x}", sweep="temperature", temperature=index)
        for index in range(count)
    ]


def write_study(results: Path, runs: list[Run], epochs: int = 3) -> None:
    """All files of these runs, and a table and a figure."""
    for index, run in enumerate(runs):
        write_run(results, run, value=1 + index / 7, epochs=epochs)
    for name in ("tables/results.csv", "plots/rank_vs_acc.png"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(f"made-up {name}\n")


def write_run(
    results: Path, run: Run, value: float, epochs: int = 3, status: str = "completed"
) -> Path:
    """All files of one run whose numbers follow from `value`."""
    folder = results / "all_results" / run.method / run.name
    ranks = {
        name: {
            "embedding": _spectrum(value),
            "representation": _spectrum(2 * value),
            "dataset_digest": f"digest of {name}",
        }
        for name in DATASETS
    }
    record = {"artefact": "RANKME_EVAL", "format": 1, "run": run.settings, "status": status}
    made_by = provenance(0, "cpu", 10.0 * epochs)
    write_json(folder / "RANKME_EVAL", record | {"source": "shapes", "datasets": ranks})
    for number, name in enumerate(DATASETS):
        write_json(folder / name / "ACCURACY", _accuracy(name, 1 / (2 + number + value)))
    rows = [_row(epoch + 1, value) for epoch in range(epochs)]
    write_log(folder, rows)
    metadata = {"artefact": "PRETRAINED_MODEL", "status": status, "step": 4 * epochs}
    save_model(
        folder / "PRETRAINED_MODEL",
        {"encoder.weight": torch.zeros(1)},
        metadata | {"run": run.settings, "provenance": made_by},
    )
    return folder


def change(file: Path, **values: Any) -> None:
    """Replace values of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _spectrum(value: float) -> dict[str, Any]:
    return {"rankme": value, "alpha": None, "n": 500, "k": 128, "singular_values": [value] * 128}


def _accuracy(dataset: str, top1: float) -> dict[str, Any]:
    record = accuracy_record(dataset, top1)
    copied = ("top1", "top5", "interval", "train_top1")
    readouts = {name: {key: record[key] for key in copied} for name in READOUTS}
    classes = {f"class {index}": {"top1": top1, "n": 50} for index in range(10)}
    return record | {"readouts": readouts, "per_class": classes}


def _row(epoch: int, value: float) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "step": 4 * epoch,
        "loss": value / epoch,
        "lr": 0.1 / epoch,
        "rankme": value * epoch,
        "rank_seconds": 0.1,
        "views_per_second": 1000.0 + epoch,
        "seconds": 10.0 * epoch,
    }
