"""The results tree as tables: a row for each run and dataset, and the curves of each run."""

import json
from collections.abc import Iterator, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rankme.analysis.curves import CONVERGENCE, SPECTRA, TRAINING
from rankme.analysis.records import Record
from rankme.analysis.tables import STUDY_COLUMNS, study_label
from rankme.artefacts import Tree, read_training_log
from rankme.errors import UserError
from rankme.metrics import METRICS
from rankme.plugins import files as plugin_files
from rankme.study.choices import methods
from rankme.study.runs import Run, RunSettings
from rankme.study.settings import MAIN_READOUT, READOUTS, Layer
from rankme.study.study import Study

LAYERS: dict[Layer, str] = {"embedding": "", "representation": "_representation"}
"""What the columns of a layer's metrics end in."""

RUN = ("method", "run", "sweep", "seed", "status", "control")
DATASET = ("dataset", "role")
OTHER_READOUTS = tuple(name for name in READOUTS if name != MAIN_READOUT)

_ACCURACY = ("measure", "top1", "top1_low", "top1_high", "confidence", "top5", "n", "chance")
_ON_DATASET = (
    "rankme_on_dataset",
    *_ACCURACY,
    "train_top1",
    *(f"top1_{name}{end}" for name in OTHER_READOUTS for end in ("", "_low", "_high")),
)
DATASET_COLUMNS = (*DATASET, *_ON_DATASET, "accuracy_file")
"""What describes the row's dataset, or the run on it; all else describes the run."""

COLUMNS = (
    *STUDY_COLUMNS,
    *RUN,
    *DATASET,
    *(metric + ending for ending in LAYERS.values() for metric in METRICS),
    *_ON_DATASET,
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
        _table(study, rows),
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
    rows = [row for run in runs for row in _RunResults(study, run, results).rows()]
    return _table(study, rows)


def _table(study: Study, rows: list[dict[str, Any]]) -> pd.DataFrame:
    for name in METRICS:
        if COLUMNS.count(name) > 1:
            file = plugin_files("metrics").get(name)
            raise UserError(f"{file}: {name!r} is a column already; rename the file")
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    # As objects, hyperparameters that some methods lack stay what they are: 10 and not 10.0.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    table[list(STUDY_COLUMNS)] = study_label(study)
    fixed = list(COLUMNS)
    return table[fixed].infer_objects().join(table.drop(columns=fixed))


class _RunResults:
    """What the files of one run say, each read once."""

    def __init__(self, study: Study, run: Run, results: Path) -> None:
        self.study, self.run, self.results = study, run, results
        self.files = Tree(results).run(run.method, run.name)
        self.ranks = Record(self.files.ranks, "RANKME_EVAL")
        self._keys = run.method, run.name
        self._embedding = "datasets", study.source, "embedding"

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
    columns = {key: accuracy.get(key, kind=Number) for key in ("confidence", "n", "chance")}
    columns["measure"] = measure
    columns["top1"] = accuracy.get(measure, kind=Number)
    columns["top1_low"], columns["top1_high"] = accuracy.interval()
    columns["top5"] = accuracy.get("top5", kind=Number) if measure == "top1" else None
    columns["train_top1"] = accuracy.get(f"train_{measure}", kind=Number)
    for name in accuracy.get("readouts", kind=dict):
        if name in OTHER_READOUTS:
            top1 = f"top1_{name}"
            columns[top1] = accuracy.get("readouts", name, measure, kind=Number)
            columns[f"{top1}_low"], columns[f"{top1}_high"] = accuracy.interval("readouts", name)
    return columns


def _hyperparameters(settings: RunSettings) -> dict[str, Any]:
    """One column a hyperparameter; a name that is taken gets its section in front."""
    columns: dict[str, Any] = {}
    for section, own in (("training", settings.training), ("method", settings.hyperparameters)):
        columns |= {f"{section}_{key}" if key in COLUMNS else key: value for key, value in own}
    for section in ("encoder", "projector", "augmentation"):
        columns |= {f"{section}_{key}": value for key, value in getattr(settings, section)}
    lists = (tuple, list, dict)
    return {k: json.dumps(v) if isinstance(v, lists) else v for k, v in columns.items()}
