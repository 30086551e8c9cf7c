"""Every key of a study: its type, default, bounds and meaning, declared here and nowhere else.

A section is a frozen class. What a method, an encoder or a reader has of its own stands in its own
file; see `rankme.plugins`. The JSON schema for editors and config/README.md are made from these
classes by `python -m rankme.study.reference`.
"""

from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Layer = Literal["representation", "embedding"]
"""What a model makes of an image: the encoder's output, or the projector's."""


class Settings(BaseModel):
    """A section of a study.

    Strict: no text is a number, and `true` is none. A key whose default is changed later keeps the
    old one as `introduced` (see `rankme.study.identity`), so that no run gets another name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice; remove one")
    return values


def _rising(values: tuple[Any, Any]) -> tuple[Any, Any]:
    if values[0] > values[1]:
        raise ValueError("must rise; swap the two")
    return values


def _with_linear(values: tuple[str, ...]) -> tuple[str, ...]:
    if MAIN_READOUT not in values:
        raise ValueError(f"lacks {MAIN_READOUT!r}; add it")
    return values


# A list in YAML is a tuple here; what it holds is checked as strictly as anything.
List = Field(strict=False)
Distinct = AfterValidator(_distinct)
Rising = AfterValidator(_rising)

Seed = Annotated[int, Field(ge=0, le=4294967295)]
Share = Annotated[float, Field(gt=0, le=1)]
CropScale = Annotated[tuple[Share, Share], List, Rising]
Name = Annotated[str, Field(min_length=1)]

READOUTS: dict[str, Layer] = {
    "linear": "representation",
    "embedding": "embedding",
    "knn": "representation",
    "mlp": "representation",
}
"""Read-outs and what each reads: linear heads on the representation (the main read-out) and on the
embedding, nearest neighbours, and an MLP of three layers."""

MAIN_READOUT = "linear"


class Pathvars(Settings):
    """Where files go, relative to the working directory or absolute."""

    results: Name = Field("results", description="Folder of the results tree.")
    logs: Name = Field("logs", description="Folder of the log files, one a job.")


class EncoderSettings(Settings):
    """Network that makes the representation."""

    name: str = Field("resnet18", description="Architecture.")
    width: int = Field(64, ge=1, le=1024, description="Channels of the first stage.")
    stem: Literal["auto", "small", "stride2", "imagenet"] = Field(
        "auto",
        description="First layers: small = 3x3 at full resolution, stride2 = 3x3 at half, imagenet ="
        " 7x7 and max-pooling; auto = small up to 64 px, else imagenet.",
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
    batch_size: int = Field(
        256, ge=2, le=1048576, description="Images a step, over all processes."
    )
    optimizer: Literal["adamw", "sgd", "lars"] = Field("lars", description="Optimiser.")
    lr: float = Field(0.3, gt=0, le=1e9, description="Peak learning rate, before scaling.")
    scale_lr: bool = Field(True, description="Multiply the learning rate by batch_size / 256.")
    weight_decay: float = Field(
        1e-6, ge=0, le=1, description="Weight decay; parameters of one dimension are excluded."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd and lars.")
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
        description="Effective rank that the regulariser pulls the embeddings of a batch to, from 1"
        " to the smaller of batch_size and embedding dimension; without effect where rank_weight is"
        " 0.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Precision of the network's arithmetic; losses and metrics are float32 or"
        " better. auto = bfloat16 where the device has it in hardware.",
    )
    compile: Literal["auto", True, False] = Field(
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
    eps: float = Field(
        1e-7, ge=0, le=0.01, description="Added to each normalised singular value."
    )
    alpha_fit: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65536)], Annotated[int, Field(ge=1, le=65536)]],
        List,
        Rising,
    ] = Field(
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
        AfterValidator(_with_linear),
    ] = Field(
        ("linear", "embedding", "knn", "mlp"),
        description="What is read from the features; linear is always among it. linear = linear"
        " head on the representation, embedding = on the embedding, knn = nearest neighbours and"
        " mlp = MLP of three layers on the representation.",
    )
    epochs: int = Field(
        28, ge=1, le=10000, description="Passes over the target's training images."
    )
    milestones: Annotated[tuple[Annotated[int, Field(ge=1)], ...], List] = Field(
        (8, 16, 24), description="Epochs after which the learning rate falls to a tenth."
    )
    batch_size: int = Field(256, ge=1, le=1048576, description="Images a step.")
    lr: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], List, Field(min_length=1), Distinct
    ] = Field(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), description="Learning rates to choose from."
    )
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


class Compute(Settings):
    """Where and with what the study runs; nothing here changes a result's identity."""

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        description="auto = cuda, then mps, then cpu.",
    )
    threads: int = Field(
        2,
        ge=1,
        le=1024,
        description="Processor cores of each process that trains or runs an encoder.",
    )
    gpus: int = Field(
        0,
        ge=0,
        le=64,
        description="GPUs on each node of a pretraining job; a job that evaluates has one at most.",
    )
    gpu_kind: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.]*$",
        description="Kind of GPU to ask a cluster for, by the name it has there (a100); any if"
        " empty.",
    )
    nodes: int = Field(
        1,
        ge=1,
        le=1024,
        description="Machines that train one encoder together; more than one under Slurm only.",
    )
    processes: int = Field(
        0,
        ge=0,
        le=1024,
        description="Processes on each node that train one encoder together; 0 = one a GPU.",
    )
    mem_mb: int = Field(
        4000,
        ge=100,
        le=10000000,
        description="Memory of such a job on each node in MB; doubled at each retry.",
    )
    max_mem_mb: int = Field(
        10000000,
        ge=100,
        le=10000000,
        description="What no retry goes above, in MB; the memory of the largest node.",
    )
    runtime: int = Field(
        240,
        ge=1,
        le=100000,
        description="Time limit of a pretraining job in minutes; doubled at each retry.",
    )
    evaluation_runtime: int = Field(
        15,
        ge=1,
        le=100000,
        description="Minutes for each step that evaluates one model on one dataset; a cluster job"
        " that does all of them has their sum. Doubled at each retry.",
    )
    max_runtime: int = Field(
        100000,
        ge=1,
        le=100000,
        description="What no retry of such a step goes above, in minutes; the limit of the"
        " partition. A training that takes longer goes on in the next retry, from its checkpoint.",
    )

    @property
    def processes_a_node(self) -> int:
        """Processes on each node that train one encoder together."""
        return self.processes or max(1, self.gpus)

    def memory(self, attempt: int) -> int:
        """MB of memory of a job that trains or runs an encoder, doubled at each retry."""
        return min(self.mem_mb * 2 ** (attempt - 1), self.max_mem_mb)

    def training_time(self, attempt: int) -> int:
        """Time limit of a pretraining job in minutes, doubled at each retry."""
        return min(self.runtime * 2 ** (attempt - 1), self.max_runtime)

    def evaluation_time(self, attempt: int) -> int:
        """Time limit of one step of an evaluation in minutes, doubled at each retry."""
        return min(self.evaluation_runtime * 2 ** (attempt - 1), self.max_runtime)

    def node_resources(self) -> dict[str, Any]:
        """What a job on several nodes asks Snakemake for beside what it asks for on one.

        One task a node, which `scripts/launch.py` starts itself (so "mpi": Snakemake is not to),
        and as many GPUs on each: their sum alone may be split unevenly.
        """
        if self.nodes == 1:
            return {}
        tasks = {"nodes": self.nodes, "tasks": self.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
        if not self.gpus:
            return tasks
        return tasks | {"gres": ":".join(filter(None, ("gpu", self.gpu_kind, str(self.gpus))))}


class Tracking(Settings):
    """Publishing in an MLflow store, and nothing that decides a result."""

    enabled: bool = Field(True, description="Publish all results once they are complete.")
    uri: Annotated[
        str, Field(pattern=r"^(https?|sqlite|postgresql|mysql|mssql)(\+[a-z0-9]+)?://")
    ] | None = Field(
        None,
        description="MLflow server or database, without credentials; null = SQLite in the results"
        " tree. The environment variable MLFLOW_TRACKING_URI comes first.",
    )
    live: bool = Field(False, description="Report each epoch of a run while it trains as well.")
    models: bool = Field(False, description="Send the models, too, and not only the small files.")
