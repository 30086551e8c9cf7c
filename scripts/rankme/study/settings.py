"""Every key that decides a result: its type, default, bounds and meaning, declared here alone.

A section is a frozen class. What a method, an encoder or a reader has of its own stands in its own
file; see `rankme.plugins`. The schemas for editors and config/README.md are made from these classes
by `python -m rankme.study.reference`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Layer = Literal["representation", "embedding"]
"""What a model makes of an image: the encoder's output, or the projector's."""


class Settings(BaseModel):
    """A section of a study.

    Strict: no text is a number, and `true` is none. A key whose default is changed later keeps the
    old one, as `Field(0.2, json_schema_extra={"introduced": 0.1})`, so that no run gets another
    name; see `rankme.study.identity`. Two more words are understood there: `needs`, a key of the
    same section without which this one has no effect, and `within`, a range that its value divides.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """A key of a section: its default (`...` for none), what it means, and pydantic's bounds.

    Beside bounds there may be `introduced`, the default of old, where it has been changed since;
    `needs`, a key of the same section without which this one has no effect; and `within`, a range
    of the config that the value divides.
    """
    words = {name: bounds.pop(name) for name in ("introduced", "needs", "within") if name in bounds}
    return Field(default, description=meaning, json_schema_extra=words or None, **bounds)


@dataclass(frozen=True)
class Rule:
    """What a type cannot say of a value, beside the type in its annotation.

    Attributes:
        check: returns the value, or raises ValueError with what is wrong with it.
        schema: the same in JSON Schema, as far as it can say it.
    """

    check: Callable[[Any], Any]
    schema: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), **self.schema}


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"names {value!r} twice; remove one")
        seen.add(value)
    return values


def _rising(values: tuple[Any, Any]) -> tuple[Any, Any]:
    if values[0] > values[1]:
        raise ValueError("must rise; swap the two")
    return values


def _with_main_readout(values: tuple[str, ...]) -> tuple[str, ...]:
    if MAIN_READOUT not in values:
        raise ValueError(f"lacks {MAIN_READOUT!r}; add it")
    return values


MAIN_READOUT = "linear"

# A list in YAML is a tuple here; what it holds is checked as strictly as anything.
List = Field(strict=False)
Distinct = Rule(_distinct, {"uniqueItems": True})
Rising = Rule(_rising)
WithMainReadout = Rule(_with_main_readout, {"contains": {"const": MAIN_READOUT}})

Name = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=4294967295)]
Share = Annotated[float, Field(gt=0, le=1)]
CropScale = Annotated[tuple[Share, Share], List, Rising]
Index = Annotated[int, Field(ge=1, le=65536)]

READOUTS: dict[str, Layer] = {
    "linear": "representation",
    "embedding": "embedding",
    "knn": "representation",
    "mlp": "representation",
}
"""Read-outs and what each reads: linear heads on the representation (the main read-out) and on the
embedding, nearest neighbours, and an MLP of three layers."""


class EncoderSettings(Settings):
    """Network that makes the representation."""

    name: str = Field("resnet18", description="Architecture.")
    width: int = Field(64, ge=1, le=1024, description="Channels of the first stage.")
    stem: Literal["auto", "small", "stride2", "imagenet"] = Field(
        "auto",
        description="First layers: small = 3x3 at full resolution, stride2 = 3x3 at half, imagenet"
        " = 7x7 and max-pooling; auto = small up to 64 px, else imagenet.",
    )


class Projector(Settings):
    """Network from the representation to the embedding, used in pretraining only."""

    widths: Annotated[
        tuple[Annotated[int, Field(ge=2, le=65536)], ...], List, Field(min_length=1)
    ] = Field(
        (2048, 2048, 1024),
        description="Output width of each linear layer; the last is the embedding dimension.",
    )


class Augmentation(Settings):
    """Random transformations that make the views of an image."""

    recipe: str = Field("byol", description="Published recipe, by the name of its file.")
    crop_scale: CropScale = Field(
        (0.08, 1.0),
        description="Smallest and largest area of a crop, as a fraction of the image.",
    )


class Training(Settings):
    """Pretraining; each key may also stand in a method's default, sweeps and grid."""

    epochs: int = Field(100, ge=1, le=100000, description="Passes over the source.")
    batch_size: int = Field(256, ge=2, le=1048576, description="Images a step, over all processes.")
    optimizer: Literal["adamw", "sgd", "lars"] = Field("lars", description="Optimiser.")
    lr: float = Field(0.3, gt=0, le=1e9, description="Peak learning rate, before scaling.")
    scale_lr: bool = Field(True, description="Multiply the learning rate by batch_size / 256.")
    weight_decay: float = Field(
        1e-6, ge=0, le=1, description="Weight decay; parameters of one dimension are excluded."
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, description="Momentum of sgd and lars, beta1 of adamw."
    )
    warmup_epochs: float = Field(10, ge=0, le=100000, description="Epochs of linear warm-up.")
    final_lr_fraction: float = Field(
        0.001,
        ge=0,
        le=1,
        description="Learning rate at the last step, as a fraction of its peak.",
    )
    rank_weight: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Weight of the rank regulariser, the squared logarithm of the embeddings'"
        " effective rank in a batch over rank_target; 0 = off.",
    )
    rank_target: float = Field(
        0.0,
        ge=0,
        le=65536,
        json_schema_extra={"needs": "rank_weight"},
        description="Effective rank that the regulariser pulls the embeddings of a batch to, from 1"
        " to the smaller of batch_size and embedding dimension; without effect where rank_weight is"
        " 0.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Precision of the network's arithmetic; losses and metrics are float32 or"
        " better. auto = bfloat16 where the device has it in hardware.",
    )
    compile: bool | Literal["auto"] = Field(
        "auto",
        description="Compile the network by torch.compile. auto = on (true) for a long run on one"
        " CUDA card, where it repays the minute that it takes, else off (false).",
    )
    rank_every_epochs: int = Field(
        1, ge=1, le=100000, description="Epochs between two measurements of RankMe while training."
    )
    rank_samples: int = Field(
        2048, ge=2, le=1000000, description="Training images of those measurements."
    )


class Rank(Settings):
    """Measurement of RankMe and its rivals after training."""

    samples: int = Field(
        25600,
        ge=2,
        le=10000000,
        description="Training images of each dataset, a fixed random subset.",
    )
    eps: float = Field(1e-7, ge=0, le=0.01, description="Added to each normalised singular value.")
    alpha_fit: Annotated[tuple[Index, Index], List, Rising] = Field(
        (10, 100),
        description="First and last rank of the eigenvalues that alpha-ReQ fits a line to.",
    )
    pair_rows: int = Field(
        2048,
        ge=16,
        le=50000,
        description="Of the samples, those of the metrics that compare all pairs (uniformity,"
        " IdEst); time and memory grow as its square.",
    )
    lidar_images: int = Field(
        1000,
        ge=2,
        le=1000000,
        description="Training images of each dataset of which LiDAR and alignment see augmented"
        " views, a fixed random subset; LiDAR finds at most as many directions.",
    )
    lidar_views: int = Field(
        10,
        ge=2,
        le=1000,
        description="Augmented views of each of those images; LiDAR's authors use 10 to 50.",
    )


class GridPoint(NamedTuple):
    """Hyperparameters of one head."""

    lr: float
    weight_decay: float


class Probe(Settings):
    """Probes of the frozen encoder."""

    protocol: Literal["cached", "augmented"] = Field(
        "cached",
        description="What heads are trained on: cached = features extracted once, without"
        " augmentation; augmented = features of images cropped and flipped anew in every epoch, as"
        " in the literature.",
    )
    readouts: Annotated[
        tuple[Literal["linear", "embedding", "knn", "mlp"], ...],
        List,
        Distinct,
        WithMainReadout,
    ] = Field(
        ("linear", "embedding", "knn", "mlp"),
        description="What is read from the features; linear is always among it. linear = linear"
        " head on the representation, embedding = on the embedding, knn = nearest neighbours and"
        " mlp = MLP of three layers on the representation.",
    )
    epochs: int = Field(28, ge=1, le=10000, description="Passes over the target's training images.")
    milestones: Annotated[tuple[Annotated[int, Field(ge=1)], ...], List] = Field(
        (8, 16, 24), description="Epochs after which the learning rate falls to a tenth."
    )
    batch_size: int = Field(256, ge=1, le=1048576, description="Images a step.")
    lr: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], List, Field(min_length=1), Distinct
    ] = Field((0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), description="Learning rates to choose from.")
    weight_decay: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], List, Field(min_length=1), Distinct
    ] = Field((0.0, 0.0005, 0.005), description="Weight decays to choose from.")
    validation_fraction: float = Field(
        0.2,
        ge=0.05,
        le=0.5,
        description="Part of the target's training images on which learning rate, decay and k are"
        " chosen.",
    )
    seed: Seed = Field(
        0,
        description="Seed of the split, the order of the images, initial weights and augmentation.",
    )
    knn_k: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], List, Field(min_length=1), Distinct
    ] = Field(
        (1, 5, 10, 20, 50, 100, 200), description="Numbers of nearest neighbours to choose from."
    )
    mlp_width: int = Field(
        512, ge=1, le=65536, description="Units of each of the two hidden layers of the MLP."
    )
    crop_scale: CropScale = Field(
        (0.08, 1.0),
        description="Smallest and largest area of a crop of the augmented protocol, as a fraction"
        " of the image.",
    )

    def grid(self) -> list[GridPoint]:
        """Every combination of learning rate and weight decay."""
        return [GridPoint(lr, decay) for lr, decay in product(self.lr, self.weight_decay)]

    def hidden_widths(self, readout: str) -> list[int]:
        """Widths of a read-out's hidden layers."""
        return [self.mlp_width] * 2 if readout == "mlp" else []

    def trained_readouts(self) -> list[str]:
        """The read-outs that are trained by gradient descent."""
        return [name for name in self.readouts if name != "knn"]
