"""A study: one source, its targets, and the methods with their hyperparameters."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, SkipValidation

from rankme.study.choices import has_labels, methods
from rankme.study.datasets import Declaration
from rankme.study.identity import digest, plain
from rankme.study.places import Compute, Pathvars, Tracking
from rankme.study.settings import (
    Augmentation,
    Distinct,
    EncoderSettings,
    List,
    Probe,
    Projector,
    Rank,
    Seed,
    Settings,
    Several,
    Training,
    key,
)

Values = SkipValidation[tuple[Any, ...]]
"""Of one hyperparameter; checked by the class that declares it."""

RECORD = "STUDY"
"""What the record of a study says that it is."""

_OF_NO_RESULT = ("study", "pathvars", "compute", "tracking")
"""Sections that decide no result."""

_OF_NO_PIXEL = ("root", "archive", "licence", "description")
"""Keys of a dataset that decide none."""


class MethodEntry(Settings):
    """A method and the points at which it is run; its values are checked by its own file."""

    name: str = key(..., "Method, as its file in scripts/rankme/methods names it.")
    default: dict[str, Any] = key(
        {},
        "The default point: hyperparameters of the method, and training keys that differ from the"
        " study's.",
    )
    sweeps: dict[str, Values] = key(
        {}, "Values of one hyperparameter at a time, the others at the default point."
    )
    grid: dict[str, Values] = key({}, "Values of several hyperparameters, in all combinations.")

    @property
    def hyperparameters(self) -> Settings:
        """The method's own at its default point."""
        kind = methods()[self.name].hyperparameters
        return kind(**{name: self.default[name] for name in kind.model_fields})

    def record(self) -> dict[str, Any]:
        """The entry as JSON values, without regard to the order of its keys and numbers."""
        training = {k: v for k, v in self.default.items() if k in Training.model_fields}
        ordered = {
            part: {name: _ordered(values) for name, values in sorted(lists.items())}
            for part, lists in (("sweeps", self.sweeps), ("grid", self.grid))
        }
        usual = {**training, **plain(self.hyperparameters)}
        return plain(self.model_copy(update={"default": usual, **ordered}))


class Study(Settings):
    """One source, its targets, and the methods with their hyperparameters."""

    study: str = key(
        "study",
        "Name of the study, for its folder, titles and tracking; by default that of its file.",
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
    )
    pathvars: Pathvars = Pathvars()
    datasets: dict[str, SerializeAsAny[Declaration]] = key(
        {},
        "Datasets of one's own, beside the built-in ones of config/datasets.yaml and over them:"
        " declarations by name, or a YAML file that holds them, from where the command is run.",
    )
    source: str = key(..., "Dataset to pretrain on.")
    targets: Annotated[tuple[str, ...], List, Distinct] = key(
        ..., "Datasets to evaluate on; the source is always evaluated as well."
    )
    seeds: Several[Seed] = key((0,), "Seeds of every point.")
    default_seeds: Annotated[tuple[Seed, ...], List, Distinct] = key(
        (), "Further seeds of each method's default point, to measure the noise between seeds."
    )
    encoder: SerializeAsAny[EncoderSettings] = EncoderSettings()
    projector: Projector = Projector()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    rank: Rank = Rank()
    probe: Probe = Probe()
    compute: Compute = Compute()
    tracking: Tracking = Tracking()
    methods: Annotated[tuple[MethodEntry, ...], List, Field(min_length=1)] = key(
        ..., "Methods and the points at which each is run."
    )

    @property
    def evaluation_datasets(self) -> list[str]:
        """Datasets that every run is evaluated on: its source, then the targets."""
        return [self.source, *self.targets]

    @property
    def labelled_datasets(self) -> list[str]:
        """Those of them that have labels; on the others runs are ranked and nothing is probed."""
        return [name for name in self.evaluation_datasets if has_labels(self.datasets[name].reader)]

    @property
    def results(self) -> Path:
        """Folder of the results tree."""
        return Path(self.pathvars.results)

    def record(self) -> dict[str, Any]:
        """The study as its results know it: a config again, of all that decides a result.

        It is in the JSON form, so that a key which is added later changes no record, and
        `rankme.study.config` reads what is absent as it was meant. Where files lie, where and with
        what it is computed, and the order of sweeps decide no result.
        """
        return {"artefact": RECORD, "study": self.study, **self._content()}

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides a result."""
        return digest(self._content())

    def _content(self) -> dict[str, Any]:
        content = plain(self.model_copy(update={"methods": ()}))
        datasets = {
            name: {key: value for key, value in declaration.items() if key not in _OF_NO_PIXEL}
            for name, declaration in content["datasets"].items()
        }
        entries = [entry.record() for entry in self.methods]
        kept = {key: value for key, value in content.items() if key not in _OF_NO_RESULT}
        return {**kept, "datasets": datasets, "methods": entries}


def _ordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers in rising order, anything else as it stands."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return tuple(sorted(values)) if numbers else values
