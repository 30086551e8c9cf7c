"""Made-up results trees of any size, whose files are written by the project's own writers."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rankme.analysis.tables import study_label, write_table
from rankme.artefacts import RunFiles, Tree, provenance, save_model, write_training_log
from rankme.files import write_json
from rankme.study.identity import plain
from rankme.study.runs import Run
from rankme.study.study import Study
from tests.rankme.analysis.synthetic import (
    accuracy_record,
    make_run,
    make_study,
    rank_record,
    training_log,
)

DATASETS = ["shapes", "digits", "textures"]
READOUTS = ("embedding", "knn", "mlp")


def study_of(study: str = "made-up") -> Study:
    """A study of that name."""
    return make_study(DATASETS[1:], study=study)


def runs_of(count: int) -> list[Run]:
    """Runs of one sweep."""
    return [
        make_run(
            name=f"temperature={index}-{index:08x}", sweep="temperature", temperature=index + 1
        )
        for index in range(count)
    ]


def write_study(results: Path, runs: list[Run], epochs: int = 3) -> None:
    """All files of these runs, and a table and a figure."""
    for index, run in enumerate(runs):
        write_run(results, run, value=1 + index / 7, epochs=epochs)
    study = study_of()
    files = Tree(results).study(study.study)
    table = pd.DataFrame({"run": [run.name for run in runs]})
    write_table(files.tables / "results.csv", table, *study_label(study))
    files.plots.mkdir(exist_ok=True)
    (files.plots / "rank_vs_acc.png").write_text("a figure\n")


def write_run(
    results: Path, run: Run, value: float, epochs: int = 3, status: str = "completed"
) -> RunFiles:
    """All files of one run whose numbers follow from `value`."""
    files = Tree(results).run(run.method, run.name)
    ranks = {
        name: {
            "embedding": _spectrum(value),
            "representation": _spectrum(2 * value),
            "dataset_digest": f"digest of {name}",
        }
        for name in DATASETS
    }
    made_by = provenance(0, "cpu", 10.0 * epochs)
    write_json(files.ranks, rank_record(run, ranks, status))
    for number, name in enumerate(DATASETS):
        write_json(files.dataset(name).accuracy, _accuracy(name, 1 / (2 + number + value)))
    write_training_log(files.log, training_log(epochs, value))
    metadata = {"artefact": "PRETRAINED_MODEL", "status": status, "step": 4 * epochs}
    save_model(
        files.model,
        {"encoder.weight": torch.zeros(1)},
        metadata | {"run": plain(run.settings), "provenance": made_by},
    )
    return files


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
