"""Checks of a config before any job starts: its schema, then what a schema cannot say."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import study
from rankme.data.declarations import expand_root, load_declarations, load_reader
from rankme.errors import UserError
from rankme.files import read_json
from rankme.schema import (
    as_declared,
    choices,
    closed,
    mistakes,
    read_yaml,
    refuse,
    with_defaults,
    with_numbers,
)
from rankme.tracking.destination import censored, holds_credentials

SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"

# Pairs of numbers, the lower first.
_RANGES = (("augmentation", "crop_scale"), ("probe", "crop_scale"), ("rank", "alpha_fit"))

# Readers that list files and never fetch any.
_LISTING_READERS = ("image_folder", "tiny_imagenet", "unlabelled_folder")


def load_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config and fill in its defaults.

    Returns:
        The study: the config with every default, numbers as declared, the declarations of its
        source and targets under `datasets`, and the name of their file under `declarations`.

    Raises:
        UserError: with every mistake found, a line each.
    """
    config = with_numbers(config)
    schema = config_schema(config.get("encoder"))
    refuse(_without_secrets(mistakes(config, schema), config.get("tracking")))
    resolved: dict[str, Any] = with_defaults(config, schema)
    resolved["declarations"] = resolved["datasets"]
    declared = load_declarations(Path(resolved["datasets"]))
    resolved["methods"] = list(_resolved_methods(resolved["methods"]))
    refuse(_unknown_datasets(resolved, declared))
    names = study.evaluation_datasets(resolved)
    resolved["datasets"] = {name: declared[name] for name in names}
    refuse(_contradictions(resolved))
    return resolved


def config_schema(encoder: Any = None) -> dict[str, Any]:
    """The schema of a config, completed by the encoders and methods there are.

    Args:
        encoder: the config's section of that name as it is written; settings of its own that the
            encoder named there declares are part of the schema.
    """
    schema, encoders = read_yaml(SCHEMA), study.encoders()
    section = schema["properties"]["encoder"]["properties"]
    section["name"]["enum"] = list(encoders)
    named = encoder.get("name") if isinstance(encoder, Mapping) else None
    own = encoders.get(named, {}) if isinstance(named, str) else {}
    if taken := sorted(own.keys() & section.keys()):
        raise UserError(f"the encoder {named}: every encoder has {taken[0]!r}; rename its own")
    section |= own
    method = schema["properties"]["methods"]["items"]["properties"]["name"]
    method["enum"] = list(study.methods())
    return schema


def section(name: str, given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A section of the config on its own, checked and with its defaults.

    Args:
        name: such as "probe".
        given: its keys, any left out.
        place: what a message calls it, such as "--probe".

    Raises:
        UserError: with every mistake found, a line each.
    """
    schema = config_schema()["properties"][name]
    given = with_numbers(given)
    refuse(mistakes(given, schema, place))
    complete: dict[str, Any] = with_defaults(given, schema)
    refuse(_falling_ranges({name: complete}))
    return complete


def warnings(resolved: Mapping[str, Any]) -> Iterator[str]:
    """What is allowed but probably not meant."""
    dimension, images = resolved["projector"]["widths"][-1], _source_images(resolved)
    samples = {
        "rank.samples": resolved["rank"]["samples"],
        "training.rank_samples": resolved["training"]["rank_samples"],
    }
    if images is not None:
        samples[f"source: {resolved['source']!r} has {images} training images, which"] = images
    for key, count in samples.items():
        if count < dimension:
            number = "" if key.endswith("which") else f": {count}"
            yield (
                f"{key}{number} is smaller than the embedding dimension {dimension} "
                "(projector.widths), so RankMe measures the sample: use at least "
                f"{dimension}, better ten times as many"
            )


def _without_secrets(lines: Iterable[str], tracking: Any) -> Iterator[str]:
    """Lines in which no text of the section `tracking` is repeated, since it may be a password."""
    hidden = sorted(set(_texts(tracking)), key=len, reverse=True)
    return (censored(line, hidden) for line in lines)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, and every key that looks like an address."""
    if isinstance(value, Mapping):
        yield from (key for key in map(str, value) if "@" in key)
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
    elif isinstance(value, str) and value:
        yield value


def _resolved_methods(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each method's entry with its values checked and numbers as declared."""
    training = config_schema()["properties"]["training"]["properties"]
    for index, entry in enumerate(entries):
        own = study.methods()[entry["name"]]
        if doubled := sorted(own.keys() & training.keys()):
            raise UserError(
                f"{entry['name']}: its hyperparameter {doubled[0]!r} is a key of `training`, too, "
                "and both stand in one place of a config; rename it in the method's file"
            )
        point = closed(training | own)
        lists = closed({key: _list_of(schema) for key, schema in point["properties"].items()})
        for part, schema in (("default", point), ("sweeps", lists), ("grid", lists)):
            refuse(mistakes(entry[part], schema, f"methods[{index}] ({entry['name']}).{part}"))
            entry = entry | {part: as_declared(entry[part], schema)}
        yield entry


def _list_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": dict(schema)}


def _unknown_datasets(resolved: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    named = [("source", resolved["source"])]
    named += [(f"targets[{i}]", name) for i, name in enumerate(resolved["targets"])]
    for key, name in named:
        if name not in declared:
            where = f"in {resolved['declarations']}"
            yield f"{key}: {name!r} is not declared {where}{choices(name, declared)}"


def _contradictions(resolved: Mapping[str, Any]) -> Iterator[str]:
    if holds_credentials(resolved["tracking"]["uri"] or ""):
        yield (
            "tracking.uri: holds credentials or options, and a config is shown in reports; give "
            "the whole address in the environment variable MLFLOW_TRACKING_URI, or only the "
            "password in MLFLOW_TRACKING_PASSWORD (a server) or PGPASSWORD (PostgreSQL)"
        )
    if resolved["source"] in resolved["targets"]:
        yield f"targets: the source {resolved['source']!r} is evaluated always; remove it here"
    yield from _falling_ranges(resolved)
    yield from _missing_labels(resolved)
    runs = study.runs(resolved)
    yield from _batches_too_large(resolved, runs)
    yield from _ranks_out_of_reach(runs)
    yield from _processes_out_of_place(resolved["compute"], runs)
    yield from _outside_of_their_ranges(runs)
    yield from _warmups_too_long(runs)


def _warmups_too_long(runs: Iterable[study.Run]) -> Iterator[str]:
    for run in runs:
        epochs, warmup = (run.settings["training"][key] for key in ("epochs", "warmup_epochs"))
        if warmup > epochs:
            yield (
                f"training.warmup_epochs: {warmup} ({run.method} {run.name}) is more than the "
                f"{epochs} epochs of the run; use fewer"
            )


def _outside_of_their_ranges(runs: Iterable[study.Run]) -> Iterator[str]:
    """One line for each value of a hyperparameter outside the range of the config it divides."""
    for run in runs:
        for name, schema in study.methods()[run.method].items():
            if "within" not in schema:
                continue
            section, key = schema["within"].split(".")
            low, high = run.settings[section][key]
            value = run.settings["hyperparameters"][name]
            if not low < value < high:
                yield (
                    f"{name}: {value} of {run.method} is not within {schema['within']} "
                    f"{[low, high]}, which it divides; choose one between"
                )


def _processes_out_of_place(compute: Mapping[str, Any], runs: Iterable[study.Run]) -> Iterator[str]:
    """What `compute` asks for and cannot be."""
    if compute["gpu_kind"] and not compute["gpus"]:
        yield f"compute.gpu_kind: {compute['gpu_kind']!r} needs compute.gpus, which is 0"
    processes = study.processes(compute) * compute["nodes"]
    for batch, run in _batches(runs).items():
        if batch % processes:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) cannot be shared equally "
                f"by {processes} processes (compute.gpus or processes, times nodes); choose a "
                f"multiple of {processes}"
            )


def _missing_labels(resolved: Mapping[str, Any]) -> Iterator[str]:
    """A method that learns from labels wants one an image."""
    declaration = resolved["datasets"][resolved["source"]]
    labelled = study.has_labels(declaration["reader"])
    if labelled and declaration["metric"] == "top1":
        return
    have = "several (metric: map)" if labelled else f"none (reader: {declaration['reader']})"
    for index, entry in enumerate(resolved["methods"]):
        if study.uses_labels(entry["name"]):
            yield (
                f"methods[{index}]: {entry['name']} trains with one label an image, but images of "
                f"the source {resolved['source']!r} have {have}; "
                "choose another source, or leave the method out"
            )


def _ranks_out_of_reach(runs: Iterable[study.Run]) -> Iterator[str]:
    """One line for each run whose rank regulariser pulls to what no batch can have."""
    for run in runs:
        training = run.settings["training"]
        weight, target, batch = (
            training[key] for key in ("rank_weight", "rank_target", "batch_size")
        )
        # The last layer is linear, so the one before it bounds the rank as well.
        dimension = min(run.settings["projector"]["widths"][-2:])
        if weight > 0 and not 1 <= target <= min(batch, dimension):
            yield (
                f"training.rank_target: {target} ({run.method} {run.name}) cannot be the effective "
                f"rank of {batch} embeddings of {dimension} dimensions (projector.widths, the "
                f"last two); use 1 to {min(batch, dimension)}, or rank_weight 0"
            )


def _falling_ranges(sections: Mapping[str, Any]) -> Iterator[str]:
    for name, key in _RANGES:
        low, high = sections.get(name, {}).get(key, (0, 1))
        if low > high:
            yield f"{name}.{key}: {[low, high]} must rise; swap the two"


def _batches_too_large(resolved: Mapping[str, Any], runs: Iterable[study.Run]) -> Iterator[str]:
    """One line for each batch size that is larger than the source."""
    source, images = resolved["source"], _source_images(resolved)
    for batch, run in _batches(runs).items():
        if images is not None and batch > images:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) is larger than the "
                f"{images} training images of {source!r}; use at most {images}, or delete "
                f"{_manifest(resolved).parent} if its images have changed since"
            )


def _batches(runs: Iterable[study.Run]) -> dict[int, study.Run]:
    """Each batch size, with the first run that has it."""
    found: dict[int, study.Run] = {}
    for run in runs:
        found.setdefault(run.settings["training"]["batch_size"], run)
    return found


def _source_images(resolved: Mapping[str, Any]) -> int | None:
    """Training images of the source: as declared, prepared or listed; None where unknown."""
    declaration = resolved["datasets"][resolved["source"]]
    stated = declaration["options"].get("train_count", declaration.get("expected", {}).get("train"))
    if stated is not None:
        return int(stated)
    return _prepared_images(_manifest(resolved), declaration) or _listed_images(declaration)


def _manifest(resolved: Mapping[str, Any]) -> Path:
    """DATASET of the source, there once it is prepared."""
    return Path(resolved["pathvars"]["results"]) / "datasets" / resolved["source"] / "DATASET"


def _prepared_images(manifest: Path, declaration: Mapping[str, Any]) -> int | None:
    """Training images of a prepared dataset; None where there is none of that declaration."""
    if not manifest.exists():
        return None
    record = read_json(manifest)
    try:
        if any(record["declaration"][key] != declaration[key] for key in study.DATA_KEYS):
            return None
        return int(record["splits"]["train"]["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{manifest}: is no record of a prepared dataset; delete {manifest.parent}"
        ) from error


def _listed_images(declaration: Mapping[str, Any]) -> int | None:
    """Training images of a folder that is not prepared yet, none of them opened.

    None where the reader may download, and where the folder is at fault: preparation says how.
    """
    if declaration["reader"] not in _LISTING_READERS:
        return None
    reader = load_reader(declaration["reader"])
    try:
        raw = reader.read(
            expand_root(dict(declaration)), declaration["size"], **declaration["options"]
        )
    except (UserError, OSError):
        return None
    return len(raw.splits["train"].labels)
