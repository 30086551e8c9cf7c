"""A config, checked, with every default filled in: a study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from rankme.artefacts import DEFAULT_STUDY
from rankme.errors import Mistakes, UserError, choices, refuse, unknown
from rankme.secrets import censored
from rankme.study.checks import contradictions
from rankme.study.choices import encoders, methods, recipes
from rankme.study.datasets import Catalogue
from rankme.study.mistakes import bare, is_settings, validated
from rankme.study.settings import Distinct, EncoderSettings, List, Settings, Training
from rankme.study.study import MethodEntry, Study
from rankme.yaml_files import read_yaml, with_numbers

DEFAULT_CONFIG = "config/config.yaml"
"""The default study, below the working directory or else below the workflow's own folder."""


def read_study(file: Path) -> Study:
    """The study of a config's file, whose name it has unless the file says another.

    Raises:
        UserError: with every mistake found, a line each.
    """
    return load_study(read_yaml(file), study_name([file]))


def study_name(files: Sequence[Path | str]) -> str:
    """The name of a study in these files, unless they say another: that of the first.

    A study in config/config.yaml is the default one.
    """
    stem = Path(files[0]).stem if files else Path(DEFAULT_CONFIG).stem
    if stem == Path(DEFAULT_CONFIG).stem:
        return DEFAULT_STUDY
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem)


def load_study(config: Mapping[str, Any], name: str = "study") -> Study:
    """Check a config and fill in its defaults.

    Args:
        config: as read from YAML.
        name: of the study, unless the config says another.

    Raises:
        UserError: with every mistake found, a line each.
    """
    given = {"study": name, **with_numbers(config)}
    own, network = given.pop("datasets", None), given.pop("encoder", {})
    told = Mistakes()
    with told:
        catalogue = Catalogue(_own_datasets(own))
    with told:
        encoder = _encoder(network)
    with told:
        study = _without_secrets(given)
    told.refuse()
    refuse(_unknown_names(study, catalogue))
    study = study.model_copy(
        update={
            "datasets": {name: catalogue[name] for name in study.evaluation_datasets},
            "encoder": encoder,
            "methods": _checked(study.methods),
        }
    )
    refuse(contradictions(study))
    return study


def _own_datasets(given: Any) -> Mapping[str, Any] | str | None:
    if given is None or isinstance(given, str | Mapping):
        return given
    raise UserError(
        f"datasets: {given!r} is no mapping of names to declarations and no file of them; write a"
        " file's path, or `my-photos: {reader: image_folder, root: ~/photos, size: 64}`"
    )


def _encoder(given: Any) -> EncoderSettings:
    """The section `encoder` by the class of the encoder that it names."""
    name = given.get("name") if isinstance(given, Mapping) else None
    if not isinstance(name, str):
        name = EncoderSettings().name
    if name not in encoders():
        raise UserError(unknown("encoder.name", name, encoders()))
    return validated(encoders()[name], given, "encoder")


def _without_secrets(given: Mapping[str, Any]) -> Study:
    """The study; no mistake repeats a text of the section `tracking`, which may be a password."""
    hidden = sorted(set(_texts(given.get("tracking"))), key=len, reverse=True)
    try:
        return validated(Study, given)
    except UserError as error:
        raise UserError(censored(str(error), hidden)) from None


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


def _checked(entries: Sequence[MethodEntry]) -> tuple[MethodEntry, ...]:
    """The methods' entries, their values made by the classes that declare them.

    Raises:
        UserError: with every mistake found, a line each.
    """
    told, checked = Mistakes(), []
    for place, entry in enumerate(entries):
        single = Training, methods()[entry.name].hyperparameters
        several = tuple(map(_lists, single))
        parts = {}
        for part, kinds in (("default", single), ("sweeps", several), ("grid", several)):
            with told:
                key = f"methods[{place}] ({entry.name}).{part}"
                parts[part] = _values(kinds, getattr(entry, part), key)
        checked.append(entry.model_copy(update=parts))
    told.refuse()
    return tuple(checked)


@cache
def _lists(kind: type[Settings]) -> type[Settings]:
    """Settings whose every key is a list of what it is in another class."""
    several: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        one: Any = field.rebuild_annotation()
        listed = Annotated[tuple[one, ...], List, Field(min_length=1), Distinct]
        about = Field(None, description=field.description, validate_default=False)
        several[name] = (listed, about)
    return create_model(f"{kind.__name__}Lists", __base__=Settings, **several)


def _values(
    kinds: Sequence[type[Settings]], given: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """The values that were given, in their order, each by the class that declares it."""
    found: dict[str, Any] = {}
    known = [key for kind in kinds for key in kind.model_fields]
    told = Mistakes()
    for kind in kinds:
        part = {key: value for key, value in given.items() if key in kind.model_fields}
        with told:
            made = validated(kind, part, place)
            found |= {key: getattr(made, key) for key in part}
    with told:
        refuse(_no_hyperparameter(place, key, known) for key in given if key not in known)
    told.refuse()
    return {key: found[key] for key in given}


def _no_hyperparameter(place: str, key: str, known: Sequence[str]) -> str:
    """What is said of a key that no method and no training has; it may be the whole study's."""
    sections = (bare(field.annotation) for field in Study.model_fields.values())
    keys = [*Study.model_fields, *(k for s in sections if is_settings(s) for k in s.model_fields)]
    if key in ("seed", "seeds"):
        elsewhere = "; seeds stand beside `methods`: write `seeds: [0, 1, 2]` there."
    elif key in keys:
        elsewhere = "; it is one for the whole study: write a config for each value."
    else:
        return f"{place}.{key}: unknown key{choices(key, known)}"
    return f"{place}.{key}: unknown key{elsewhere} Allowed: {', '.join(known)}"
