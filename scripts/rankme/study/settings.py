"""Every key that decides a result: its type, default, bounds and meaning, declared here alone.

A section is a frozen class. What a method, an encoder or a reader has of its own stands in its own
file; see `rankme.plugins`. The schemas for editors and config/README.md are made from these classes
by `python -m rankme.study.reference`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

_T = TypeVar("_T")

Layer = Literal["representation", "embedding"]
"""What a model makes of an image: the encoder's output, or the projector's."""


class Settings(BaseModel):
    """A section of a study. Strict: no text is a number, and `true` is none."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


WORDS = ("introduced", "needs", "within")
"""What `key` takes beside bounds."""


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """A key of a section: its default (`...` for none), what it means, and pydantic's bounds.

    Beside bounds there may be `introduced`, the default of old, where it has been changed since, so
    that no run gets another name (see `rankme.study.identity`); `needs`, a key of the section that
    must not be 0 for this one to have an effect; `within`, a range of the config that it divides.
    """
    extra: Any = {name: bounds.pop(name) for name in WORDS if name in bounds}
    return Field(default, description=meaning, json_schema_extra=extra or None, **bounds)


def words(field: FieldInfo) -> dict[str, Any]:
    """What a key says by the words that `key` takes beside bounds."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}


@dataclass(frozen=True)
class Rule(AfterValidator):
    """What a type cannot say of a value: a function that returns it, or raises ValueError.

    `schema` is the same in JSON Schema, as far as it can be said there.
    """

    schema: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), **self.schema}


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
Several = Annotated[tuple[_T, ...], List, Field(min_length=1), Distinct]

Name = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=4294967295)]
Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
CropScale = Annotated[tuple[Share, Share], List, Rising]
Positive = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=1, le=65536)]
Epochs = Annotated[int, Field(ge=1, le=100000)]
Images = Annotated[int, Field(ge=2, le=1000000)]

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

    name: str = key("resnet18", "Architecture.")
    width: int = key(64, "Channels of the first stage.", ge=1, le=1024)
    stem: Literal["auto", "small", "stride2", "imagenet"] = key(
        "auto",
        "First layers: small = 3x3 at full resolution, stride2 = 3x3 at half, imagenet = 7x7 and"
        " max-pooling; auto = small up to 64 px, else imagenet.",
    )


class Projector(Settings):
    """Network from the representation to the embedding, used in pretraining only."""

    widths: Annotated[
        tuple[Annotated[int, Field(ge=2, le=65536)], ...], List, Field(min_length=1)
    ] = key(
        (2048, 2048, 1024),
        "Output width of each linear layer; the last is the embedding dimension.",
    )


class Augmentation(Settings):
    """Random transformations that make the views of an image."""

    recipe: str = key("byol", "Published recipe, by the name of its file.")
    crop_scale: CropScale = key(
        (0.08, 1.0), "Smallest and largest area of a crop, as a fraction of the image."
    )


class Training(Settings):
    """Pretraining; each key may also stand in a method's default, sweeps and grid."""

    epochs: Epochs = key(100, "Passes over the source.")
    batch_size: int = key(256, "Images a step, over all processes.", ge=2, le=1048576)
    optimizer: Literal["adamw", "sgd", "lars"] = key("lars", "Optimiser.")
    lr: float = key(0.3, "Peak learning rate, before scaling.", gt=0, le=1e9)
    scale_lr: bool = key(True, "Multiply the learning rate by batch_size / 256.")
    weight_decay: Fraction = key(1e-6, "Weight decay; parameters of one dimension are excluded.")
    momentum: float = key(0.9, "Momentum of sgd and lars, beta1 of adamw.", ge=0, lt=1)
    warmup_epochs: float = key(10, "Epochs of linear warm-up.", ge=0, le=100000)
    final_lr_fraction: Fraction = key(
        0.001, "Learning rate at the last step, as a fraction of its peak."
    )
    rank_weight: float = key(
        0.0,
        "Weight of the rank regulariser, the squared logarithm of the embeddings' effective rank"
        " in a batch over rank_target; 0 = off.",
        ge=0,
        le=1e6,
    )
    rank_target: float = key(
        0.0,
        "Effective rank that the regulariser pulls the embeddings of a batch to, from 1 to the"
        " smaller of batch_size and embedding dimension; without effect where rank_weight is 0.",
        ge=0,
        le=65536,
        needs="rank_weight",
    )
    precision: Literal["auto", "float32", "bfloat16"] = key(
        "auto",
        "Precision of the network's arithmetic; losses and metrics are float32 or better. auto ="
        " bfloat16 where the device has it in hardware.",
    )
    compile: bool | Literal["auto"] = key(
        "auto",
        "Compile the network by torch.compile. auto = on (true) for a long run on one CUDA card,"
        " where it repays the minute that it takes, else off (false).",
    )
    rank_every_epochs: Epochs = key(1, "Epochs between two measurements of RankMe while training.")
    rank_samples: Images = key(2048, "Training images of those measurements.")


class Rank(Settings):
    """Measurement of RankMe and its rivals after training."""

    samples: int = key(
        25600, "Training images of each dataset, a fixed random subset.", ge=2, le=10000000
    )
    eps: float = key(1e-7, "Added to each normalised singular value.", ge=0, le=0.01)
    alpha_fit: Annotated[tuple[Index, Index], List, Rising] = key(
        (10, 100), "First and last rank of the eigenvalues that alpha-ReQ fits a line to."
    )
    pair_rows: int = key(
        2048,
        "Of the samples, those of the metrics that compare all pairs (uniformity, IdEst); time"
        " and memory grow as its square.",
        ge=16,
        le=50000,
    )
    lidar_images: Images = key(
        1000,
        "Training images of each dataset of which LiDAR and alignment see augmented views, a"
        " fixed random subset; LiDAR finds at most as many directions.",
    )
    lidar_views: int = key(
        10, "Augmented views of each of those images; LiDAR's authors use 10 to 50.", ge=2, le=1000
    )


class GridPoint(NamedTuple):
    """Hyperparameters of one head."""

    lr: float
    weight_decay: float


class Probe(Settings):
    """Probes of the frozen encoder."""

    protocol: Literal["cached", "augmented"] = key(
        "cached",
        "What heads are trained on: cached = features extracted once, without augmentation;"
        " augmented = features of images cropped and flipped anew in every epoch, as in the"
        " literature.",
    )
    readouts: Annotated[
        tuple[Literal["linear", "embedding", "knn", "mlp"], ...], List, Distinct, WithMainReadout
    ] = key(
        ("linear", "embedding", "knn", "mlp"),
        "What is read from the features; linear is always among it. linear = linear head on the"
        " representation, embedding = on the embedding, knn = nearest neighbours and mlp = MLP of"
        " three layers on the representation.",
    )
    epochs: int = key(28, "Passes over the target's training images.", ge=1, le=10000)
    milestones: Annotated[tuple[Positive, ...], List] = key(
        (8, 16, 24), "Epochs after which the learning rate falls to a tenth."
    )
    batch_size: int = key(256, "Images a step.", ge=1, le=1048576)
    lr: Several[Annotated[float, Field(gt=0)]] = key(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), "Learning rates to choose from."
    )
    weight_decay: Several[Annotated[float, Field(ge=0)]] = key(
        (0.0, 0.0005, 0.005), "Weight decays to choose from."
    )
    validation_fraction: float = key(
        0.2,
        "Part of the target's training images on which learning rate, decay and k are chosen.",
        ge=0.05,
        le=0.5,
    )
    seed: Seed = key(
        0, "Seed of the split, the order of the images, initial weights and augmentation."
    )
    knn_k: Several[Positive] = key(
        (1, 5, 10, 20, 50, 100, 200), "Numbers of nearest neighbours to choose from."
    )
    mlp_width: int = key(512, "Units of each of the two hidden layers of the MLP.", ge=1, le=65536)
    crop_scale: CropScale = key(
        (0.08, 1.0),
        "Smallest and largest area of a crop of the augmented protocol, as a fraction of the"
        " image.",
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
