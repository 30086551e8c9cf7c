"""YAML files of settings: read strictly, with numbers as people write them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rankme.errors import UserError, one_line

# PyYAML follows YAML 1.1, in which 1e-6 without a dot is a string.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")

# The C loader is ten times as fast, and not in every build of PyYAML.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeys(_LOADER):
    """PyYAML's safe loader, which lets a second key of one name win, refusing that."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} stands there twice; remove one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML mapping, with strings such as 1e-6 as the numbers they stand for.

    Raises:
        UserError: the file is missing, unreadable or no YAML mapping.
    """
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file}: is not valid YAML (byte {error.start} is no UTF-8); save it as UTF-8"
        ) from error
    try:
        value = with_numbers(yaml.load(text, _UniqueKeys))
    except ValueError as error:
        raise UserError(f"{file}: has a date or number that is none; quote it") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: is not valid YAML ({_yaml_mistake(error, text)})") from None
    except RecursionError:
        raise UserError(f"{file}: has a part that holds itself") from None
    if not isinstance(value, dict):
        raise UserError(f"{file}: expected a mapping of keys to values")
    return value


def from_text(value: Any) -> Any:
    """What a command line gives, where every number is text, with numbers as YAML reads them."""
    return with_numbers(value, _scalar)


def _scalar(text: str) -> Any:
    try:
        read = with_numbers(yaml.load(text, _UniqueKeys)) if text else text
    except (yaml.YAMLError, ValueError):
        return text
    # Dates stay text, and so does what only looks like YAML, as "a: b".
    return read if read is None or isinstance(read, bool | int | float) else text


def _number(text: str) -> float | str:
    return float(text) if _EXPONENT.fullmatch(text) else text


def with_numbers(value: Any, read: Callable[[str], Any] = _number) -> Any:
    """A value in which strings such as "1e-6" are numbers, at every depth."""
    if isinstance(value, Mapping):
        return {key: with_numbers(item, read) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, read) for item in value]
    return read(value) if isinstance(value, str) else value


def _yaml_mistake(error: yaml.YAMLError, text: str) -> str:
    """What is wrong and where, without the line itself: an address in it may hold a password."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(getattr(error, "reason", type(error).__name__))
    line, column = error.problem_mark.line, error.problem_mark.column
    there = [*text.split("\n"), ""][line][column:]
    problem = "a tab, where YAML wants spaces" if there[:1] == "\t" else one_line(error.problem)
    begun = error.context_mark.line if error.context and error.context_mark else line
    context = f", {one_line(error.context)} from line {begun + 1}" if begun < line else ""
    return f"{problem}, line {line + 1}, column {column + 1}{context}"
