"""Pages made from the typed settings: `python -m rankme.study.reference [--check]`.

The schemas for editors in workflow/schemas, and for people the tables of config/README.md, below an
introduction that is written there. With --check nothing is written, and a file that is not as it
would be made is an error.
"""

import argparse
import ast
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rankme.plugins import LIBRARY, declared, files
from rankme.study.choices import encoders, methods, reader_options
from rankme.study.datasets import Catalogue, Declaration
from rankme.study.mistakes import bare, is_settings, meaning
from rankme.study.schemas import (
    DATASETS_FILE,
    Schema,
    config_schema,
    datasets_schema,
    section_schema,
)
from rankme.study.settings import EncoderSettings, Settings
from rankme.study.study import MethodEntry, Study

ROOT = LIBRARY.parents[1]

_LINE = 400
"""Characters of JSON up to which a part of a schema stands in one line."""

_FIRST = "## Keys"
"""Heading of config/README.md from which on it is made."""

_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above"}
_BOUNDS |= {"maximum": "at most", "exclusiveMaximum": "below"}


class _Compact(yaml.SafeDumper):
    """YAML in which what is short stands in one line, and nothing is named to stand twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_data(self, data: Any) -> yaml.Node:
        node = super().represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = len(json.dumps(data)) < _LINE
        return node


def pages() -> dict[Path, str]:
    """The text of each file that is made."""
    schemas, page = ROOT / "workflow" / "schemas", ROOT / "config" / "README.md"
    return {
        schemas / "config.schema.yaml": _yaml(config_schema()),
        schemas / DATASETS_FILE: _yaml(datasets_schema()),
        page: _read(page).partition(_FIRST)[0] + "\n".join(_lines()) + "\n",
    }


def _yaml(schema: Schema) -> str:
    text = yaml.dump(schema, Dumper=_Compact, sort_keys=False, width=_LINE, allow_unicode=True)
    return f"# Made by `python -m rankme.study.reference`.\n{text}"


def _lines() -> Iterator[str]:
    """The tables of config/README.md."""
    yield from _table(_FIRST, "What may stand in a config.", Study)
    yield from _sections(Study)
    yield from _table("### methods", "A list of methods, each with:", MethodEntry)
    yield from ("## Methods\n", "Hyperparameters, beside which each key of `training` may stand.\n")
    for file in files("methods").values():
        if method := declared(file).get("NAME"):
            yield from _table(f"### {method}", _about(file), methods()[method].hyperparameters)
    yield "## Encoders\n"
    for file in files("models/encoders").values():
        if names := declared(file).get("NAMES"):
            title, kind = f"### {', '.join(names)}", encoders()[names[0]]
            yield from _table(title, _about(file), kind, EncoderSettings)
    yield "## Recipes\n"
    yield from (f"* `{name}`: {_about(file)}" for name, file in files("augment/recipes").items())
    yield from _table("\n## Datasets", "Each name has below it:", Declaration)
    yield from _sections(Declaration)
    yield "### Built-in ones\n"
    yield from ("| name | pixels | what it shows | licence |", "|---|---|---|---|")
    for name, one in Catalogue().items():
        yield f"| {name} | {one.size} | {one.description} | {one.licence} |"
    yield from ("\n## Readers\n", "Their `options`.\n")
    for name, file in files("data/readers").items():
        yield from _table(f"### {name}", _about(file), reader_options(name))


def _sections(kind: type[Settings]) -> Iterator[str]:
    """A table for each key that is a section."""
    for name, field in kind.model_fields.items():
        section = bare(field.annotation)
        if is_settings(section) and section.model_fields:
            yield from _table(f"### {name}", meaning(field), section)


def _about(file: Path) -> str:
    """The first paragraph about a file."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _table(
    heading: str, about: str, kind: type[Settings], base: type[Settings] = Settings
) -> Iterator[str]:
    """The keys of a class that its base has not, below a heading."""
    yield from (heading, "", about, "")
    schemas = section_schema(kind)["properties"]
    rows = {name: one for name, one in schemas.items() if name not in base.model_fields}
    if rows:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    for name, schema in rows.items():
        field = kind.model_fields[name]
        default = "required" if field.is_required() else ""
        default = _code(schema["default"]) if "default" in schema else default
        meant = meaning(field).replace("|", "\\|")
        yield f"| `{name}` | {_value(schema)} | {default} | {meant} |"
    if rows:
        yield ""


def _value(schema: Schema) -> str:
    """What a value may be, in words."""
    if "enum" in schema or "const" in schema:
        return ", ".join(map(_code, schema.get("enum", [schema.get("const")])))
    if "anyOf" in schema:
        return ", or ".join(map(_value, schema["anyOf"]))
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"list of {schema['minItems']}: {_value(schema['prefixItems'][0])}"
        case "array":
            return f"list of: {_value(schema['items'])}"
        case "integer" | "number" as name:
            limits = {word: schema[key] for key, word in _BOUNDS.items() if key in schema}
            said = (f"{word} {limit:,}".removesuffix(".0") for word, limit in limits.items())
            return ", ".join([name, *said])
        case "string" if "pattern" in schema:
            return "text that fits `" + schema["pattern"].replace("|", "\\|") + "`"
        case "string":
            return "text"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
    return "mapping"


def _code(value: Any) -> str:
    """A value as it is written in YAML."""
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    differing = {file: text for file, text in pages().items() if _read(file) != text}
    if check and differing:
        listed = ", ".join(os.path.relpath(file, ROOT) for file in differing)
        sys.exit(f"{listed}: not as its classes say; run `python -m rankme.study.reference`")
    for file, text in differing.items():
        file.write_text(text, encoding="utf-8")


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    main()
