"""Made-up results trees of any size, whose files are written by the project's own writers."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun

import collect_results
from rankme.analysis.collect import results_table
from rankme.analysis.tables import study_label, write_table
from rankme.artefacts import RunFiles, Tree, provenance, save_model
from rankme.study.identity import plain
from rankme.study.runs import Run
from rankme.study.study import Study
from rankme.tracking.publishing import Publication
from rankme.tracking.record import RUN
from tests.rankme.analysis import synthetic
from tests.rankme.analysis.synthetic import make_run, make_study

STUDY = "made-up"
DATASETS = ["shapes", "digits", "textures"]


def study_of(study: str = STUDY) -> Study:
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
    """All files of one run whose numbers follow from `value`, which is its RankMe."""
    top1 = {name: 1 / (2 + number + value) for number, name in enumerate(DATASETS)}
    ranks = dict.fromkeys(DATASETS, value)
    files = synthetic.write_run(results, run, ranks, top1, status, epochs)
    metadata = {"artefact": "PRETRAINED_MODEL", "status": status, "step": 4 * epochs}
    metadata |= {"run": plain(run.settings), "provenance": provenance(0, "cpu", 10.0 * epochs)}
    save_model(files.model, {"encoder.weight": torch.zeros(1)}, metadata)
    return files


def publish(results: Path, uri: str, count: int = 3, **options: Any) -> dict[str, int]:
    models, workers = options.pop("models", False), options.pop("workers", 1)
    study = study_of(**options)
    return dict(Publication(study, runs_of(count), results, models).publish(uri, workers))


def stored(uri: str, study: str = STUDY) -> dict[str, StoredRun]:
    """Key -> record, by MLflow's own client; each key once."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    found = {run.data.tags[RUN].partition("/")[2]: run for run in runs}
    assert len(found) == len(runs), "doubles"
    return found


def table_from_files(results: Path, path: Path, count: int = 3, name: str = STUDY) -> bytes:
    study = study_of(name)
    write_table(path, results_table(study, runs_of(count), results), *study_label(study))
    return path.read_bytes()


def table_from_store(uri: str, path: Path, *names: str) -> bytes:
    table, label = collect_results.stored_results(uri, names)
    write_table(path, table, *label)
    return path.read_bytes()


def run_of(uri: str, index: int = 0, study: str = STUDY) -> StoredRun:
    return stored(uri, study)[runs_of(index + 1)[index].name]
