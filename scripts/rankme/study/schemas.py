"""JSON Schemas of a study and of datasets, by which editors complete and check a config."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from rankme.study.choices import encoders, methods, reader_options, readers, recipes
from rankme.study.datasets import NAME_PATTERN, Declaration
from rankme.study.settings import Settings, Training
from rankme.study.study import Study

Schema = dict[str, Any]

DATASETS_FILE = "datasets.schema.yaml"

_DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}

_NAMES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("EncoderSettings", "name"): encoders,
    ("Augmentation", "recipe"): recipes,
    ("MethodEntry", "name"): methods,
    ("Declaration", "reader"): readers,
}
"""Keys whose values are names of files, and what there is to choose from."""


def config_schema() -> Schema:
    """The schema of a config, with the methods, encoders and recipes there are."""
    whole = section_schema(Study)
    parts, keys = whole.pop("$defs"), whole["properties"]
    for name in ("Declaration", "Archive", "Expected", "Settings"):
        del parts[name]
    about = {"description": keys["datasets"]["description"]}
    keys["datasets"] = {"anyOf": [{"type": "string"}, {"$ref": DATASETS_FILE}], **about}
    networks = {n: _closed(section_schema(kind)["properties"]) for n, kind in encoders().items()}
    del parts["EncoderSettings"]["additionalProperties"]
    parts["EncoderSettings"]["allOf"] = _cases("name", networks)
    entries = {name: _entry(offer.hyperparameters) for name, offer in methods().items()}
    parts["MethodEntry"]["allOf"] = _cases("name", entries)
    return _DIALECT | whole | {"$defs": parts}


def _entry(hyperparameters: type[Settings]) -> Schema:
    """What may stand below a method: its hyperparameters and those of the training, or lists."""
    point = {key: {"$ref": f"#/$defs/Training/properties/{key}"} for key in Training.model_fields}
    point |= section_schema(hyperparameters)["properties"]
    several = {"type": "array", "minItems": 1, "uniqueItems": True}
    lists = _closed({key: {**several, "items": one} for key, one in point.items()})
    sweeps = {"patternProperties": {"^(sweeps|grid)$": lists}}
    return {"properties": {"default": _closed(point)}, **sweeps}


def datasets_schema() -> Schema:
    """The schema of declared datasets, with the readers there are and their options."""
    one = section_schema(Declaration)
    parts, keys = one.pop("$defs"), one["properties"]
    del parts["Settings"]
    keys["options"] = {"type": "object", "description": keys["options"]["description"]}
    options = {name: section_schema(reader_options(name)) for name in readers()}
    one["allOf"] = _cases("reader", {n: {"properties": {"options": o}} for n, o in options.items()})
    names = {"pattern": f"^{NAME_PATTERN}$"}
    whole = {"type": "object", "propertyNames": names, "additionalProperties": one}
    return _DIALECT | {"title": "Datasets by name"} | whole | {"$defs": parts}


def section_schema(kind: type[Settings]) -> Schema:
    """The schema of a section, with the names there are to choose from."""
    schema = {"properties": {}, **kind.model_json_schema(schema_generator=_Generator)}
    for (section, key), names in _NAMES.items():
        for name, part in {kind.__name__: schema, **schema.get("$defs", {})}.items():
            if name == section:
                part["properties"][key]["enum"] = list(names())
    return schema


class _Generator(GenerateJsonSchema):
    """pydantic's, without titles of keys and defaults of sections, whose keys have their own."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Schema:
        made = super().default_schema(schema)
        if "$ref" in made or made.get("type") == "object":
            made.pop("default")
        return made


def _cases(key: str, cases: dict[str, Schema]) -> list[Schema]:
    """What else holds for each value of a key; where it has none, all that holds for any."""
    return [{"if": {"properties": {key: {"const": n}}}, "then": then} for n, then in cases.items()]


def _closed(properties: Schema) -> Schema:
    """A mapping of these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}
