"""Plug-ins: a method, encoder, reader, recipe, metric or figure is one file, found by being there.

What a study needs to know of a file before torch or matplotlib is loaded, which takes seconds, is
declared at its top: upper-case literals, and classes of settings. These are read here without
running the rest.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from rankme.errors import UserError

LIBRARY = Path(__file__).resolve().parent

SETTINGS_CLASSES = ("Hyperparameters", "Options")
"""Names of the classes that declare what a file has of its own."""

_LIGHT = ("rankme.study", "pydantic", "typing", "collections")
"""Modules that these classes may be made of."""


def files(package: str) -> dict[str, Path]:
    """Name -> file of each plug-in of a package of the library, such as "models/encoders"."""
    found = sorted((LIBRARY / package).glob("[!_]*.py"))
    return {file.stem: file for file in found}


@cache
def declared(file: Path) -> dict[str, Any]:
    """Literals and settings classes at the top of a file, by name, read without importing it.

    Raises:
        UserError: the file is no Python, or a class of settings is made of more than it may be.
    """
    try:
        body = ast.parse(file.read_text(encoding="utf-8"), str(file)).body
        kept = [node for node in body if _is_declaration(node)]
        module = ".".join(file.relative_to(LIBRARY.parent).with_suffix("").parts)
        names: dict[str, Any] = {"__name__": module}
        exec(compile(ast.Module(kept, []), str(file), "exec"), names)
    except Exception as error:
        raise UserError(
            f"{file}: what it declares cannot be read ({type(error).__name__}: {error}); its"
            f" {' and '.join(SETTINGS_CLASSES)} may use {', '.join(_LIGHT)} alone"
        ) from error
    return {n: value for n, value in names.items() if n.isupper() or n in SETTINGS_CLASSES}


def _is_declaration(node: ast.stmt) -> bool:
    """Whether it is a literal, a class of settings, or an import that such a class may need."""
    match node:
        case ast.ImportFrom(module=str(module)):
            return module.startswith(_LIGHT)
        case ast.ClassDef(name=name):
            return name in SETTINGS_CLASSES
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            return name.isupper() and _is_literal(value)
    return False


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
