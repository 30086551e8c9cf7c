"""Checks of a config before any job starts: its schema, then what a schema cannot say."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import study
from rankme.data.declarations import load_declarations
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

SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"


def load_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config and fill in its defaults.

    Returns:
        The study: the config with every default, numbers as declared, the declarations of its
        source and targets under `datasets`, and the name of their file under `declarations`.

    Raises:
        UserError: with every mistake found, a line each.
    """
    config, schema = with_numbers(config), config_schema()
    refuse(mistakes(config, schema))
    resolved: dict[str, Any] = with_defaults(config, schema)
    resolved["declarations"] = resolved["datasets"]
    declared = load_declarations(Path(resolved["datasets"]))
    resolved["methods"] = list(_resolved_methods(resolved["methods"]))
    refuse(_unknown_datasets(resolved, declared))
    names = study.evaluation_datasets(resolved)
    resolved["datasets"] = {name: declared[name] for name in names}
    refuse(_contradictions(resolved))
    return resolved


def config_schema() -> dict[str, Any]:
    """The schema of a config, completed by the encoders and methods there are."""
    schema = read_yaml(SCHEMA)
    schema["properties"]["encoder"]["properties"]["name"]["enum"] = study.encoders()
    method = schema["properties"]["methods"]["items"]["properties"]["name"]
    method["enum"] = list(study.methods())
    return schema


def warnings(resolved: Mapping[str, Any]) -> Iterator[str]:
    """What is allowed but probably not meant."""
    samples, dimension = resolved["rank"]["samples"], resolved["projector"]["widths"][-1]
    if samples < dimension:
        yield (
            f"rank.samples: {samples} is smaller than the embedding dimension {dimension} "
            "(projector.widths), so RankMe measures the sample: use at least "
            f"{dimension}, better ten times as many"
        )


def _resolved_methods(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each method's entry with its values checked and numbers as declared."""
    training = config_schema()["properties"]["training"]["properties"]
    for index, entry in enumerate(entries):
        point = closed(training | study.methods()[entry["name"]])
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
    if resolved["source"] in resolved["targets"]:
        yield f"targets: the source {resolved['source']!r} is evaluated always; remove it here"
    for section in ("augmentation", "probe"):
        low, high = resolved[section]["crop_scale"]
        if low > high:
            yield f"{section}.crop_scale: {[low, high]} must rise; swap the two"
    images = _source_images(resolved)
    for run in study.runs(resolved):
        training = run.settings["training"]
        batch, epochs, warmup = (training[k] for k in ("batch_size", "epochs", "warmup_epochs"))
        if images is not None and batch > images:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) is larger than the "
                f"{images} training images of {resolved['source']!r}; use at most {images}, or "
                f"delete results/datasets/{resolved['source']} if its images have changed since"
            )
        if warmup > epochs:
            yield (
                f"training.warmup_epochs: {warmup} ({run.method} {run.name}) is more than the "
                f"{epochs} epochs of the run; use fewer"
            )


def _source_images(resolved: Mapping[str, Any]) -> int | None:
    """Training images of the source: as declared, or as prepared; None while unknown."""
    declaration = resolved["datasets"][resolved["source"]]
    stated = declaration["options"].get("train_count", declaration.get("expected", {}).get("train"))
    if stated is not None:
        return int(stated)
    manifest = Path(resolved["pathvars"]["results"]) / "datasets" / resolved["source"] / "DATASET"
    if not manifest.exists():
        return None
    return int(json.loads(manifest.read_text())["splits"]["train"]["count"])
