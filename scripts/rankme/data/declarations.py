"""Declarations of data sets: config/datasets.yaml, checked and with every default filled in."""

import ast
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from rankme.cli import ROOT
from rankme.errors import UserError
from rankme.schema import closed, mistakes, read_yaml, refuse, with_defaults

_SCHEMA = ROOT / "workflow" / "schemas" / "datasets.schema.yaml"
_READERS = Path(__file__).parent / "readers"


def load_declarations(file: Path) -> dict[str, dict[str, Any]]:
    """All declarations in a YAML file, by name, checked and with every default.

    Raises:
        UserError: the file is missing or no YAML mapping, or with every mistake in it.
    """
    return resolve(read_yaml(file), f"{file}: ")


def resolve(declarations: Mapping[str, Any], place: str = "") -> dict[str, dict[str, Any]]:
    """Declarations by name with every default, the readers' options among them.

    Args:
        place: where they stand, for messages.

    Raises:
        UserError: with every key or value that the schema or a reader does not allow.
    """
    schema = read_yaml(_SCHEMA)
    each = schema["additionalProperties"]
    each["properties"]["reader"]["enum"] = reader_names()
    refuse(mistakes(declarations, schema, place))
    whole = {name: with_defaults(given, each) for name, given in declarations.items()}
    options = {name: closed(reader_options(given["reader"])) for name, given in whole.items()}
    for name, given in whole.items():
        refuse(mistakes(given["options"], options[name], f"{place}{name}.options"))
    return {
        name: given | {"options": with_defaults(given["options"], options[name])}
        for name, given in whole.items()
    }


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
    """A reader's OPTIONS, taken from its file without importing it."""
    for statement in ast.parse((_READERS / f"{reader}.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "OPTIONS":
            options: dict[str, Any] = ast.literal_eval(statement.value)
            return options
    raise AttributeError(f"{_READERS / reader}.py defines no OPTIONS")


def load_reader(reader: str) -> ModuleType:
    """The reader's module."""
    return import_module(f"rankme.data.readers.{reader}")
