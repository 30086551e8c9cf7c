"""Config -> runs -> directory names.

A *point* is one setting of a method's hyperparameters; a *run* is a point with a seed. A run's
settings hold everything that decides its weights, and a hash of them ends its directory name, so a
run is trained once however many sweeps, grids or studies reach it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from pydantic import SerializeAsAny

from rankme.errors import UserError, unknown
from rankme.study.choices import encoder_settings, methods
from rankme.study.datasets import Source, from_json
from rankme.study.identity import digest, plain, revived
from rankme.study.settings import Augmentation, EncoderSettings, Projector, Seed, Settings, Training
from rankme.study.study import MethodEntry, Study

_S = TypeVar("_S", bound=Settings)

DEFAULT, GRID = "default", "grid"
"""What a run is of that no sweep of one hyperparameter reaches."""

DIGITS = 8
"""Hexadecimal digits of the hash in a run's name."""


class RunSettings(Settings):
    """Everything that decides a run's weights."""

    method: str
    hyperparameters: SerializeAsAny[Settings]
    source: Source
    encoder: SerializeAsAny[EncoderSettings]
    projector: Projector
    augmentation: Augmentation
    training: Training
    seed: Seed


@dataclass(frozen=True)
class Run:
    """One pretraining run.

    Attributes:
        name: the <hparams> directory, such as `lr=0.5+temperature=0.15+seed=0-3f9a2c1b`.
        sweep: `DEFAULT`, `GRID` or the hyperparameter whose sweep reached it first.
        settings: everything that decides the weights.
    """

    name: str
    sweep: str
    settings: RunSettings

    @property
    def method(self) -> str:
        """Name of the method, and of its directory."""
        return self.settings.method


def runs(study: Study) -> list[Run]:
    """Every run of a study once, in the order of the config."""
    found: dict[str, Run] = {}
    for entry in study.methods:
        usual = default_point(study, entry)
        whole = run_settings(study, entry)
        form = plain(whole)
        for sweep, point in points(entry):
            more = study.default_seeds if point.items() <= usual.items() else ()
            sections = {
                "hyperparameters": _overlaid(whole.hyperparameters, point),
                "training": _overlaid(study.training, point),
            }
            # The digest of the run, of whose other sections the JSON form is always the same.
            own = {name: plain(section) for name, section in sections.items()}
            for seed in (*study.seeds, *more):
                identity = digest({**form, **own, "seed": seed})
                if identity not in found:
                    settings = whole.model_copy(update={**sections, "seed": seed})
                    name = run_name(settings, usual, identity[:DIGITS])
                    found[identity] = Run(name, sweep, settings)
    return list(found.values())


def points(entry: MethodEntry) -> Iterator[tuple[str, dict[str, Any]]]:
    """The points of one method: its default, one-at-a-time sweeps around it, then its grid."""
    if entry.sweeps or not entry.grid:
        yield DEFAULT, entry.default
    for name, values in entry.sweeps.items():
        for value in values:
            yield name, {**entry.default, name: value}
    if entry.grid:
        for values in product(*entry.grid.values()):
            yield GRID, {**entry.default, **dict(zip(entry.grid, values, strict=True))}


def default_point(study: Study, entry: MethodEntry) -> dict[str, Any]:
    """Every hyperparameter at a method's default point; only there a run has `default_seeds`."""
    return {**dict(study.training), **entry.default}


def run_settings(study: Study, entry: MethodEntry) -> RunSettings:
    """Everything that decides the weights of a method's run at its default point, of one seed."""
    source = study.datasets[study.source].pixels
    return RunSettings(
        method=entry.name,
        hyperparameters=entry.hyperparameters,
        source=Source(name=study.source, **dict(source)),
        encoder=study.encoder,
        projector=study.projector,
        augmentation=study.augmentation,
        training=_overlaid(study.training, entry.default),
        seed=study.seeds[0],
    )


def run_name(settings: RunSettings, usual: Mapping[str, Any], identity: str) -> str:
    """The directory of a run: readable values, then a short hash of all settings.

    The learning rate shows always, a hyperparameter of the method's own where it is not at the
    value it was introduced at, and any other value where the run departs from `usual`, its method's
    default point. So neither a sweep nor a hyperparameter that is added renames a run. Values are
    joined by `+`: a comma would make Slurm jobs build the wrong file (snakemake#2366).
    """
    training = settings.training
    shown = {"lr": training.lr, **plain(settings.hyperparameters)}
    shown |= {key: value for key, value in vars(training).items() if value != usual[key]}
    shown["seed"] = settings.seed
    readable = "+".join(f"{name}={_readable(value)}" for name, value in shown.items())
    return f"{readable}-{identity}"


def run_from_json(run: str | Mapping[str, Any]) -> RunSettings:
    """The settings of a run from their JSON form (see `rankme.study.identity.plain`).

    Raises:
        UserError: they are not the settings of a run, or those of a method, encoder or reader that
            is not here.
    """
    try:
        given = dict(json.loads(run) if isinstance(run, str) else run)
        method, encoder = given["method"], given["encoder"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"run: is not the settings of a run ({error!r})") from error
    if method not in list(methods()):
        raise UserError(unknown("run.method", method, methods()))
    own = methods()[method].hyperparameters
    sections = {
        "hyperparameters": revived(own, given.get("hyperparameters", {}), "run.hyperparameters"),
        "encoder": encoder_settings(encoder, "run.encoder", revived),
        "source": from_json(Source, given.get("source"), "run.source"),
    }
    return revived(RunSettings, {**given, **sections}, "run")


def _overlaid(settings: _S, point: Mapping[str, Any]) -> _S:
    """Settings with those of its keys that a point has; the point's values are checked already."""
    known = {key: value for key, value in point.items() if key in type(settings).model_fields}
    return settings.model_copy(update=known)


def _readable(value: Any) -> str:
    """A value as it stands in a directory name: 0.5, 1e-06, 25 (not 25.0), adamw."""
    text = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-") if isinstance(value, str | list) else text
