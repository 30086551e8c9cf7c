"""JSON Schemas of a study and of datasets, by which editors complete and check a config."""

from collections.abc import Iterable, Mapping
from typing import Any

from rankme.study.choices import encoders, methods, reader_options, readers, recipes
from rankme.study.datasets import NAME_PATTERN, Declaration
from rankme.study.settings import EncoderSettings, Settings, Training
from rankme.study.study import Study

Schema = dict[str, Any]

DATASETS_FILE = "datasets.schema.yaml"

_DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
_OWN_WORDS = ("title", "introduced", "needs", "within")
_LAST = ("default", "description")
_KINDS = ("keys", "lists")


def config_schema() -> Schema:
    """The schema of a config, with the methods, encoders and recipes there are."""
    whole = section_schema(Study)
    parts, keys = whole.pop("$defs"), whole["properties"]
    for name in ("Declaration", "Archive", "Expected", "Settings"):
        del parts[name]
    about = {"description": keys["datasets"]["description"]}
    keys["datasets"] = {"anyOf": [{"type": "string"}, {"$ref": DATASETS_FILE}], **about}
    parts["Augmentation"]["properties"]["recipe"]["enum"] = recipes()
    parts["EncoderSettings"] |= _by_encoder(parts["EncoderSettings"])
    parts["MethodEntry"]["properties"]["name"]["enum"] = list(methods())
    parts["MethodEntry"]["allOf"] = [_when("name", name, _method(name)) for name in methods()]
    training = parts["Training"].pop("properties")
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
    keys["reader"]["enum"] = readers()
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
    tidied: Schema = _tidy(kind.model_json_schema())
    return tidied


def _tidy(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if not _is_useless(key, value, node)}
    ordered = [key for key in kept if key not in _LAST] + [key for key in _LAST if key in kept]
    tidied = {key: _tidy(kept[key]) for key in ordered}
    if isinstance(about := tidied.get("description"), str):
        tidied["description"] = about.replace("\n", " ")
    return tidied


def _is_useless(key: str, value: Any, node: Mapping[str, Any]) -> bool:
    """Own words, and the default of a section, which is that of all its keys."""
    section = "$ref" in node or node.get("type") == "object"
    return (key in _OWN_WORDS and not isinstance(value, dict)) or (key == "default" and section)


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
    return {"type": "object", "allOf": whole, "propertyNames": {"enum": list(keys)}}


def _method(name: str) -> Schema:
    """What may stand below `default`, `sweeps` and `grid` of a method."""
    keys = [*Training.model_fields, *methods()[name].hyperparameters.model_fields]
    point, lists = (_closed([f"{n}-{kind}" for n in ("training", name)], keys) for kind in _KINDS)
    return {"properties": {"default": point, "sweeps": lists, "grid": lists}}


def _by_encoder(common: Schema) -> Schema:
    """What the encoders there are make of the section that all have in common."""
    common["properties"]["name"]["enum"] = list(encoders())
    if all(kind is EncoderSettings for kind in encoders().values()):
        return {}
    del common["additionalProperties"]
    each = [
        _when(
            "name",
            name,
            {"properties": _properties(kind), "propertyNames": {"enum": list(kind.model_fields)}},
        )
        for name, kind in encoders().items()
    ]
    return {"allOf": each}
