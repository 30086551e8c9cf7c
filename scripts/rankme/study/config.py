"""Study."""

from typing import Annotated, Any, Generic

from pydantic import Field, SerializeAsAny

from rankme.study.runs import Encoder
from rankme.study.settings import *


class MethodEntry(Settings):
    """A method and the points at which it is run; its values are checked by its own file."""

    name: str = Field(description="Method, as its file in scripts/rankme/methods names it.")
    default: dict[str, Any] = Field(
        {},
        description="The default point: hyperparameters of the method, and training keys that"
        " differ from the study's.",
    )
    sweeps: dict[str, tuple[Any, ...]] = Field(
        {},
        description="Values of one hyperparameter at a time, the others at the default point.",
    )
    grid: dict[str, tuple[Any, ...]] = Field(
        {}, description="Values of several hyperparameters, in all combinations."
    )


class Study(Settings, Generic[Encoder]):
    """One source, its targets, and the methods with their hyperparameters."""

    study: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of the study, for its folder, titles and tracking; by default that of"
        " its file.",
    )
    pathvars: Pathvars = Field(
        Pathvars(), description="Where files go, relative to the working directory or absolute."
    )
    datasets: dict[str, Any] = Field(
        {},
        description="Datasets of one's own, beside the built-in ones of config/datasets.yaml and"
        " over them: declarations by name, or the path of a YAML file that holds them.",
    )
    source: str = Field(description="Dataset to pretrain on.")
    targets: Annotated[tuple[str, ...], List, Distinct] = Field(
        description="Datasets to evaluate on; the source is always evaluated as well."
    )
    seeds: Annotated[tuple[Seed, ...], List, Field(min_length=1), Distinct] = Field(
        (0,), description="Seeds of every point."
    )
    default_seeds: Annotated[tuple[Seed, ...], List, Distinct] = Field(
        (),
        description="Further seeds of each method's default point, to measure the noise between"
        " seeds.",
    )
    encoder: SerializeAsAny[Encoder] = Field(
        {},  # type: ignore[assignment]
        validate_default=True,
        description="Network that makes the representation.",
    )
    projector: Projector = Field(
        Projector(),
        description="Network from the representation to the embedding, used in pretraining only.",
    )
    augmentation: Augmentation = Field(
        Augmentation(), description="Random transformations that make the views of an image."
    )
    training: Training = Field(
        Training(),
        description="Pretraining; each key may also stand in a method's default, sweeps and grid.",
    )
    rank: Rank = Field(
        Rank(), description="Measurement of RankMe and its rivals after training."
    )
    probe: Probe = Field(Probe(), description="Probes of the frozen encoder.")
    compute: Compute = Field(
        Compute(),
        description="Where and with what the study runs; nothing here changes a result's identity.",
    )
    tracking: Tracking = Field(
        Tracking(), description="Publishing in an MLflow store, and nothing that decides a result."
    )
    methods: Annotated[tuple[MethodEntry, ...], List, Field(min_length=1)] = Field(
        description="Methods and the points at which each is run."
    )
