"""JSON Schemas of a study and of datasets, by which editors complete and check a config."""

from collections.abc import Callable, Iterable
from typing import Any

from rankme.study.choices import encoders, methods, reader_options, readers, recipes
from rankme.study.datasets import NAME_PATTERN, Declaration
from rankme.study.settings import WORDS, EncoderSettings, Settings, Training
from rankme.study.study import Study

Schema = dict[str, Any]

DATASETS_FILE = "datasets.schema.yaml"

_DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
_BY_NAME = ("properties", "$defs")
_LAST = ("default", "description")
_KINDS = ("keys", "lists")

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
    _complete_encoder(parts["EncoderSettings"])
    parts["MethodEntry"]["allOf"] = [_when("name", name, _method(name)) for name in methods()]
    training = parts["Training"].pop("properties")
    del parts["Training"]["additionalProperties"]
    own = {name: _properties(offer.hyperparameters) for name, offer in methods().items()}
    for name, found in {"training": training, **own}.items():
        parts[f"{name}-keys"] = {"properties": found}
        parts[f"{name}-lists"] = {"properties": {key: _list(name, key) for key in found}}
    parts["Training"] |= _closed(["training-keys"], training)
    return _DIALECT | {"title": "A study"} | whole | {"$defs": parts}


def datasets_schema() -> Schema:
    """The schema of declared datasets, with the readers there are and their options."""
    one = section_schema(Declaration)
    parts, keys = one.pop("$defs"), one["properties"]
    del parts["Settings"]
    keys["options"] = {"type": "object", "description": keys["options"]["description"]}
    one["allOf"] = [
        _when("reader", name, {"properties": {"options": {"$ref": f"#/$defs/{name}"}}})
        for name in readers()
    ]
    parts |= {name: section_schema(reader_options(name)) for name in readers()}
    names = {"pattern": f"^{NAME_PATTERN}$"}
    whole = {"type": "object", "propertyNames": names, "additionalProperties": one}
    return _DIALECT | {"title": "Datasets by name"} | whole | {"$defs": parts}


def section_schema(kind: type[Settings]) -> Schema:
    """The schema of a section: what pydantic makes, without what is of no use in an editor."""
    schema: Schema = _tidy(kind.model_json_schema())
    for (section, key), names in _NAMES.items():
        for name, part in {kind.__name__: schema, **schema.get("$defs", {})}.items():
            if name == section:
                part["properties"][key]["enum"] = list(names())
    return schema


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # The default of a section is that of all its keys.
    section = "$ref" in schema or schema.get("type") == "object"
    useless = {"title", *WORDS, *["default"] * section}
    words = [word for word in schema if word not in _LAST] + [w for w in _LAST if w in schema]
    words = [word for word in words if word not in useless]
    tidied = {word: _tidy(schema[word]) for word in words if word not in _BY_NAME}
    for word in _BY_NAME:
        if word in schema:
            tidied[word] = {name: _tidy(part) for name, part in schema[word].items()}
    if "description" in tidied:
        tidied["description"] = tidied["description"].replace("\n", " ")
    return tidied


def _properties(kind: type[Settings]) -> Schema:
    properties: Schema = section_schema(kind).get("properties", {})
    return properties


def _list(part: str, key: str) -> Schema:
    """A list of what a key is, for a sweep."""
    one = {"$ref": f"#/$defs/{part}-keys/properties/{key}"}
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": one}


def _when(key: str, value: str, then: Schema) -> Schema:
    """What else holds where a key has a value."""
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _closed(parts: Iterable[str], keys: Iterable[str]) -> Schema:
    """A mapping of the keys of several parts, and of no others."""
    whole = [{"$ref": f"#/$defs/{part}"} for part in parts]
    return {"type": "object", "allOf": whole, **_only(keys)}


def _method(name: str) -> Schema:
    """What may stand below `default`, `sweeps` and `grid` of a method."""
    keys = [*Training.model_fields, *methods()[name].hyperparameters.model_fields]
    point, lists = (_closed([f"{n}-{kind}" for n in ("training", name)], keys) for kind in _KINDS)
    return {"properties": {"default": point, "sweeps": lists, "grid": lists}}


def _complete_encoder(section: Schema) -> None:
    """Add what encoders have of their own to the section that all have in common."""
    if all(kind is EncoderSettings for kind in encoders().values()):
        return
    del section["additionalProperties"]
    section["allOf"] = [
        _when("name", name, {"properties": _properties(kind), **_only(kind.model_fields)})
        for name, kind in encoders().items()
    ]


def _only(keys: Iterable[str]) -> Schema:
    return {"propertyNames": {"enum": list(keys)}}
