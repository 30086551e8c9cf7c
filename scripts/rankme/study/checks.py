"""What the keys of a config cannot say one by one: contradictions, told before any job starts."""

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rankme.artefacts import DATASET, Tree
from rankme.errors import UserError
from rankme.files import read_json
from rankme.secrets import holds_credentials
from rankme.study.choices import has_labels, methods, reader
from rankme.study.datasets import Declaration, expand_root, other_pixels
from rankme.study.runs import Run, default_point, runs
from rankme.study.settings import Settings, Training, words
from rankme.study.study import Study


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
    kind, gpus = study.compute.gpu_kind, study.compute.gpus
    if kind and not gpus:
        yield f"compute.gpu_kind: {kind!r} needs compute.gpus, which is 0"
    yield from _wrong_entries(study)
    found = runs(study)
    yield from _wrong_runs(study, found)
    yield from _without_effect(found)


def warnings(study: Study) -> Iterator[str]:
    """What is allowed but probably not meant."""
    dimension, images = study.projector.widths[-1], _source_images(study)
    rank, training = study.rank.samples, study.training.rank_samples
    samples = {f"rank.samples: {rank}": rank, f"training.rank_samples: {training}": training}
    if images is not None:
        samples[f"source: {study.source!r} has {images} training images, which"] = images
    for place, count in samples.items():
        if count < dimension:
            yield (
                f"{place} is smaller than the embedding dimension {dimension} "
                "(projector.widths), so RankMe measures the sample: use at least "
                f"{dimension}, better ten times as many"
            )


def _wrong_entries(study: Study) -> Iterator[str]:
    """Methods that want one label an image, and grids without the point of `default_seeds`."""
    declaration = study.datasets[study.source]
    labelled = has_labels(declaration.reader)
    have = "several (metric: map)" if labelled else f"none (reader: {declaration.reader})"
    single = labelled and declaration.metric == "top1"
    for place, entry in enumerate(study.methods):
        if methods()[entry.name].uses_labels and not single:
            yield (
                f"methods[{place}]: {entry.name} trains with one label an image, but images of "
                f"the source {study.source!r} have {have}; "
                "choose another source, or leave the method out"
            )
        usual = default_point(study, entry)
        held = entry.sweeps or all(usual[key] in values for key, values in entry.grid.items())
        if study.default_seeds and not held:
            missing = ", ".join(f"{key} {usual[key]}" for key in entry.grid)
            yield (
                f"default_seeds: are for the default point of methods[{place}] ({entry.name}), "
                f"which its grid does not hold ({missing}); let its `default` be a point of the "
                "grid, or leave default_seeds out"
            )


def _wrong_runs(study: Study, found: Sequence[Run]) -> Iterator[str]:
    """What is wrong with single runs, each mistake with the first run that has it."""
    images, first = _source_images(study), dict[str, Run]()
    for run in found:
        for line in _wrong(study, run, images):
            first.setdefault(line, run)
    for line, run in first.items():
        yield line.replace("<run>", f"{run.method} {run.name}")


def _wrong(study: Study, run: Run, images: int | None) -> Iterator[str]:
    """What is wrong with a run, `<run>` standing for its name."""
    training, source = run.settings.training, study.source
    batch, processes = training.batch_size, study.compute.processes_a_node * study.compute.nodes
    if images is not None and batch > images:
        yield (
            f"training.batch_size: {batch} (<run>) is larger than the {images} training images of "
            f"{source!r}; use at most {images}, or delete {Tree(study.results).dataset(source)} "
            "if its images have changed since"
        )
    if batch % processes:
        yield (
            f"training.batch_size: {batch} (<run>) cannot be shared equally by {processes} "
            "processes (compute.gpus or processes, times nodes); choose a multiple of "
            f"{processes}"
        )
    if training.warmup_epochs > training.epochs:
        yield (
            f"training.warmup_epochs: {training.warmup_epochs} (<run>) is more than the "
            f"{training.epochs} epochs of the run; use fewer"
        )
    # The projector's last layer is linear, so the one before it bounds the rank as well.
    dimension = min(run.settings.projector.widths[-2:])
    highest, target = min(batch, dimension), training.rank_target
    if training.rank_weight > 0 and not 1 <= target <= highest:
        yield (
            f"training.rank_target: {target} (<run>) cannot be the effective rank of {batch} "
            f"embeddings of {dimension} dimensions (projector.widths, the last two); use 1 to "
            f"{highest}, or rank_weight 0"
        )
    for name, place in _said(type(run.settings.hyperparameters), "within").items():
        section, key = place.split(".")
        low, high = getattr(getattr(run.settings, section), key)
        value = getattr(run.settings.hyperparameters, name)
        if not low < value < high:
            yield (
                f"{name}: {value} of {run.method} is not within {place} "
                f"{[low, high]}, which it divides; choose one between"
            )


def _without_effect(found: Sequence[Run]) -> Iterator[str]:
    """Runs that differ in one value alone which, where another is 0, changes nothing."""
    for method in dict.fromkeys(run.method for run in found):
        settings = [run.settings for run in found if run.method == method]
        own = methods()[method].hyperparameters
        for name, needed in (_said(Training, "needs") | _said(own, "needs")).items():
            alike: dict[Hashable, list[Any]] = {}
            for one in settings:
                point = {**vars(one.training), **vars(one.hyperparameters), "seed": one.seed}
                if point[needed] == 0:
                    value = point.pop(name)
                    alike.setdefault(tuple(point.items()), []).append(value)
            if doubled := next((values for values in alike.values() if len(values) > 1), None):
                yield (
                    f"{name}: {doubled[0]} and {doubled[1]} make the same encoder of {method}, "
                    f"since {needed} is 0; sweep it at another {needed}, or leave it out"
                )


def _said(kind: type[Settings], word: str) -> dict[str, str]:
    """Each key of a class that says something more of itself, with what it says by that word."""
    found = {name: words(field).get(word) for name, field in kind.model_fields.items()}
    return {name: place for name, place in found.items() if place is not None}


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
    module = reader(declaration.reader)
    if getattr(module, "FETCHES", True):
        return None
    try:
        raw = module.read(expand_root(declaration), declaration.size, declaration.options)
    except (UserError, OSError):
        return None
    return len(raw.splits["train"].labels)
