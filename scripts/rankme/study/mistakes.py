"""Mistakes in settings, a line each: the key, the value, what is allowed, and the right form."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import EllipsisType, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from rankme.errors import choices, refuse, unknown
from rankme.study.settings import Settings

_S = TypeVar("_S", bound=Settings)

_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "<="),
}
_KINDS = {
    "int_type": "integer",
    "float_type": "number",
    "string_type": "string",
    "bool_type": "boolean",
    "tuple_type": "array",
    "model_type": "object",
    "dict_type": "object",
}
_TYPES = {int: "integer", float: "number", str: "string", bool: "true, false"}


def validated(settings: type[_S], value: Any, place: str = "") -> _S:
    """Settings from what was written.

    Args:
        settings: their class.
        value: a mapping of keys to values.
        place: what stands before each key in a message, such as "training" or "mine.yaml: ".

    Raises:
        UserError: with every mistake found, a line each.
    """
    try:
        return settings.model_validate(value)
    except ValidationError as error:
        refuse(_lines(error, settings, place))
        raise


def key_of(place: str, path: Iterable[Any]) -> str:
    """A key as it is named in a message: `methods[0].default.lr`."""
    for part in path:
        dot = "" if not place or place.endswith(": ") else "."
        place += f"[{part}]" if isinstance(part, int) else f"{dot}{part}"
    return place.removesuffix(": ") or "config"


def meaning(field: FieldInfo | None) -> str:
    """What a key means: its description, or the first paragraph about its section."""
    if field is None:
        return ""
    section = bare(field.annotation)
    about = inspect.cleandoc((is_settings(section) and section.__doc__) or "")
    return field.description or about.split("\n\n")[0].replace("\n", " ")


def bare(annotation: Any) -> Any:
    """A type without its bounds, and of `X | None` the X."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return bare(members[0]) if len(members) == 1 else annotation
    return annotation


def is_settings(kind: Any) -> bool:
    """Whether a type is a section."""
    return isinstance(kind, type) and issubclass(kind, Settings)


class _Spot(NamedTuple):
    """Where a mistake is.

    Attributes:
        path: to it from the outermost section.
        kind: the type that is wanted there.
        field: the innermost declared key on the path.
        owner: the section that the path's last key is in.
    """

    path: list[Any]
    kind: Any
    field: FieldInfo | None
    owner: type[Settings]


def _spot(settings: type[Settings], location: Iterable[Any]) -> _Spot:
    """pydantic's location without what is no key: the members of a union that were tried."""
    spot = _Spot([], settings, None, settings)
    for part in location:
        if get_origin(spot.kind) in (Union, UnionType):
            return spot
        if part == "[key]":
            return spot._replace(kind=str)
        path = [*spot.path, part]
        if is_settings(spot.kind):
            field = spot.kind.model_fields.get(part)
            kind = bare(field.annotation) if field else None
            spot = _Spot(path, kind, field, spot.kind)
        else:
            spot = spot._replace(path=path, kind=bare(_item(spot.kind, part)))
    return spot


def _item(kind: Any, part: Any) -> Any:
    """The type of a list's or mapping's item."""
    items = [item for item in get_args(kind) if not isinstance(item, EllipsisType)] or [None]
    return items[min(part, len(items) - 1) if isinstance(part, int) else -1]


def _lines(error: ValidationError, settings: type[Settings], place: str) -> Iterator[str]:
    found = error.errors(include_url=False)
    places = {one["loc"] for one in found}
    outer = {place[:end] for place in places for end in range(len(place))}
    for one in found:
        *path, last = one["loc"] or [""]
        # A list whose items are wrong is also told to be too short.
        doubled = one["loc"] in outer and one["type"] in ("too_short", "too_long")
        # Of a pair each missing item is told; the last says how many there must be.
        if isinstance(last, int) and one["type"] == "missing":
            doubled = (*path, last + 1) in places
        if not doubled:
            yield _line(one, _spot(settings, one["loc"]), place)


def _line(error: Mapping[str, Any], spot: _Spot, place: str) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    key, about = key_of(place, spot.path), f" ({text})" if (text := meaning(spot.field)) else ""
    if kind in ("extra_forbidden", "invalid_key"):
        name = spot.path[-1]
        return f"{key_of(place, [*spot.path[:-1], str(name)])}: unknown key" + choices(
            name, spot.owner.model_fields
        )
    if kind == "missing" and isinstance(spot.path[-1], int):
        key, context = key_of(place, spot.path[:-1]), {"min_length": spot.path[-1] + 1}
        kind = "too_short"
    if kind == "missing":
        return f"{key}: missing; give it a value{about}"
    if allowed := _alternatives(spot.kind, kind):
        return f"{unknown(key, value, allowed)}{about}"
    if kind in _KINDS:
        form = _right_form(value, spot.kind)
        return f"{key}: {value!r} is not of type {_KINDS[kind]}{about}{form}"
    if kind in _BOUNDS:
        name, sign = _BOUNDS[kind]
        limit = str(context[name]).removesuffix(".0")
        return f"{key}: {value!r} is out of bounds, must be {sign} {limit}{about}"
    if kind in ("too_short", "string_too_short"):
        return f"{key}: {_shown(value)} is too short, give at least {context['min_length']}{about}"
    if kind in ("too_long", "string_too_long"):
        return f"{key}: {_shown(value)} is too long, give at most {context['max_length']}{about}"
    if kind == "string_pattern_mismatch":
        return f"{key}: {value!r} does not fit the pattern {context['pattern']}{about}"
    if kind == "finite_number":
        return f"{key}: {value} is not a finite number{about}"
    reason = context["error"] if kind == "value_error" else error["msg"]
    return f"{key}: {_shown(value)} {reason}{about}"


def _alternatives(wanted: Any, mistake: str) -> list[Any]:
    """What may stand there, if the mistake is that it is none of several."""
    if mistake == "literal_error" or (
        get_origin(wanted) in (Union, UnionType) and mistake.endswith("_type")
    ):
        return _members(wanted)
    return []


def _members(wanted: Any) -> list[Any]:
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    if get_origin(wanted) in (Union, UnionType):
        return [name for member in get_args(wanted) for name in _members(bare(member))]
    return [_TYPES.get(wanted, getattr(wanted, "__name__", wanted))]


def _right_form(value: Any, wanted: Any) -> str:
    """How the same would be written rightly, where that can be said."""
    if value is None and (is_settings(wanted) or get_origin(wanted) is dict):
        return "; leave the key out, or put keys of its own below it"
    if get_origin(wanted) is tuple and isinstance(value, Mapping):
        keys = ", ".join(map(str, value))
        return "; begin each item with a dash" if any(value.values()) else f"; write [{keys}]"
    if get_origin(wanted) is tuple and isinstance(value, str | int | float):
        item = bare(get_args(wanted)[0])
        return f"; write [{_named(value) if is_settings(item) else value}]"
    if is_settings(wanted) and isinstance(value, str) and "name" in wanted.model_fields:
        return f"; write {_named(value)}"
    if wanted is str and isinstance(value, str | int | float):
        return f"; write '{value}' in quotes"
    if isinstance(value, list) and wanted in _TYPES:
        return "; give one value, no list"
    if wanted is int and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    if isinstance(value, str) and wanted in (int, float, bool) and _reads_as(value, wanted):
        return f"; write {value} without quotes"
    return ""


def _named(value: Any) -> str:
    return f"{{name: {value}}}"


def _reads_as(text: str, wanted: type) -> bool:
    if wanted is bool:
        return text.lower() in ("true", "false")
    try:
        wanted(text)
    except ValueError:
        return False
    return True


def _shown(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)
