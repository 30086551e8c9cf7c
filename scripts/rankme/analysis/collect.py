"""The results tree as one table: a row for each run and dataset."""

import json
from collections.abc import Collection, Mapping, Sequence
from math import nan
from numbers import Number
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pandas as pd

from rankme.artefacts import read_record
from rankme.errors import UserError
from rankme.metrics.registry import METRICS

RUN_COLUMNS = (
    "method",
    "run",
    "sweep",
    "seed",
    "status",
    "control",
    "dataset",
    "role",
    *METRICS,
    *(f"{metric}_representation" for metric in METRICS),
)
READOUTS = ("embedding", "knn", "mlp")
DATASET_COLUMNS = (
    "dataset",
    "role",
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
    *(f"top1_{name}{end}" for name in READOUTS for end in ("", "_low", "_high")),
    "accuracy_file",
)
"""What describes the row's dataset, or the run on it; all else describes the run."""

COLUMNS = (
    *RUN_COLUMNS,
    *(name for name in DATASET_COLUMNS if name not in ("dataset", "role", "accuracy_file")),
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
    runs: Sequence[Run],
    results: Path,
    source: str,
    targets: Sequence[str],
    *,
    controls: Collection[str] = (),
    unlabelled: Collection[str] = (),
) -> pd.DataFrame:
    """Read every result of `runs` on the source and the targets.

    Args:
        runs: the runs of the study; their order is the order of the rows.
        results: the results folder, which holds `all_results/`.
        source: name of the dataset the runs were pretrained on.
        targets: names of the further datasets.
        controls: methods that are controls.
        unlabelled: datasets without labels, on which there is no accuracy.

    Returns:
        A table of `COLUMNS`, then one column a hyperparameter. The metrics (`METRICS`) are those of
        the embeddings of the source, with `_representation` those of its representations;
        `rankme_on_dataset` is that of the embeddings of the row's dataset. Accuracies are fractions
        in [0, 1], `top1` by the linear head on the representation, `top1_<readout>` by others;
        where `measure` is "map" they are mean average precisions, and there is no top5. `n` counts
        test images, the `_file` columns are paths below `results`.

    Raises:
        UserError: a result is missing or invalid; the message names its file. Or a metric of one's
            own is named as another column.
    """
    for name in METRICS:
        if COLUMNS.count(name) > 1:
            raise UserError(f"metrics/own/{name}.py: {name!r} is a column already; rename the file")
    rows = []
    for run in runs:
        about_run, ranks = _of_run(run, results, source)
        about_run |= {"control": run.method in controls}
        hyperparameters = _hyperparameters(run.settings)
        for dataset in (source, *targets):
            role = {"dataset": dataset, "role": "source" if dataset == source else "target"}
            measured = _on_dataset(run, results, ranks, dataset, dataset not in unlabelled)
            rows.append({**about_run, **role, **measured, **hyperparameters})
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    # As objects, hyperparameters that some methods lack stay what they are: 10 and not 10.0.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    fixed = list(COLUMNS)
    return table[fixed].infer_objects().join(table.drop(columns=fixed))


def _of_run(run: Run, results: Path, source: str) -> tuple[dict[str, Any], "_Record"]:
    rank_file = _folder(run) / "RANKME_EVAL"
    ranks = _Record(results / rank_file, "RANKME_EVAL")
    taps = {"embedding": "", "representation": "_representation"}
    metrics = {
        name + ending: ranks.measured(source, tap, name)
        for tap, ending in taps.items()
        for name in METRICS
    }
    about_run = {
        "method": run.method,
        "run": run.name,
        "sweep": run.sweep,
        "seed": run.settings["seed"],
        "status": ranks.get("status", kind=str),
        **metrics,
        "rankme_file": rank_file.as_posix(),
    }
    return about_run, ranks


def _folder(run: Run) -> Path:
    return Path("all_results", run.method, run.name)


def _on_dataset(
    run: Run, results: Path, ranks: "_Record", dataset: str, labelled: bool
) -> dict[str, Any]:
    rank = {"rankme_on_dataset": ranks.measured(dataset, "embedding", "rankme")}
    if not labelled:
        return rank
    accuracy_file = _folder(run) / dataset / "ACCURACY"
    accuracy = _Record(results / accuracy_file, "ACCURACY")
    if accuracy.get("dataset_digest") != ranks.get("datasets", dataset, "dataset_digest"):
        raise UserError(
            f"{accuracy.path}: was measured on another version of dataset {dataset!r} than "
            f"{ranks.path}; delete both and run snakemake again to remake them"
        )
    measure = accuracy.get("metric", kind=str)
    low, high = accuracy.interval()
    copied = ("confidence", "n", "chance")
    return {
        **rank,
        **{key: accuracy.get(key, kind=Number) for key in copied},
        "measure": measure,
        "top1": accuracy.get(measure, kind=Number),
        "top1_low": low,
        "top1_high": high,
        "top5": accuracy.get("top5", kind=Number) if measure == "top1" else None,
        "train_top1": accuracy.get(f"train_{measure}", kind=Number),
        **_readouts(accuracy, measure),
        "accuracy_file": accuracy_file.as_posix(),
    }


def _readouts(accuracy: "_Record", measure: str) -> dict[str, Any]:
    """Accuracies of the read-outs that were fitted beside the linear head."""
    columns: dict[str, Any] = {}
    for name in accuracy.get("readouts", kind=dict):
        if name in READOUTS:
            low, high = accuracy.interval("readouts", name)
            columns |= {
                f"top1_{name}": accuracy.get("readouts", name, measure, kind=Number),
                f"top1_{name}_low": low,
                f"top1_{name}_high": high,
            }
    return columns


class _Record:
    """A JSON result whose missing or mistyped values are reported with its file."""

    def __init__(self, path: Path, artefact: str) -> None:
        self.path = path
        self._content = read_record(path, artefact)

    def get(self, *keys: str, kind: type = object) -> Any:
        """The value at nested keys, refused where it is missing or not of that kind."""
        value: Any = self._content
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                self._refuse(f"has no {'.'.join(keys)}")
            value = value[key]
        # JSON's true would pass for the number 1.
        if not isinstance(value, kind) or (kind is Number and isinstance(value, bool)):
            words = {"Number": "a number", "str": "a text", "dict": "an object", "list": "a list"}
            self._refuse(f"{'.'.join(keys)} is {value!r:.40}, expected {words[kind.__name__]}")
        return value

    def measured(self, dataset: str, tap: str, metric: str) -> float:
        """A metric's value; NaN where it is null or, but for RankMe, was not measured."""
        values = self.get("datasets", dataset, tap, kind=dict)
        if values.get(metric) is None and (metric in values or metric != "rankme"):
            return nan
        return float(self.get("datasets", dataset, tap, metric, kind=Number))

    def interval(self, *keys: str) -> tuple[float, float]:
        """The two numbers at "interval"."""
        bounds = self.get(*keys, "interval", kind=list)
        if len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds):
            self._refuse(f"{'.'.join((*keys, 'interval'))} is {bounds!r:.40}, expected two numbers")
        return bounds[0], bounds[1]

    def _refuse(self, fault: str) -> NoReturn:
        raise UserError(f"{self.path}: {fault}; delete it and run snakemake again to remake it")


def _hyperparameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """One column a hyperparameter; a name that is taken gets its section in front."""
    training, own = settings["training"], settings["hyperparameters"]
    columns = {_column(name, "training"): value for name, value in training.items()}
    columns |= {_column(name, "method"): value for name, value in own.items()}
    for section in _SECTIONS:
        columns |= {f"{section}_{name}": value for name, value in settings[section].items()}
    return {name: _cell(value) for name, value in columns.items()}


def _column(name: str, section: str) -> str:
    return f"{section}_{name}" if name in COLUMNS else name


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
