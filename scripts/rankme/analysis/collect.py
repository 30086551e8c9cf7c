"""The results tree as one table: a row for each run and dataset."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from rankme.artefacts import read_record
from rankme.errors import UserError

COLUMNS = (
    "method",
    "run",
    "sweep",
    "seed",
    "status",
    "dataset",
    "role",
    "rankme",
    "rankme_representation",
    "rankme_on_dataset",
    "measure",
    "top1",
    "top1_low",
    "top1_high",
    "confidence",
    "top5",
    "n",
    "chance",
    "train_top1",
    "rankme_file",
    "accuracy_file",
)
_SECTIONS = ("encoder", "projector", "augmentation")


class Run(Protocol):
    """A run of the study: its place in the results tree and its resolved settings."""

    @property
    def method(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def sweep(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


def collect(
    runs: Sequence[Run], results: Path, source: str, targets: Sequence[str]
) -> pd.DataFrame:
    """Read every result of `runs` on the source and the targets.

    Args:
        runs: the runs of the study; their order is the order of the rows.
        results: the results folder, which holds `all_results/`.
        source: name of the dataset the runs were pretrained on.
        targets: names of the further datasets.

    Returns:
        A table of `COLUMNS`, then one column a hyperparameter. `rankme` and
        `rankme_representation` are taken on the source, `rankme_on_dataset` on the embeddings of
        the row's dataset. Accuracies are fractions in [0, 1]; where `measure` is "map" they are
        mean average precisions, and there is no top5. `n` counts test images, the `_file` columns
        are paths below `results`.

    Raises:
        UserError: a result is missing or invalid; the message names its file.
    """
    rows = [
        {**row, **_hyperparameters(run.settings)}
        for run in runs
        for row in _rows(run, results, source, targets)
    ]
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    # As objects, hyperparameters that some methods lack stay what they are: 10 and not 10.0.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    fixed = list(COLUMNS)
    return table[fixed].infer_objects().join(table.drop(columns=fixed))


def _rows(run: Run, results: Path, source: str, targets: Sequence[str]) -> Iterator[dict[str, Any]]:
    folder = Path("all_results", run.method, run.name)
    rank_file = folder / "RANKME_EVAL"
    ranks = _Record(results / rank_file, "RANKME_EVAL")
    about_run = {
        "method": run.method,
        "run": run.name,
        "sweep": run.sweep,
        "seed": run.settings["seed"],
        "status": ranks.get("status"),
        "rankme": ranks.get("datasets", source, "embedding", "rankme"),
        "rankme_representation": ranks.get("datasets", source, "representation", "rankme"),
        "rankme_file": rank_file.as_posix(),
    }
    for dataset in (source, *targets):
        role = "source" if dataset == source else "target"
        measured = _on_dataset(folder / dataset / "ACCURACY", results, ranks, dataset)
        yield {**about_run, "dataset": dataset, "role": role, **measured}


def _on_dataset(
    accuracy_file: Path, results: Path, ranks: "_Record", dataset: str
) -> dict[str, Any]:
    accuracy = _Record(results / accuracy_file, "ACCURACY")
    if accuracy.get("dataset_digest") != ranks.get("datasets", dataset, "dataset_digest"):
        raise UserError(
            f"{accuracy.path}: was measured on another version of dataset {dataset!r} than "
            f"{ranks.path}; delete both and run snakemake again to remake them"
        )
    low, high = accuracy.get("interval")
    measure = accuracy.get("metric")
    copied = ("confidence", "n", "chance")
    return {
        "rankme_on_dataset": ranks.get("datasets", dataset, "embedding", "rankme"),
        **{key: accuracy.get(key) for key in copied},
        "measure": measure,
        "top1": accuracy.get(measure),
        "top1_low": low,
        "top1_high": high,
        "top5": accuracy.get("top5") if measure == "top1" else None,
        "train_top1": accuracy.get(f"train_{measure}"),
        "accuracy_file": accuracy_file.as_posix(),
    }


class _Record:
    """A JSON result whose missing keys are reported with its file."""

    def __init__(self, path: Path, artefact: str) -> None:
        self.path = path
        self._content = read_record(path, artefact)

    def get(self, *keys: str) -> Any:
        value: Any = self._content
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                raise UserError(
                    f"{self.path}: has no {'.'.join(keys)}; "
                    "delete it and run snakemake again to remake it"
                )
            value = value[key]
        return value


def _hyperparameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """One column a hyperparameter; a name that is taken gets its section in front."""
    training, own = settings["training"], settings["hyperparameters"]
    columns = {_column(name, "training", COLUMNS): value for name, value in training.items()}
    columns |= {
        _column(name, "method", {*COLUMNS, *training}): value for name, value in own.items()
    }
    for section in _SECTIONS:
        columns |= {f"{section}_{name}": value for name, value in settings[section].items()}
    return {name: _cell(value) for name, value in columns.items()}


def _column(name: str, section: str, taken: Collection[str]) -> str:
    return f"{section}_{name}" if name in taken else name


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
