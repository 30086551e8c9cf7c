"""What the keys of a config cannot say one by one: contradictions, told before any job starts."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from rankme.artefacts import DATASET, Tree
from rankme.errors import UserError
from rankme.files import read_json
from rankme.secrets import holds_credentials
from rankme.study.choices import fetches, has_labels, methods
from rankme.study.datasets import Declaration, expand_root, other_pixels
from rankme.study.places import Compute
from rankme.study.runs import Run, RunSettings, default_point, runs
from rankme.study.settings import Settings, Training
from rankme.study.study import Study

_K = TypeVar("_K", bound=Hashable)


def contradictions(study: Study) -> Iterator[str]:
    """A line for each thing that cannot be, with the first run that it is about."""
    if holds_credentials(study.tracking.uri or ""):
        yield (
            "tracking.uri: holds credentials or options, and a config is shown in reports; give "
            "the whole address in the environment variable MLFLOW_TRACKING_URI, or only the "
            "password in MLFLOW_TRACKING_PASSWORD (a server) or PGPASSWORD (PostgreSQL)"
        )
    if study.source in study.targets:
        yield f"targets: the source {study.source!r} is evaluated always; remove it here"
    yield from _missing_labels(study)
    yield from _seeds_without_a_point(study)
    found = runs(study)
    yield from _batches_too_large(study, found)
    yield from _ranks_out_of_reach(found)
    yield from _processes_out_of_place(study.compute, found)
    yield from _outside_of_their_ranges(found)
    yield from _warmups_too_long(found)
    yield from _without_effect(found)


def warnings(study: Study) -> Iterator[str]:
    """What is allowed but probably not meant."""
    dimension, images = study.projector.widths[-1], _source_images(study)
    samples = {
        "rank.samples": study.rank.samples,
        "training.rank_samples": study.training.rank_samples,
    }
    if images is not None:
        samples[f"source: {study.source!r} has {images} training images, which"] = images
    for key, count in samples.items():
        if count < dimension:
            number = "" if key.endswith("which") else f": {count}"
            yield (
                f"{key}{number} is smaller than the embedding dimension {dimension} "
                "(projector.widths), so RankMe measures the sample: use at least "
                f"{dimension}, better ten times as many"
            )


def _missing_labels(study: Study) -> Iterator[str]:
    """A method that learns from labels wants one an image."""
    declaration = study.datasets[study.source]
    labelled = has_labels(declaration.reader)
    if labelled and declaration.metric == "top1":
        return
    have = "several (metric: map)" if labelled else f"none (reader: {declaration.reader})"
    for place, entry in enumerate(study.methods):
        if methods()[entry.name].uses_labels:
            yield (
                f"methods[{place}]: {entry.name} trains with one label an image, but images of "
                f"the source {study.source!r} have {have}; "
                "choose another source, or leave the method out"
            )


def _seeds_without_a_point(study: Study) -> Iterator[str]:
    """A grid alone may not hold its method's default point, for which `default_seeds` are."""
    for place, entry in enumerate(study.methods):
        usual = default_point(study, entry)
        held = all(usual[key] in values for key, values in entry.grid.items())
        if study.default_seeds and not entry.sweeps and not held:
            missing = ", ".join(f"{key} {usual[key]}" for key in entry.grid)
            yield (
                f"default_seeds: are for the default point of methods[{place}] ({entry.name}), "
                f"which its grid does not hold ({missing}); let its `default` be a point of the "
                "grid, or leave default_seeds out"
            )


def _batches_too_large(study: Study, found: Iterable[Run]) -> Iterator[str]:
    images = _source_images(study)
    for batch, run in _firsts(found, lambda training: training.batch_size).items():
        if images is not None and batch > images:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) is larger than the "
                f"{images} training images of {study.source!r}; use at most {images}, or delete "
                f"{Tree(study.results).dataset(study.source)} if its images have changed since"
            )


def _ranks_out_of_reach(found: Iterable[Run]) -> Iterator[str]:
    """The rank regulariser pulls to what no batch can have."""
    wanted = _firsts(found, lambda t: (t.rank_weight > 0, t.rank_target, t.batch_size))
    for (regularised, target, batch), run in wanted.items():
        # The last layer is linear, so the one before it bounds the rank as well.
        dimension = min(run.settings.projector.widths[-2:])
        highest = min(batch, dimension)
        if regularised and not 1 <= target <= highest:
            yield (
                f"training.rank_target: {target} ({run.method} {run.name}) cannot be the effective "
                f"rank of {batch} embeddings of {dimension} dimensions (projector.widths, the last "
                f"two); use 1 to {highest}, or rank_weight 0"
            )


def _processes_out_of_place(compute: Compute, found: Iterable[Run]) -> Iterator[str]:
    """What `compute` asks for and cannot be."""
    if compute.gpu_kind and not compute.gpus:
        yield f"compute.gpu_kind: {compute.gpu_kind!r} needs compute.gpus, which is 0"
    processes = compute.processes_a_node * compute.nodes
    for batch, run in _firsts(found, lambda training: training.batch_size).items():
        if batch % processes:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) cannot be shared equally "
                f"by {processes} processes (compute.gpus or processes, times nodes); choose a "
                f"multiple of {processes}"
            )


def _outside_of_their_ranges(found: Iterable[Run]) -> Iterator[str]:
    """Hyperparameters outside the range of the config `within` which they divide."""
    places = {name: _said(offer.hyperparameters, "within") for name, offer in methods().items()}
    for run in found:
        for name, place in places[run.method].items():
            section, key = place.split(".")
            low, high = getattr(getattr(run.settings, section), key)
            value = getattr(run.settings.hyperparameters, name)
            if not low < value < high:
                yield (
                    f"{name}: {value} of {run.method} is not within {place} "
                    f"{[low, high]}, which it divides; choose one between"
                )


def _warmups_too_long(found: Iterable[Run]) -> Iterator[str]:
    lengths = _firsts(found, lambda training: (training.warmup_epochs, training.epochs))
    for (warmup, epochs), run in lengths.items():
        if warmup > epochs:
            yield (
                f"training.warmup_epochs: {warmup} ({run.method} {run.name}) is more than the "
                f"{epochs} epochs of the run; use fewer"
            )


def _without_effect(found: Iterable[Run]) -> Iterator[str]:
    """Runs that differ in one value alone which, where another is 0, changes nothing."""
    of_method: dict[str, list[RunSettings]] = {}
    for run in found:
        of_method.setdefault(run.method, []).append(run.settings)
    for method, settings in of_method.items():
        own = methods()[method].hyperparameters
        for name, needed in (_said(Training, "needs") | _said(own, "needs")).items():
            idle = [one for one in settings if _value(one, needed) == 0]
            if values := _values_of_one_encoder(name, idle):
                yield (
                    f"{name}: {values[0]} and {values[1]} make the same encoder of {method}, since "
                    f"{needed} is 0; sweep it at another {needed}, or leave it out"
                )


def _values_of_one_encoder(name: str, idle: Collection[RunSettings]) -> list[Any]:
    """Values of an idle key in runs that are alike but for it; none if no two are."""
    if len({_value(one, name) for one in idle}) < 2:
        return []
    alike: dict[Hashable, list[Any]] = {}
    for one in idle:
        point = {**vars(one.training), **vars(one.hyperparameters), name: None}
        alike.setdefault((one.seed, *point.items()), []).append(_value(one, name))
    return next((values for values in alike.values() if len(values) > 1), [])


def _value(run: RunSettings, name: str) -> Any:
    """A run's hyperparameter: the method's own, or one of the training."""
    section = run.training if name in Training.model_fields else run.hyperparameters
    return getattr(section, name)


def _said(kind: type[Settings], word: str) -> dict[str, str]:
    """Each key of a class that says something more of itself, with what it says by that word."""
    extras = {name: field.json_schema_extra for name, field in kind.model_fields.items()}
    return {
        name: str(extra[word])
        for name, extra in extras.items()
        if isinstance(extra, dict) and word in extra
    }


def _firsts(found: Iterable[Run], what: Callable[[Training], _K]) -> dict[_K, Run]:
    """Each value of something of the training, with the first run that has it."""
    first: dict[_K, Run] = {}
    for run in found:
        first.setdefault(what(run.settings.training), run)
    return first


def _source_images(study: Study) -> int | None:
    """Training images of the source: as declared, prepared or listed; None where unknown."""
    declaration = study.datasets[study.source]
    stated = getattr(declaration.options, "train_count", declaration.expected.train)
    if stated is not None:
        return int(stated)
    folder = Tree(study.results).dataset(study.source)
    return _prepared_images(folder, declaration) or _listed_images(declaration)


def _prepared_images(folder: Path, declaration: Declaration) -> int | None:
    """Training images of a prepared dataset; None where there is none of that declaration."""
    file = folder / DATASET
    if not file.exists():
        return None
    try:
        record = read_json(file)
        if other_pixels(record["declaration"], declaration):
            return None
        return int(record["splits"]["train"]["count"])
    except (UserError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: is no record of a prepared dataset; delete {folder}") from error


def _listed_images(declaration: Declaration) -> int | None:
    """Training images of a folder that is not prepared yet, none of them opened.

    None where the reader may download, and where the folder is at fault: preparation says how.
    """
    if fetches(declaration.reader):
        return None
    reader = import_module(f"rankme.data.readers.{declaration.reader}")
    try:
        raw = reader.read(expand_root(declaration), declaration.size, declaration.options)
    except (UserError, OSError):
        return None
    return len(raw.splits["train"].labels)
