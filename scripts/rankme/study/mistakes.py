"""Mistakes in settings, a line each: the key, the value, what is allowed, and the right form."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from rankme.errors import choices, refuse, unknown
from rankme.study.settings import Settings
from rankme.yaml_files import from_text

_S = TypeVar("_S", bound=Settings)

_SHORT = "{value} is too short, give at least {min_length}"
_LONG = "{value} is too long, give at most {max_length}"
_SAID = {
    "missing": "missing; give it a value",
    "int_type": "{value} is not of type integer",
    "float_type": "{value} is not of type number",
    "string_type": "{value} is not of type string",
    "bool_type": "{value} is not of type boolean",
    "tuple_type": "{value} is not of type array",
    "model_type": "{value} is not of type object",
    "dict_type": "{value} is not of type object",
    "finite_number": "{value} is not a finite number",
    "greater_than": "{value} is out of bounds, must be > {gt}",
    "greater_than_equal": "{value} is out of bounds, must be >= {ge}",
    "less_than": "{value} is out of bounds, must be < {lt}",
    "less_than_equal": "{value} is out of bounds, must be <= {le}",
    "too_short": _SHORT,
    "string_too_short": _SHORT,
    "too_long": _LONG,
    "string_too_long": _LONG,
    "string_pattern_mismatch": "{value} does not fit the pattern {pattern}",
    "value_error": "{value} {error}",
}
"""What is said of each kind of mistake that pydantic finds."""

_TYPES = {int: "integer", float: "number", str: "string", bool: "true, false"}
_UNIONS = (Union, UnionType)


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


def _key(place: str, path: Iterable[Any]) -> str:
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
    if get_origin(annotation) in _UNIONS:
        members = [member for member in get_args(annotation) if member is not NoneType]
        return bare(members[0]) if len(members) == 1 else annotation
    return annotation


def is_settings(kind: Any) -> bool:
    """Whether a type is a section."""
    return isinstance(kind, type) and issubclass(kind, Settings)


class _Spot(NamedTuple):
    """Where a mistake is."""

    path: list[Any]  # From the outermost section, without what is no key in pydantic's location.
    kind: Any  # The type that is wanted there.
    field: FieldInfo | None  # The innermost declared key on the path.
    owner: type[Settings]  # The section that the path's last key is in.


def _spot(settings: type[Settings], location: Iterable[Any]) -> _Spot:
    path: list[Any] = []
    kind: Any = settings
    field, owner = None, settings
    for part in location:
        if get_origin(kind) in _UNIONS:
            break  # What follows is the member that was tried.
        if part == "[key]":
            kind = str
            break
        path.append(part)
        if is_settings(kind):
            owner, field = kind, kind.model_fields.get(part)
            kind = bare(field.annotation) if field else None
        else:
            kind = bare(_item(kind, part))
    return _Spot(path, kind, field, owner)


def _item(kind: Any, part: Any) -> Any:
    """The type of a list's or mapping's item."""
    items = [item for item in get_args(kind) if item is not Ellipsis] or [None]
    return items[min(part, len(items) - 1) if isinstance(part, int) else -1]


def _lines(error: ValidationError, settings: type[Settings], place: str) -> Iterator[str]:
    found: list[Any] = error.errors(include_url=False)
    places = {one["loc"] for one in found}
    outer = {place[:end] for place in places for end in range(len(place))}
    for one in found:
        *path, last = one["loc"] or [""]
        if one["type"] == "missing" and isinstance(last, int):
            # Of a pair each missing item is told; the last says how many there must be.
            doubled = (*path, last + 1) in places
            one |= {"loc": path, "type": "too_short", "ctx": {"min_length": last + 1}}
        else:
            # A list whose items are wrong is also told to be too short.
            doubled = one["loc"] in outer and one["type"] in ("too_short", "too_long")
        if not doubled:
            yield _line(one, _spot(settings, one["loc"]), place)


def _line(error: Mapping[str, Any], spot: _Spot, place: str) -> str:
    mistake, value = error["type"], error["input"]
    if mistake in ("extra_forbidden", "invalid_key"):
        *path, name = spot.path
        known = choices(name, spot.owner.model_fields)
        return f"{_key(place, [*path, str(name)])}: unknown key{known}"
    key, about = _key(place, spot.path), f" ({text})" if (text := meaning(spot.field)) else ""
    if allowed := _alternatives(spot.kind, mistake):
        return f"{unknown(key, value, allowed)}{about}"
    context = {name: str(part).removesuffix(".0") for name, part in error.get("ctx", {}).items()}
    shown = repr(list(value) if isinstance(value, tuple) else value)
    saying = _SAID.get(mistake, "{value} {msg}")
    said = saying.format(value=shown, msg=error["msg"], **context)
    form = _right_form(value, spot.kind) if mistake.endswith("_type") else ""
    return f"{key}: {said}{about}{form}"


def _alternatives(wanted: Any, mistake: str) -> list[Any]:
    """What may stand there, if the mistake is that it is none of several."""
    none = get_origin(wanted) in _UNIONS and mistake.endswith("_type")
    return _members(wanted) if none or mistake == "literal_error" else []


def _members(wanted: Any) -> list[Any]:
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    if get_origin(wanted) in _UNIONS:
        return [name for member in get_args(wanted) for name in _members(bare(member))]
    return [_TYPES.get(wanted, getattr(wanted, "__name__", wanted))]


def _right_form(value: Any, wanted: Any) -> str:
    """How the same would be written rightly, where that can be said."""
    listed, named = get_origin(wanted) is tuple, f"{{name: {value}}}"
    if value is None and (is_settings(wanted) or get_origin(wanted) is dict):
        return "; leave the key out, or put keys of its own below it"
    if listed and isinstance(value, Mapping):
        keys = ", ".join(map(str, value))
        return "; begin each item with a dash" if any(value.values()) else f"; write [{keys}]"
    if listed and isinstance(value, str | int | float):
        return f"; write [{named if is_settings(bare(get_args(wanted)[0])) else value}]"
    if is_settings(wanted) and isinstance(value, str) and "name" in wanted.model_fields:
        return f"; write {named}"
    if wanted is str and isinstance(value, str | int | float):
        return f"; write '{value}' in quotes"
    if isinstance(value, list) and wanted in _TYPES:
        return "; give one value, no list"
    if wanted is int and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    read = {type(from_text(value))} if isinstance(value, str) else set()
    if wanted in read or (wanted is float and int in read):
        return f"; write {value} without quotes"
    return ""
