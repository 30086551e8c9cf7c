"""What a setting is to a result: the JSON form by which runs are named, tracked and handed over.

A key that is introduced after a run was made means, for that run, the value that it had implicitly.
So the JSON form leaves out every key that is at the value fixed when it was introduced: a key that
is added renames no run, and a default that is changed later renames no old run and hides in no new
one. That value is the key's `introduced`, or its default as long as this has not changed.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from rankme.study.mistakes import bare, is_settings, validated
from rankme.study.settings import Settings, words

_S = TypeVar("_S", bound=Settings)


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON values, without what is at the value at which it was introduced."""
    earlier = _introduced(type(settings))
    forms = {name: _json(value) for name, value in vars(settings).items()}
    return {k: form for k, form in forms.items() if k not in earlier or form != earlier[k]}


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0  # -0.0 is 0.0.
    if isinstance(value, Settings):
        return plain(value)
    if isinstance(value, tuple | list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value


def introduced(field: FieldInfo) -> Any:
    """The value that a key which is not given has meant since it was introduced."""
    return words(field).get("introduced", field.default)


@cache
def _introduced(kind: type[Settings]) -> dict[str, Any]:
    """Introduced value of each key that has one, in JSON; a section is introduced empty."""
    values = {n: introduced(f) for n, f in kind.model_fields.items() if not f.is_required()}
    return {n: {} if isinstance(v, Settings) else _json(v) for n, v in values.items()}


def canonical(settings: Settings | Mapping[str, Any]) -> str:
    """The JSON form as one string: equal for equal settings, whatever the order of their keys."""
    form = plain(settings) if isinstance(settings, Settings) else settings
    return json.dumps(form, sort_keys=True, separators=(",", ":"))


def digest(settings: Settings | Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form, of settings or of their JSON form."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()


def revived(kind: type[_S], given: Any, place: str) -> _S:
    """Settings from their JSON form: a key that is absent has the value it was introduced at.

    Args:
        kind: class of the settings.
        given: their JSON form, in which a section may be settings already.
        place: what stands before each key in a message.

    Raises:
        UserError: with every mistake found, a line each.
    """
    return validated(kind, _completed(kind, given), place)


def _completed(kind: Any, given: Any) -> Any:
    """The JSON form with every key that has an introduced value."""
    if get_origin(kind) is tuple and isinstance(given, list):
        return [_completed(bare(get_args(kind)[0]), item) for item in given]
    if not (is_settings(kind) and isinstance(given, Mapping)):
        return given
    kinds = {name: bare(field.annotation) for name, field in kind.model_fields.items()}
    whole = {**_introduced(kind), **given}
    return {name: _completed(kinds.get(name), value) for name, value in whole.items()}
