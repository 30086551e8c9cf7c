"""The results tree as tables: a row for each run and dataset, and the curves of each run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rankme.analysis.curves import CONVERGENCE, SPECTRA, TRAINING
from rankme.analysis.records import Record
from rankme.analysis.tables import STUDY_COLUMNS, study_label
from rankme.artefacts import RunFiles, Tree, read_training_log
from rankme.errors import UserError
from rankme.metrics import METRICS
from rankme.plugins import files as plugin_files
from rankme.study.choices import methods
from rankme.study.runs import Run, RunSettings
from rankme.study.settings import MAIN_READOUT, READOUTS, Layer
from rankme.study.study import Study

LAYERS: dict[Layer, str] = {"embedding": "", "representation": "_representation"}
"""What the columns of a layer's metrics end in."""

RUN_COLUMNS = (
    *STUDY_COLUMNS,
    "method",
    "run",
    "sweep",
    "seed",
    "status",
    "control",
    "dataset",
    "role",
    *(metric + ending for ending in LAYERS.values() for metric in METRICS),
)
OTHER_READOUTS = tuple(name for name in READOUTS if name != MAIN_READOUT)
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
    *(f"top1_{name}{end}" for name in OTHER_READOUTS for end in ("", "_low", "_high")),
    "accuracy_file",
)
"""What describes the row's dataset, or the run on it; all else describes the run."""

COLUMNS = (
    *RUN_COLUMNS,
    *(name for name in DATASET_COLUMNS if name not in ("dataset", "role", "accuracy_file")),
    "rankme_file",
    "accuracy_file",
)

SPECTRUM_POINTS = 48
"""Singular values kept of each spectrum: at indices evenly spread on a logarithmic axis."""

_Row = tuple[Any, ...]


class Collected(NamedTuple):
    """The tables of a study's runs, each named as its file.

    Attributes:
        results: of `results_table`.
        training, spectra, convergence: columns `TRAINING`, `SPECTRA` and `CONVERGENCE`; on the
            source, of embeddings. `index` counts singular values from 1, which are divided by the
            largest; a diverged run has none.
    """

    results: pd.DataFrame
    training: pd.DataFrame
    spectra: pd.DataFrame
    convergence: pd.DataFrame


def collect(study: Study, runs: Sequence[Run], results: Path) -> Collected:
    """Read every result of these runs of a study, whose order is that of the rows.

    Raises:
        UserError: a result is missing or invalid; the message names its file.
    """
    rows: list[dict[str, Any]] = []
    training: list[_Row] = []
    spectra: list[_Row] = []
    convergence: list[_Row] = []
    for run in runs:
        found = _RunResults(study, run, results)
        rows += found.rows()
        training += found.training()
        spectra += found.spectrum()
        convergence += found.convergence()
    return Collected(
        _table(rows),
        pd.DataFrame(training, columns=list(TRAINING)),
        pd.DataFrame(spectra, columns=list(SPECTRA)),
        pd.DataFrame(convergence, columns=list(CONVERGENCE)),
    )


def results_table(study: Study, runs: Sequence[Run], results: Path) -> pd.DataFrame:
    """Read every metric and accuracy of these runs of a study, on its source and its targets.

    Returns:
        A table of `COLUMNS`, then one column a hyperparameter. The metrics (`METRICS`) are those of
        the embeddings of the source, with `_representation` those of its representations;
        `rankme_on_dataset` is that of the embeddings of the row's dataset. Accuracies are fractions
        in [0, 1], `top1` by the linear head on the representation, `top1_<readout>` by others;
        where `measure` is "map" they are mean average precisions, and there is no top5. `n` counts
        test images, the `_file` columns are paths below `results`.

    Raises:
        UserError: a result is missing or invalid; the message names its file. Or a metric is named
            as another column.
    """
    return _table([row for run in runs for row in _RunResults(study, run, results).rows()])


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    for name in METRICS:
        if COLUMNS.count(name) > 1:
            file = plugin_files("metrics").get(name)
            raise UserError(f"{file}: {name!r} is a column already; rename the file")
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    # As objects, hyperparameters that some methods lack stay what they are: 10 and not 10.0.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    fixed = list(COLUMNS)
    return table[fixed].infer_objects().join(table.drop(columns=fixed))


@dataclass(frozen=True)
class _RunResults:
    """What the files of one run say, each read once."""

    study: Study
    run: Run
    results: Path

    @cached_property
    def files(self) -> RunFiles:
        return Tree(self.results).run(self.run.method, self.run.name)

    @cached_property
    def ranks(self) -> Record:
        return Record(self.files.ranks, "RANKME_EVAL")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of `results_table`."""
        about_run = self._run_columns()
        hyperparameters = _hyperparameters(self.run.settings)
        for dataset in self.study.evaluation_datasets:
            role = "source" if dataset == self.study.source else "target"
            measured = self._dataset_columns(dataset)
            yield {**about_run, "dataset": dataset, "role": role, **measured, **hyperparameters}

    def training(self) -> Iterator[_Row]:
        """Rows of `TRAINING`."""
        for row in read_training_log(self.files.log):
            yield *self._keys, row.epoch, row.loss, row.lr, row.rankme

    def spectrum(self) -> Iterator[_Row]:
        """Rows of `SPECTRA`."""
        sigma = self.ranks.numbers(*self._embedding, "singular_values")
        if sigma.size == 0 or sigma[0] <= 0:
            return
        kept = np.unique(np.geomspace(1, len(sigma), SPECTRUM_POINTS).round().astype(int))
        for index in kept.tolist():
            yield *self._keys, self._dimension, index, sigma[index - 1] / sigma[0]

    def convergence(self) -> Iterator[_Row]:
        """Rows of `CONVERGENCE`."""
        for row in self.ranks.objects(*self._embedding, "convergence"):
            measured = (row.get(name) for name in ("samples", "mean", "std", "draws"))
            yield *self._keys, self._dimension, *measured

    @property
    def _keys(self) -> tuple[str, str]:
        return self.run.method, self.run.name

    @property
    def _embedding(self) -> tuple[str, ...]:
        return "datasets", self.study.source, "embedding"

    @property
    def _dimension(self) -> int:
        return int(self.ranks.get(*self._embedding, "k", kind=Number))

    def _run_columns(self) -> dict[str, Any]:
        run, ranks = self.run, self.ranks
        metrics = {
            name + ending: ranks.measured(self.study.source, layer, name)
            for layer, ending in LAYERS.items()
            for name in METRICS
        }
        return {
            **dict(zip(STUDY_COLUMNS, study_label(self.study), strict=True)),
            "method": run.method,
            "run": run.name,
            "sweep": run.sweep,
            "seed": run.settings.seed,
            "status": ranks.get("status", kind=str),
            "control": methods()[run.method].control,
            **metrics,
            "rankme_file": ranks.path.relative_to(self.results).as_posix(),
        }

    def _dataset_columns(self, dataset: str) -> dict[str, Any]:
        rank = {"rankme_on_dataset": self.ranks.measured(dataset, "embedding", "rankme")}
        if dataset not in self.study.labelled_datasets:
            return rank
        accuracy = Record(self.files.dataset(dataset).accuracy, "ACCURACY")
        if accuracy.get("dataset_digest") != self.ranks.get("datasets", dataset, "dataset_digest"):
            raise UserError(
                f"{accuracy.path}: was measured on another version of dataset {dataset!r} than "
                f"{self.ranks.path}; delete both and run snakemake again to remake them"
            )
        file = accuracy.path.relative_to(self.results).as_posix()
        return {**rank, **_accuracy_columns(accuracy), "accuracy_file": file}


def _accuracy_columns(accuracy: Record) -> dict[str, Any]:
    measure = accuracy.get("metric", kind=str)
    low, high = accuracy.interval()
    columns = {
        **{key: accuracy.get(key, kind=Number) for key in ("confidence", "n", "chance")},
        "measure": measure,
        "top1": accuracy.get(measure, kind=Number),
        "top1_low": low,
        "top1_high": high,
        "top5": accuracy.get("top5", kind=Number) if measure == "top1" else None,
        "train_top1": accuracy.get(f"train_{measure}", kind=Number),
    }
    for name in accuracy.get("readouts", kind=dict):
        if name in OTHER_READOUTS:
            low, high = accuracy.interval("readouts", name)
            columns |= {
                f"top1_{name}": accuracy.get("readouts", name, measure, kind=Number),
                f"top1_{name}_low": low,
                f"top1_{name}_high": high,
            }
    return columns


def _hyperparameters(settings: RunSettings) -> dict[str, Any]:
    """One column a hyperparameter; a name that is taken gets its section in front."""
    columns = {_column(name, "training"): value for name, value in settings.training}
    columns |= {_column(name, "method"): value for name, value in settings.hyperparameters}
    for section in ("encoder", "projector", "augmentation"):
        columns |= {f"{section}_{name}": value for name, value in getattr(settings, section)}
    return {name: _cell(value) for name, value in columns.items()}


def _column(name: str, section: str) -> str:
    return f"{section}_{name}" if name in COLUMNS else name


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple | list | dict) else value
