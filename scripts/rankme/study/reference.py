"""Pages made from the typed settings: `python -m rankme.study.reference [--check]`.

The schemas for editors in workflow/schemas, and config/README.md for people. With --check nothing
is written, and a file that is not as it would be made is an error.
"""

import argparse
import ast
import json
import os
import sys
from collections.abc import Container, Iterator
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

_INTRODUCTION = """\
# Configs

A study is one YAML file: a source to pretrain on, targets to evaluate on, and methods with their
hyperparameters. What it leaves out has the default of the tables below. The smallest:

```yaml
source: cifar10
targets: [cifar100, digits]
methods:
  - name: SimCLR
```

`snakemake --configfile config/mine.yaml` runs it; `snakemake` alone runs config.yaml.

Each method is run at its default point. `sweeps` vary one hyperparameter at a time around it, and
`grid` several in all combinations; the keys of `training` are swept like the method's own.

```yaml
source: tiny-imagenet
targets: [cifar10, food101]
seeds: [0]
default_seeds: [1, 2]        # of the default points alone
encoder: {name: resnet18}
training: {epochs: 100, batch_size: 512}
methods:
  - name: SimCLR
    default: {temperature: 0.15, lr: 0.5}
    sweeps:
      temperature: [0.05, 0.1, 0.3]
      lr: [0.3, 0.8]
  - name: VICReg
    grid:
      covariance: [1, 4, 16]
      weight_decay: [1e-6, 1e-4]
```

Datasets of one's own stand in the study's file, over the built-in ones of datasets.yaml, or in a
file that several studies share: `datasets: config/my-datasets.yaml`.

```yaml
datasets:
  my-photos: {reader: image_folder, root: ~/photos, size: 64}
source: my-photos
targets: [digits]
methods:
  - name: SimCLR
```

The command line may change single values: `--config seeds='[0, 1]' training='{epochs: 20}'`.

Every mistake is told in a line before any job starts. Types are strict: `"3"` in quotes is no
number, `true` is none either. A run is named by what decides its weights; `pathvars`, `compute` and
`tracking` decide no result and may be changed at any time. Editors complete and check a config
whose first line says where the schema is, as seen from the file:

    # yaml-language-server: $schema=../workflow/schemas/config.schema.yaml

This page and the schemas are made by `python -m rankme.study.reference` from the classes in
scripts/rankme, and not edited.
"""


class _Compact(yaml.SafeDumper):
    """YAML in which what is short stands in one line, and nothing is named to stand twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Any = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, len(json.dumps(mapping)) < _LINE)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: Any = None) -> Any:
        return super().represent_sequence(tag, sequence, len(json.dumps(sequence)) < _LINE)


def pages() -> dict[Path, str]:
    """The text of each file that is made."""
    schemas = ROOT / "workflow" / "schemas"
    return {
        schemas / "config.schema.yaml": _yaml(config_schema()),
        schemas / DATASETS_FILE: _yaml(datasets_schema()),
        ROOT / "config" / "README.md": "\n".join(_blocks()) + "\n",
    }


def _yaml(schema: Schema) -> str:
    text = yaml.dump(schema, Dumper=_Compact, sort_keys=False, width=_LINE, allow_unicode=True)
    return f"# Made by `python -m rankme.study.reference`.\n{text}"


def _blocks() -> Iterator[str]:
    """The lines of config/README.md."""
    yield _INTRODUCTION
    yield from ("## Keys\n", *_table(Study))
    for name, field in Study.model_fields.items():
        section = bare(field.annotation)
        if is_settings(section):
            yield from (f"### {name}\n", meaning(field), "", *_table(section))
    yield from ("### methods\n", "A list of methods, each with:\n", *_table(MethodEntry))
    yield from ("## Methods\n", "Hyperparameters, beside which each key of `training` may stand.\n")
    for file in files("methods").values():
        if method := declared(file).get("NAME"):
            own = methods()[method].hyperparameters
            yield from (f"### {method}\n", _about(file), "", *_table(own))
    yield "## Encoders\n"
    for file in files("models/encoders").values():
        if names := declared(file).get("NAMES"):
            kind = encoders()[names[0]]
            added = kind.model_fields.keys() - EncoderSettings.model_fields.keys()
            yield from (f"### {', '.join(names)}\n", _about(file), "", *_table(kind, added))
    yield "## Recipes\n"
    yield from (f"* `{name}`: {_about(file)}" for name, file in files("augment/recipes").items())
    yield from ("\n## Datasets\n", "Each name has below it:\n", *_table(Declaration))
    for name, field in Declaration.model_fields.items():
        if is_settings(section := bare(field.annotation)) and section.model_fields:
            yield from (f"### {name}\n", meaning(field), "", *_table(section))
    yield "### Built-in ones\n"
    yield from _built_in()
    yield from ("## Readers\n", "Their `options`.\n")
    for name, file in files("data/readers").items():
        yield from (f"### {name}\n", _about(file), "", *_table(reader_options(name)))


def _built_in() -> Iterator[str]:
    yield from ("| name | pixels | what it shows | licence |", "|---|---|---|---|")
    for name, one in Catalogue().items():
        yield f"| {name} | {one.size} | {one.description} | {one.licence} |"
    yield ""


def _about(file: Path) -> str:
    """The first paragraph about a file."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _table(kind: type[Settings], keys: Container[str] | None = None) -> Iterator[str]:
    """A table of the keys of a class, or of some of them."""
    schemas = section_schema(kind).get("properties", {})
    rows = {name: schema for name, schema in schemas.items() if keys is None or name in keys}
    if rows:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    for name, schema in rows.items():
        field = kind.model_fields[name]
        default = "required" if field.is_required() else ""
        default = _code(schema["default"]) if "default" in schema else default
        about = meaning(field).replace("|", "\\|")
        yield f"| `{name}` | {_value(schema)} | {default} | {about} |"
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
            return ", ".join([name, *_bounds(schema)])
        case "string" if "pattern" in schema:
            return "text that fits `" + schema["pattern"].replace("|", "\\|") + "`"
        case "string":
            return "text"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
    return "mapping"


def _bounds(schema: Schema) -> Iterator[str]:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    for key, word in words.items():
        if key in schema:
            limit = schema[key]
            yield f"{word} {f'{limit:,.0f}' if float(limit).is_integer() else limit}"


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
