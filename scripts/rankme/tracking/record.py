"""What is sent of a run and of a study: a function of the files of the results tree.

Everything in the database is told apart by its kind:

* params: the settings that the run's identity is a hash of, so they never change;
* metrics: `training/<column>`, one value an epoch; `rank/<dataset>/<tap>/<metric>` and
  `accuracy/<dataset>/<read-out>/<measure>`, one value each;
* tags: where the run stands in the study, its status, what made it, and the documents that the
  table of results is read from, so that the database alone rebuilds it (see `readback`);
* artefacts: the files themselves.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankme.artefacts import read_metadata, read_record
from rankme.errors import UserError
from rankme.files import sha256_file
from rankme.tracking import documents

if TYPE_CHECKING:
    from rankme.analysis.collect import Run

RUN = "rankme.run"
"""Tag that tells one record of an experiment from all others."""
DIGEST = "rankme.digest"
"""Tag with the digest of all that was sent; set last, so that what it marks is whole."""
SUMMARY = "summary"
"""First part of the key of the record that holds a study's tables and figures."""

_STATUS = {"completed": "FINISHED", "diverged": "FAILED", "collapsed": "FAILED"}
_CURVES = ("loss", "lr", "rankme", "rank_seconds", "views_per_second")
_NO_METRIC = ("eps", "provenance", "per_class", "head", "format", "confidence")
_LONGEST_VALUE = 6000
"""Characters of a param; of a tag MLflow allows more."""


@dataclass(frozen=True)
class Point:
    """A value of a training curve, `seconds` after the run began."""

    step: int
    value: float
    seconds: float


@dataclass(frozen=True)
class Record:
    """What a store holds of a run, or of a study's summary.

    Attributes:
        key: tells it from the other records of its experiment.
        name: what the page of the store shows.
        status: FINISHED or FAILED (diverged, collapsed) or RUNNING, as MLflow names it.
        started: seconds since 1970, as far as the files tell.
        seconds: duration.
        params: settings.
        tags: all but the digest.
        metrics: name -> value.
        curves: name -> points.
        files: path among the artefacts -> file.
    """

    key: str
    name: str
    status: str
    started: float
    seconds: float
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[Point]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of all of it but the time at which it started, which a copied file loses."""
        files = {path: sha256_file(file) for path, file in self.files.items()}
        curves = {name: [(p.step, p.value) for p in points] for name, points in self.curves.items()}
        content = [self.name, self.status, self.params, self.tags, self.metrics, curves, files]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_key(method: str, name: str) -> str:
    """The key of a run's record."""
    return f"{method}/{name}"


def run_record(run: "Run", results: Path, datasets: Sequence[str], models: bool) -> Record:
    """The record of a finished run.

    Args:
        run: a run of the study.
        results: the results folder.
        datasets: what it is evaluated on; one without labels has no accuracy.
        models: whether the model is among the artefacts.

    Raises:
        UserError: a file is missing or invalid; the message names it.
    """
    folder = results / "all_results" / run.method / run.name
    model_file = folder / "PRETRAINED_MODEL"
    model = read_metadata(model_file, "PRETRAINED_MODEL")
    ranks = read_record(folder / "RANKME_EVAL", "RANKME_EVAL")
    labelled = [name for name in datasets if (folder / name / "ACCURACY").exists()]
    accuracies = {name: read_record(folder / name / "ACCURACY", "ACCURACY") for name in labelled}
    small = ["RANKME_EVAL", "TRAINING_LOG", *(f"{name}/ACCURACY" for name in labelled)]
    seconds = model["provenance"]["seconds"]
    return Record(
        key=run_key(run.method, run.name),
        name=run.name,
        status=_STATUS[model["status"]],
        started=model_file.stat().st_mtime - seconds,
        seconds=seconds,
        params=params(run.settings),
        tags=about(run.method, model["status"])
        | {"sweep": run.sweep}
        | dict(_provenance(model))
        | documents.tags({"RANKME_EVAL": ranks, "ACCURACY": accuracies}),
        metrics=dict(_rank_metrics(ranks, datasets)) | dict(_accuracy_metrics(accuracies)),
        curves=curves(folder / "TRAINING_LOG"),
        files={path: folder / path for path in [*small, *(["PRETRAINED_MODEL"] if models else [])]},
    )


def summary_record(
    publisher: str, config: Mapping[str, Any], runs: Sequence["Run"], results: Path
) -> Record:
    """The record of a study as a whole: its tables and figures, and what its runs are.

    Args:
        publisher: tells this results tree from others that publish in the same experiment.
        config: the resolved study.
        runs: its runs, in order.
        results: the results folder.
    """
    files = {
        path.relative_to(results).as_posix(): path
        for folder in ("tables", "plots")
        for path in sorted((results / folder).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    names = [[run.method, run.name, run.sweep] for run in runs]
    about = f"Tables and figures of the study `{config['study']}`, {len(runs)} runs."
    return Record(
        key=f"{SUMMARY}/{publisher}",
        name=f"{SUMMARY} of {config['study']}",
        status="FINISHED",
        started=max((file.stat().st_mtime for file in files.values()), default=0.0),
        seconds=0.0,
        tags={"mlflow.note.content": about} | documents.tags({"config": config, "runs": names}),
        files=files,
    )


def about(method: str, status: str) -> dict[str, str]:
    """Tags that a run has from its first second on."""
    return {"method": method, "status": status}


def params(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a run, flat: `training.lr`; a list is JSON."""
    flat = dict(_leaves(settings, ""))
    return {name: _text(value)[:_LONGEST_VALUE] for name, value in flat.items()}


def curves(log: Path) -> dict[str, list[Point]]:
    """Curves of a TRAINING_LOG, a step an epoch; a value that was not measured has no point.

    Raises:
        UserError: the file is missing or invalid.
    """
    found: dict[str, list[Point]] = {f"training/{column}": [] for column in _CURVES}
    for row in _rows(log):
        for column in _CURVES:
            if row.get(column) is not None:
                point = Point(row["epoch"], float(row[column]), row["seconds"])
                found[f"training/{column}"].append(point)
    return {name: points for name, points in found.items() if points}


def _rows(log: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in log.read_text().splitlines()]
    except FileNotFoundError as error:
        raise UserError(f"{log}: no such file") from error
    except ValueError as error:
        raise UserError(
            f"{log}: is not JSON lines ({error}); delete the model beside it and run snakemake "
            "again to remake both"
        ) from error


def _provenance(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What made the weights, a tag each; the digests of the code's files in one."""
    made_by = dict(model["provenance"])
    code = made_by.pop("code")
    copied = ("step", "steps", "precision", "dataset_digest", "weights_sha256")
    known = made_by | {key: model[key] for key in copied if key in model}
    for name, value in _leaves(known, "provenance"):
        yield name, _text(value)
    yield "provenance.code", json.dumps(code)[:_LONGEST_VALUE]


def _rank_metrics(ranks: Mapping[str, Any], datasets: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Every measure of every tap on every dataset; one that could not be computed is left out."""
    for dataset in datasets:
        for tap, measured in ranks["datasets"].get(dataset, {}).items():
            if isinstance(measured, dict):
                yield from _numbers(measured, f"rank/{dataset}/{tap}")


def _accuracy_metrics(accuracies: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for dataset, accuracy in accuracies.items():
        others = accuracy.get("readouts", {})
        for readout, measured in {"linear": accuracy, **others}.items():
            own = {key: value for key, value in measured.items() if key != "readouts"}
            yield from _numbers(own, f"accuracy/{dataset}/{readout}")


def _numbers(measured: Mapping[str, Any], place: str) -> Iterator[tuple[str, float]]:
    """Numbers of a record at any depth, settings and counts of single classes left out."""
    for key, value in measured.items():
        if key in _NO_METRIC:
            continue
        name = f"{place}/{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, name)
        elif key == "interval" and value:
            yield from ((f"{name}_low", float(value[0])), (f"{name}_high", float(value[1])))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield place, value
        return
    for key, item in value.items():
        yield from _leaves(item, f"{place}.{key}" if place else key)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
