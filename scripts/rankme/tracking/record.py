"""What is sent of a run and of a study: a function of the files of the results tree.

Everything in the database is told apart by its kind:

* params: the settings that the run's identity is a hash of, so they never change;
* metrics: `training/<column>`, one value an epoch; `rank/<dataset>/<layer>/<metric>` and
  `accuracy/<dataset>/<read-out>/<measure>`, one value each;
* tags: where the run stands in the study, its status, what made it, and the documents that the
  table of results is read from, so that the database alone rebuilds it (see `readback`);
* artefacts: the files themselves.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rankme.analysis.tables import read_table, require_label, study_label
from rankme.artefacts import Tree, read_metadata, read_record, read_training_log
from rankme.files import sha256_file
from rankme.study.runs import Run, RunSettings
from rankme.study.study import Study
from rankme.tracking import documents

RUN = "rankme.run"
"""Tag that tells one record of an experiment from all others."""
DIGEST = "rankme.digest"
"""Tag with the digest of all that was sent; set last, so that what it marks is whole."""
SUMMARY = "summary"
"""First part of the key of the record that holds a study's tables and figures."""

_CURVES = ("loss", "lr", "rankme", "rank_seconds", "views_per_second")
_NO_METRIC = ("eps", "provenance", "per_class", "head", "format", "confidence", "readouts")
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
        started, seconds: since 1970, as far as the files tell, and from there on.
        params: settings.
        tags: all but the digest.
        metrics, curves: their values and points, by name.
        files: those among the artefacts, by their path there.
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


def run_record(run: Run, results: Path, datasets: Sequence[str], models: bool) -> Record:
    """The record of a finished run.

    Args:
        datasets: what it is evaluated on; one without labels has no accuracy.
        models: whether the model is among the artefacts.

    Raises:
        UserError: a file is missing or invalid; the message names it.
    """
    files = Tree(results).run(run.method, run.name)
    model = read_metadata(files.model, "PRETRAINED_MODEL")
    ranks = read_record(files.ranks, "RANKME_EVAL")
    ranked = {name: ranks["datasets"][name] for name in datasets if name in ranks["datasets"]}
    probed = {name: file for name in datasets if (file := files.dataset(name).accuracy).exists()}
    accuracies = {name: read_record(file, "ACCURACY") for name, file in probed.items()}
    sent = [files.ranks, files.log, *probed.values(), *([files.model] if models else [])]
    seconds = model["provenance"]["seconds"]
    return Record(
        key=run_key(run.method, run.name),
        name=run.name,
        status="FINISHED" if model["status"] == "completed" else "FAILED",
        started=files.model.stat().st_mtime - seconds,
        seconds=seconds,
        params=params(run.settings),
        tags={"method": run.method, "status": model["status"], "sweep": run.sweep}
        | _provenance(model)
        | documents.pack({"RANKME_EVAL": ranks, "ACCURACY": accuracies}),
        metrics=_metrics(ranked, accuracies),
        curves=curves(files.log),
        files={file.relative_to(files.folder).as_posix(): file for file in sent},
    )


def summary_record(publisher: str, study: Study, runs: Sequence[Run], results: Path) -> Record:
    """The record of a study as a whole: its tables and figures, and what its runs are.

    Args:
        publisher: tells this results tree from others that publish in the same experiment.
        runs: all of the study, in order.

    Raises:
        UserError: a table is of another study, or does not say of which; the message names it.
    """
    place = Tree(results).study(study.study)
    files = {
        path.relative_to(place.folder).as_posix(): path
        for folder in (place.tables, place.plots)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    for path in files.values():
        if path.suffix == ".csv":
            require_label(path, read_table(path), study_label(study))
    names = [[run.method, run.name, run.sweep] for run in runs]
    about = f"Tables and figures of the study `{study.study}`, {len(runs)} runs."
    return Record(
        key=f"{SUMMARY}/{publisher}",
        name=f"{SUMMARY} of {study.study}",
        status="FINISHED",
        started=max((file.stat().st_mtime for file in files.values()), default=0.0),
        seconds=0.0,
        tags={"mlflow.note.content": about}
        | documents.pack({"config": study.record(), "runs": names}),
        files=files,
    )


def params(settings: RunSettings) -> dict[str, str]:
    """Settings of a run, flat: `training.lr`; a list is JSON."""
    flat = _leaves(settings.model_dump(mode="json"))
    return {".".join(keys): _text(value)[:_LONGEST_VALUE] for keys, value in flat}


def curves(log: Path) -> dict[str, list[Point]]:
    """Curves of a TRAINING_LOG, a step an epoch; a value that was not measured has no point.

    Raises:
        UserError: the file is missing or invalid.
    """
    found = defaultdict(list)
    for row in read_training_log(log):
        for column in _CURVES:
            if (value := getattr(row, column)) is not None:
                found[f"training/{column}"].append(Point(row.epoch, float(value), row.seconds))
    return dict(found)


def _provenance(model: Mapping[str, Any]) -> dict[str, str]:
    """What made the weights, a tag each; the digests of the code's files in one."""
    copied = ("step", "steps", "precision", "dataset_digest", "weights_sha256")
    known = model["provenance"] | {key: model[key] for key in copied if key in model}
    tags = {".".join(keys): _text(value) for keys, value in _leaves(known, skip=("code",))}
    tags["code"] = json.dumps(model["provenance"]["code"])[:_LONGEST_VALUE]
    return {f"provenance.{name}": text for name, text in tags.items()}


def _metrics(ranks: Mapping[str, Any], accuracies: Mapping[str, Any]) -> dict[str, float]:
    """Every measure on every dataset; one that could not be computed is left out."""
    places = {f"rank/{name}": layers for name, layers in ranks.items()}
    for dataset, accuracy in accuracies.items():
        readouts = {"linear": accuracy, **accuracy.get("readouts", {})}
        places |= {f"accuracy/{dataset}/{name}": found for name, found in readouts.items()}
    return {
        name: number for place, found in places.items() for name, number in _numbers(found, place)
    }


def _numbers(measured: Mapping[str, Any], place: str) -> Iterator[tuple[str, float]]:
    """Numbers of a record at any depth, settings and counts of single classes left out."""
    for keys, value in _leaves(measured, skip=_NO_METRIC):
        name = "/".join((place, *keys))
        if keys[-1:] == ("interval",) and value:
            yield from ((f"{name}_low", float(value[0])), (f"{name}_high", float(value[1])))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _leaves(
    value: Any, keys: tuple[str, ...] = (), skip: Sequence[str] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys that lead to the ends of nested mappings, and the values there."""
    if not isinstance(value, Mapping):
        yield keys, value
        return
    for key, item in value.items():
        if key not in skip:
            yield from _leaves(item, (*keys, key), skip)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
