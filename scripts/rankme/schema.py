"""YAML checked against a JSON schema: mistakes as one line each, defaults filled in.

A line names the key, the value and what is allowed, with a suggestion for a near miss.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from rankme.errors import UserError

# PyYAML follows YAML 1.1, in which 1e-6 without a dot is a string.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")

_BOUNDS = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML's safe loader, which lets a second key of one name win, refusing that."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if name != "<<" and names.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} stands there twice; remove one", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML mapping, with strings such as 1e-6 as the numbers they stand for.

    Raises:
        UserError: the file is missing, unreadable or no YAML mapping.
    """
    try:
        value = yaml.load(Path(file).read_text(), _UniqueKeys)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is not valid YAML (byte {error.start} is no UTF-8)") from error
    except ValueError as error:
        raise UserError(f"{file}: has a date or number that is none; quote it") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: is not valid YAML ({_yaml_mistake(error)})") from None
    if not isinstance(value, dict):
        raise UserError(f"{file}: expected a mapping of keys to values")
    mapping: dict[str, Any] = with_numbers(value)
    return mapping


def _yaml_mistake(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the line itself: an address in it may hold a password."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(getattr(error, "reason", type(error).__name__))
    place = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return f"{one_line(error.problem)}, {place}"


def with_numbers(value: Any) -> Any:
    """A value in which strings such as "1e-6" are numbers, at every depth."""
    if isinstance(value, Mapping):
        return {key: with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has these properties and no others."""
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def refuse(mistakes: Iterable[str]) -> None:
    """Raise one UserError with all mistakes, a line each, if there are any."""
    lines = list(dict.fromkeys(mistakes))
    if lines:
        raise UserError("\n".join(lines))


def mistakes(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """One line for each way in which a value breaks its schema.

    Args:
        place: what to put before each key, such as "training" or "config/datasets.yaml: ".
    """
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    for error in sorted(found, key=lambda e: [str(part) for part in e.absolute_path]):
        yield from _explained(error, place)
    for key, number in _leaves(value, place):
        if isinstance(number, float) and not math.isfinite(number):
            yield f"{key}: {number} is not a finite number"


def with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value with the defaults of its schema filled in, at every depth."""
    value = as_declared(value, schema)
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    parts = schema.get("properties", {})
    whole = {k: part["default"] for k, part in parts.items() if "default" in part} | value
    return {k: with_defaults(v, parts[k]) if k in parts else v for k, v in whole.items()}


def as_declared(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value with 1 and 1.0 made the one that its schema declares, so that both hash alike."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {k: as_declared(v, parts.get(k, {})) for k, v in value.items()}
    if isinstance(value, list):
        return [as_declared(item, schema.get("items", {})) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    kinds = schema.get("type", "")
    return float(value) if "number" in kinds else int(value) if "integer" in kinds else value


def choices(name: Any, allowed: Iterable[Any]) -> str:
    """The end of a message about an unknown name: a suggestion, and all that is allowed."""
    names = [str(choice) for choice in allowed]
    lower = {choice.lower(): choice for choice in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1)
    suggestion = f", did you mean {lower[near[0]]!r}?" if near else ";"
    return f"{suggestion} Allowed: {', '.join(names) or 'none'}"


def one_line(error: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(error).split())


def _explained(error: jsonschema.ValidationError, place: str) -> Iterator[str]:
    key = _key(place, error.absolute_path)
    limit, schema, kind = error.validator_value, error.schema, str(error.validator)
    meaning = f" ({schema['description']})" if "description" in schema else ""
    match kind:
        case "additionalProperties":
            allowed = schema.get("properties", {})
            for name in error.instance.keys() - allowed.keys():
                yield f"{_key(key, [name])}: unknown key{choices(name, allowed)}"
        case "required":
            for name in set(limit) - error.instance.keys():
                about = schema["properties"][name].get("description", "")
                yield f"{_key(key, [name])}: missing; give it a value ({about})"
        case "enum":
            yield f"{key}: {error.instance!r} is not known{choices(error.instance, limit)}"
        case "type":
            yield f"{key}: {error.instance!r} is not of type {limit}{meaning}"
        case "minItems" | "minProperties" | "minLength":
            yield f"{key}: {error.instance!r} is too short, give at least {limit}{meaning}"
        case "maxItems" | "maxProperties" | "maxLength":
            yield f"{key}: {error.instance!r} is too long, give at most {limit}{meaning}"
        case "uniqueItems":
            yield f"{key}: {error.instance!r} names something twice; remove one{meaning}"
        case "pattern":
            yield f"{key}: {error.instance!r} does not fit the pattern {limit}{meaning}"
        case _ if kind in _BOUNDS:
            bound = f"{_BOUNDS[kind]} {limit}"
            yield f"{key}: {error.instance!r} is out of bounds, must be {bound}{meaning}"
        case _:
            yield f"{key}: {one_line(error.message)}{meaning}"


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
    return place.removesuffix(": ") or "config"
