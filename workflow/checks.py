"""Checks of a config before any job starts: schema, then what a schema cannot say.

Every mistake is one line that names the key, the value and what is allowed.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

import study
from rankme.errors import UserError

SCHEMAS = Path(__file__).parent / "schemas"

# PyYAML follows YAML 1.1, in which 1e-6 without a dot is a string.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def load_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config and fill in its defaults.

    Returns:
        The study: the config with every default, numbers as declared, the declarations of its
        source and targets under `datasets`, and the name of their file under `declarations`.

    Raises:
        UserError: with every mistake found.
    """
    config = _numbers(config)
    schema = config_schema()
    _refuse(errors(config, schema))
    resolved = _with_defaults(config, schema)
    resolved["declarations"] = resolved["datasets"]
    declared = load_declarations(Path(resolved["datasets"]))
    resolved["methods"] = list(_resolved_methods(resolved["methods"]))
    _refuse(_unknown_datasets(resolved, declared))
    names = study.evaluation_datasets(resolved)
    resolved["datasets"] = {name: declared[name] for name in names}
    _refuse(_contradictions(resolved))
    return resolved


def load_declarations(file: Path) -> dict[str, dict[str, Any]]:
    """Declarations of all datasets by name, checked and with their defaults."""
    try:
        declared = _numbers(yaml.safe_load(file.read_text()))
    except OSError as error:
        raise UserError(f"datasets: {file} cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise UserError(f"datasets: {file} is not valid YAML ({_one_line(error)})") from error
    schema = _read_schema("datasets.schema.yaml")
    readers = study.readers()
    schema["additionalProperties"]["properties"]["reader"]["enum"] = list(readers)
    _refuse(errors(declared, schema, f"{file}: "))
    declared = {n: _with_defaults(d, schema["additionalProperties"]) for n, d in declared.items()}
    for name, declaration in declared.items():
        options = _closed(readers[declaration["reader"]])
        _refuse(errors(declaration["options"], options, f"{file}: {name}.options"))
        declaration["options"] = _with_defaults(declaration["options"], options)
    return declared


def config_schema() -> dict[str, Any]:
    """The schema of a config, completed by the encoders and methods there are."""
    schema = _read_schema("config.schema.yaml")
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


def errors(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """One line for each way in which a value breaks its schema."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    for error in sorted(found, key=lambda e: [str(part) for part in e.absolute_path]):
        yield from _explained(error, place)
    for key, number in _leaves(value, place):
        if isinstance(number, float) and not math.isfinite(number):
            yield f"{key}: {number} is not a finite number"


def _explained(error: jsonschema.ValidationError, place: str) -> Iterator[str]:
    key = _key(place, error.absolute_path)
    limit, schema = error.validator_value, error.schema
    meaning = f" ({schema['description']})" if "description" in schema else ""
    match error.validator:
        case "additionalProperties":
            allowed = schema.get("properties", {})
            for name in error.instance.keys() - allowed.keys():
                yield f"{_key(key, [name])}: unknown key{_choices(name, allowed)}"
        case "required":
            for name in set(limit) - error.instance.keys():
                about = schema["properties"][name].get("description", "")
                yield f"{_key(key, [name])}: missing; give it a value ({about})"
        case "enum":
            yield f"{key}: {error.instance!r} is not known{_choices(error.instance, limit)}"
        case "type":
            yield f"{key}: {error.instance!r} is not of type {limit}{meaning}"
        case "minItems" | "minProperties" | "minLength":
            yield f"{key}: {error.instance!r} is too short, give at least {limit}{meaning}"
        case "uniqueItems":
            yield f"{key}: {error.instance!r} names something twice; remove one{meaning}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            sign = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">"}
            bound = f"{sign.get(error.validator, '<')} {limit}"
            yield f"{key}: {error.instance!r} is out of bounds, must be {bound}{meaning}"
        case _:
            yield f"{key}: {_one_line(error.message)}{meaning}"


def _choices(name: Any, allowed: Iterable[str]) -> str:
    names = [str(choice) for choice in allowed]
    lower = {choice.lower(): choice for choice in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1)
    suggestion = f", did you mean {lower[near[0]]!r}?" if near else ";"
    return f"{suggestion} Allowed: {', '.join(names)}"


def _resolved_methods(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each method's entry with its default point complete and its values checked."""
    training = config_schema()["properties"]["training"]["properties"]
    for index, entry in enumerate(entries):
        own = _closed(training | study.methods()[entry["name"]])
        lists = _closed({key: _list_of(schema) for key, schema in own["properties"].items()})
        place = f"methods[{index}] ({entry['name']})"
        _refuse(errors(entry["default"], own, f"{place}.default"))
        _refuse(errors(entry["sweeps"], lists, f"{place}.sweeps"))
        _refuse(errors(entry["grid"], lists, f"{place}.grid"))
        yield entry | {
            "default": _as_declared(entry["default"], own),
            "sweeps": _as_declared(entry["sweeps"], lists),
            "grid": _as_declared(entry["grid"], lists),
        }


def _unknown_datasets(resolved: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    named = [("source", resolved["source"])]
    named += [(f"targets[{i}]", name) for i, name in enumerate(resolved["targets"])]
    for key, name in named:
        if name not in declared:
            where = f"in {resolved['declarations']}"
            yield f"{key}: {name!r} is not declared {where}{_choices(name, declared)}"


def _contradictions(resolved: Mapping[str, Any]) -> Iterator[str]:
    if resolved["source"] in resolved["targets"]:
        yield f"targets: the source {resolved['source']!r} is evaluated always; remove it here"
    low, high = resolved["augmentation"]["crop_scale"]
    if low > high:
        yield f"augmentation.crop_scale: {[low, high]} must rise; swap the two"
    images = _source_images(resolved)
    for run in study.runs(resolved):
        training = run.settings["training"]
        batch, epochs, warmup = (training[k] for k in ("batch_size", "epochs", "warmup_epochs"))
        if images is not None and batch > images:
            yield (
                f"training.batch_size: {batch} ({run.method} {run.name}) is larger than the "
                f"{images} training images of {resolved['source']!r}; use at most {images}"
            )
        if warmup > epochs:
            yield (
                f"training.warmup_epochs: {warmup} ({run.method} {run.name}) is more than the "
                f"{epochs} epochs of the run; use fewer"
            )


def _source_images(resolved: Mapping[str, Any]) -> int | None:
    """Training images of the source: as declared, or as prepared; None while unknown."""
    options = resolved["datasets"][resolved["source"]]["options"]
    if "train_count" in options:
        return int(options["train_count"])
    manifest = Path(resolved["pathvars"]["results"]) / "datasets" / resolved["source"] / "DATASET"
    if not manifest.exists():
        return None
    return int(json.loads(manifest.read_text())["splits"]["train"]["count"])


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value with the defaults of its schema filled in, at every depth."""
    value = _as_declared(value, schema)
    if isinstance(value, list):
        return [_with_defaults(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    parts = schema.get("properties", {})
    missing = {k: part["default"] for k, part in parts.items() if "default" in part} | value
    return {k: _with_defaults(v, parts[k]) if k in parts else v for k, v in missing.items()}


def _as_declared(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value with 1 and 1.0 made the one that its schema declares, so that both hash alike."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {k: _as_declared(v, parts.get(k, {})) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_declared(item, schema.get("items", {})) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    kinds = schema.get("type", "")
    return float(value) if "number" in kinds else int(value) if "integer" in kinds else value


def _numbers(value: Any) -> Any:
    """A value in which strings such as "1e-6" are numbers."""
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        yield place, value
        return
    for name, item in parts:
        yield from _leaves(item, _key(place, [name]))


def _key(place: str, path: Iterable[Any]) -> str:
    for part in path:
        dot = "" if not place or place.endswith(": ") else "."
        place += f"[{part}]" if isinstance(part, int) else f"{dot}{part}"
    return place or "config"


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _list_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": dict(schema)}


@cache
def _schema_text(name: str) -> str:
    return (SCHEMAS / name).read_text()


def _read_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(_schema_text(name))
    return schema


def _refuse(mistakes: Iterable[str]) -> None:
    lines = list(dict.fromkeys(mistakes))
    if lines:
        raise UserError("\n".join(lines))


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
