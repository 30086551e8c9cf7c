"""Declarations of data sets: config/datasets.yaml, checked and with every default filled in."""

import ast
import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from rankme.cli import ROOT
from rankme.errors import UserError

_SCHEMA = ROOT / "workflow" / "schemas" / "datasets.schema.yaml"
_READERS = Path(__file__).parent / "readers"


def load_declarations(file: Path) -> dict[str, Any]:
    """All declarations in a YAML file, by name, as they are written there.

    Raises:
        UserError: the file is missing or no YAML mapping.
    """
    try:
        declarations = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: is not valid YAML: {error}") from error
    if not isinstance(declarations, dict):
        raise UserError(f"{file}: expected a mapping from names to declarations")
    return declarations


def resolve(name: str, declaration: Any) -> dict[str, Any]:
    """A copy of one declaration with every default, the reader's options among them.

    Raises:
        UserError: a key or value that the schema or the reader does not allow.
    """
    schema = yaml.safe_load(_SCHEMA.read_text())
    _check({name: declaration}, schema, "data sets")
    declaration = {**_defaults(schema["additionalProperties"]["properties"]), **declaration}
    options = reader_options(declaration["reader"])
    given = declaration["options"]
    _check(
        given,
        {"type": "object", "properties": options, "additionalProperties": False},
        f"data sets: {name}: options",
    )
    return {**declaration, "options": {**_defaults(options), **given}}


def _defaults(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: schema["default"] for key, schema in properties.items() if "default" in schema}


def expand_root(declaration: dict[str, Any]) -> Path | None:
    """The folder `root:` means, with ~ and $VARIABLES expanded; None where there is none.

    Raises:
        UserError: a variable in it is not set.
    """
    if "root" not in declaration:
        return None
    root = os.path.expanduser(os.path.expandvars(declaration["root"]))
    if "$" in root:
        raise UserError(
            f"root: {declaration['root']}: the variable is not set; "
            "export it, or write the folder's path"
        )
    return Path(root)


def reader_names() -> list[str]:
    """The readers there are, by file name."""
    return sorted(file.stem for file in _READERS.glob("*.py") if file.stem != "__init__")


def reader_options(reader: str) -> dict[str, Any]:
    """A reader's OPTIONS, taken from its file without importing it.

    Raises:
        UserError: there is no such reader.
    """
    if reader not in reader_names():
        raise UserError(f"reader: {reader}: unknown; allowed: {', '.join(reader_names())}")
    for statement in ast.parse((_READERS / f"{reader}.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "OPTIONS":
            options: dict[str, Any] = ast.literal_eval(statement.value)
            return options
    raise AttributeError(f"{_READERS / reader}.py defines no OPTIONS")


def load_reader(reader: str) -> ModuleType:
    """The reader's module."""
    return import_module(f"rankme.data.readers.{reader}")


def _check(value: Any, schema: dict[str, Any], place: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is not None:
        path = ": ".join([place, *map(str, error.absolute_path)])
        raise UserError(f"{path}: {error.message}{_allowed(error)}")


def _allowed(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        return f"; allowed: {', '.join(error.schema.get('properties', {})) or 'none'}"
    return f" ({error.schema['description']})" if "description" in error.schema else ""
