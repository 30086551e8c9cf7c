"""A config, checked, with every default filled in: a study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from rankme.artefacts import DEFAULT_STUDY
from rankme.errors import Mistakes, UserError, choices, refuse, unknown
from rankme.secrets import censored
from rankme.study.checks import contradictions
from rankme.study.choices import Made, encoder_settings, methods, recipes
from rankme.study.datasets import Catalogue
from rankme.study.identity import revived
from rankme.study.mistakes import bare, is_settings, validated
from rankme.study.settings import Settings, Several, Training
from rankme.study.study import RECORD, MethodEntry, Study
from rankme.yaml_files import read_yaml, with_numbers

DEFAULT_CONFIG = "config/config.yaml"
"""The default study, below the working directory or else below the workflow's own folder."""


def read_study(file: Path) -> Study:
    """The study of a config's file or of a record, named by the file unless it says a name.

    Raises:
        UserError: with every mistake found, a line each.
    """
    return load_study(read_yaml(file), study_name([file]))


def study_name(files: Sequence[Path | str]) -> str:
    """The name of a study in these files, unless they say another: that of the first.

    A study in config/config.yaml is the default one.
    """
    stem = Path(files[0] if files else DEFAULT_CONFIG).stem
    return DEFAULT_STUDY if stem == "config" else re.sub(r"[^A-Za-z0-9._-]", "-", stem)


def load_study(config: Mapping[str, Any], name: str = "study") -> Study:
    """Check a config and fill in what it leaves out.

    Args:
        config: as read from YAML: written by hand, where a key that is absent has its default, or
            the record of a study, where it has the value at which it was introduced.
        name: of the study, unless the config says another.

    Raises:
        UserError: with every mistake found, a line each.
    """
    given = {"study": name, **with_numbers(config)}
    made: Made = validated
    if given.get("artefact") == RECORD:
        made = revived
        del given["artefact"]
    own, network = given.pop("datasets", None), given.pop("encoder", {})
    told = Mistakes()
    with told:
        catalogue = Catalogue(own, made)
    with told:
        encoder = encoder_settings(network, "encoder", made)
    with told:
        study = _without_secrets(given, made)
    refuse(told)
    refuse(_unknown_names(study, catalogue))
    study = study.model_copy(
        update={
            "datasets": {name: catalogue[name] for name in study.evaluation_datasets},
            "encoder": encoder,
            "methods": _checked(study.methods, made),
        }
    )
    refuse(contradictions(study))
    return study


def _without_secrets(given: Mapping[str, Any], made: Made) -> Study:
    """The study; no mistake repeats a text of the section `tracking`, which may be a password."""
    hidden = sorted(set(_texts(given.get("tracking"))), key=len, reverse=True)
    try:
        study: Study = made(Study, given, "")
    except UserError as error:
        raise UserError(censored(str(error), hidden)) from None
    return study


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, and every key that looks like an address."""
    if isinstance(value, Mapping):
        yield from (key for key in map(str, value) if "@" in key)
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
    elif isinstance(value, str) and value:
        yield value


def _unknown_names(study: Study, catalogue: Catalogue) -> Iterator[str]:
    named = [("source", study.source)]
    named += [(f"targets[{place}]", name) for place, name in enumerate(study.targets)]
    for key, name in named:
        if name not in catalogue:
            yield f"{key}: {name!r} is not declared in {catalogue.place}{choices(name, catalogue)}"
    for place, entry in enumerate(study.methods):
        if entry.name not in methods():
            yield unknown(f"methods[{place}].name", entry.name, methods())
    if study.augmentation.recipe not in recipes():
        yield unknown("augmentation.recipe", study.augmentation.recipe, recipes())


def _checked(entries: Sequence[MethodEntry], made: Made) -> tuple[MethodEntry, ...]:
    """The methods' entries, their values made by the classes that declare them.

    Raises:
        UserError: with every mistake found, a line each.
    """
    told, checked = Mistakes(), []
    for place, entry in enumerate(entries):
        own = methods()[entry.name].hyperparameters
        one, several = _point(own), _lists(own)
        key = f"methods[{place}] ({entry.name})"
        parts = {}
        with told:
            point = _made(one, entry.default, f"{key}.default", made)
            known = [*entry.default, *own.model_fields]
            parts["default"] = {name: getattr(point, name) for name in known}
        for part, lists in (("sweeps", entry.sweeps), ("grid", entry.grid)):
            with told:
                found = _made(several, lists, f"{key}.{part}", validated)
                parts[part] = {name: getattr(found, name) for name in lists}
        checked.append(entry.model_copy(update=parts))
    refuse(told)
    return tuple(checked)


@cache
def _point(own: type[Settings]) -> type[Settings]:
    """A method's hyperparameters and those of the training, which stand in one place."""
    return create_model("Point", __base__=(Training, own))


@cache
def _lists(own: type[Settings]) -> type[Settings]:
    """Lists of values of each of them."""
    several: dict[str, Any] = {}
    for name, field in _point(own).model_fields.items():
        one: Any = field.rebuild_annotation()
        about = Field(None, description=field.description, validate_default=False)
        several[name] = (Several[one], about)
    return create_model("Lists", __base__=Settings, **several)


def _made(kind: type[Settings], given: Mapping[str, Any], place: str, made: Made) -> Settings:
    """Hyperparameters from what is given; one that is for the whole study is told to be so."""
    told, known = Mistakes(), kind.model_fields
    elsewhere = {key: where for key in given if key not in known and (where := _elsewhere(key))}
    with told:
        rest = {key: value for key, value in given.items() if key not in elsewhere}
        settings: Settings = made(kind, rest, place)
    allowed = f"Allowed: {', '.join(known)}"
    told += [f"{place}.{key}: unknown key; {elsewhere[key]} {allowed}" for key in elsewhere]
    refuse(told)
    return settings


def _elsewhere(key: str) -> str:
    """Where a key of the whole study stands; empty for any other."""
    if key in ("seed", "seeds"):
        return "seeds stand beside `methods`: write `seeds: [0, 1, 2]` there."
    kinds = (Study, *(bare(field.annotation) for field in Study.model_fields.values()))
    if any(is_settings(kind) and key in kind.model_fields for kind in kinds):
        return "it is one for the whole study: write a config for each value."
    return ""
