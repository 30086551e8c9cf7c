"""What there is to choose from: methods, encoders, readers, recipes, as their files declare it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import get_annotations
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import ValidationError

from rankme.errors import UserError, unknown
from rankme.plugins import declared, files
from rankme.study.settings import EncoderSettings, Settings, Training

_S = TypeVar("_S", bound=Settings)

Made = Callable[[type[Any], Any, str], Any]
"""Makes settings of a class from what is given, naming a place: `validated` does, or `revived`."""

_BESIDE: dict[str, type[Settings]] = {
    "training": Training,
    "encoder": EncoderSettings,
    "": Settings,
}
"""Section of a config that has keys of a file beside its own -> class of its own."""


@dataclass(frozen=True)
class MethodOffer:
    """What a method's file declares.

    Attributes:
        hyperparameters: class of the method's own hyperparameters.
        control: whether it is no self-supervised method but a bound for them.
        uses_labels: whether it trains with the labels of its source.
    """

    hyperparameters: type[Settings]
    control: bool
    uses_labels: bool


@cache
def methods() -> dict[str, MethodOffer]:
    """The methods by name.

    Raises:
        UserError: two files offer one name, or a file's hyperparameters cannot be used.
    """
    return {
        name: MethodOffer(own, bool(offer.get("CONTROL")), bool(offer.get("USES_LABELS")))
        for name, own, offer in _offers("methods", "Hyperparameters", Settings, "training")
    }


@cache
def encoders() -> dict[str, type[EncoderSettings]]:
    """Name of each encoder -> class of its settings.

    Raises:
        UserError: two files offer one name, or a file's settings cannot be used.
    """
    offers = _offers("models/encoders", "Options", EncoderSettings, "encoder")
    return dict(sorted((name, own) for name, own, _ in offers))


def encoder_settings(given: Any, place: str, made: Made) -> EncoderSettings:
    """The section that names an encoder, by the class of that encoder's file.

    Raises:
        UserError: with every mistake found, a line each.
    """
    name = given.get("name") if isinstance(given, Mapping) else None
    if not isinstance(name, str):
        name = made(EncoderSettings, {}, place).name
    if name not in encoders():
        raise UserError(unknown(f"{place}.name", name, encoders()))
    settings: EncoderSettings = made(encoders()[name], given, place)
    return settings


def recipes() -> list[str]:
    """Names of the augmentation recipes."""
    return list(files("augment/recipes"))


def readers() -> list[str]:
    """Names of the readers."""
    return list(files("data/readers"))


def reader(name: str) -> ModuleType:
    """The module of a reader; its options need the classes that readers share, and no torch.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        return import_module(f"rankme.data.readers.{name}")
    except Exception as error:
        file = files("data/readers")[name]
        raise UserError(f"{file}: cannot be read ({type(error).__name__}: {error})") from error


@cache
def reader_options(name: str) -> type[Settings]:
    """The class of a reader's options.

    Raises:
        UserError: its file has none, or they cannot be used.
    """
    file, offer = files("data/readers")[name], vars(reader(name))
    if "Options" not in offer:
        raise UserError(f"{file}: needs a class Options(Settings), empty if it has none")
    return _usable(file, offer, "Options", Settings)


def has_labels(name: str) -> bool:
    """Whether a reader's datasets have labels: it says `LABELLED = False` if they have none."""
    return bool(getattr(reader(name), "LABELLED", True))


def _offers(
    package: str, kind: str, base: type[_S], section: str
) -> Iterator[tuple[str, type[_S], Mapping[str, Any]]]:
    """Each name that a file of a package offers as NAME, or among NAMES, with what it declares.

    With it comes the class of the file's own settings, see `_usable`.
    """
    owners: dict[str, Path] = {}
    for file in files(package).values():
        offer = declared(file)
        names = offer.get("NAMES", [offer["NAME"]] if "NAME" in offer else [])
        if not isinstance(names, list | tuple):
            raise UserError(f"{file}: NAMES must be a tuple of strings, such as ('net',)")
        for name in names:
            if (owner := owners.setdefault(name, file)) != file:
                raise UserError(f"{file}: {name!r} is offered by {owner}; choose another name")
            yield name, _usable(file, offer, kind, base, section), offer


def _usable(
    file: Path, offer: Mapping[str, Any], name: str, base: type[_S], section: str = ""
) -> type[_S]:
    """The class `name` of a file's own settings; the base class where it declares none.

    Raises:
        UserError: it is none, or a key has no default, a wrong one, or the name of another key of
            the section in which both stand.
    """
    kind = offer.get(name, base)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise UserError(f"{file}: {name} must be a class, `class {name}({base.__name__}):`")
    if without := [name for name, field in kind.model_fields.items() if field.is_required()]:
        raise UserError(f'{file}: {without[0]!r} needs a default, such as key(0.1, "Its meaning.")')
    own = {name for part in kind.__mro__ if part is not base for name in get_annotations(part)}
    if taken := sorted(own & _BESIDE[section].model_fields.keys()):
        raise UserError(
            f"{file}: its {taken[0]!r} is a key of `{section}`, too, and both stand in one place of"
            " a config; rename it in this file"
        )
    try:
        kind()
    except ValidationError as error:
        raise UserError(f"{file}: a default is out of its own bounds: {error}") from error
    return kind
