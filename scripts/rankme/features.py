"""Features of a frozen encoder on a dataset: extracted once, read by every evaluation.

A folder holds `<split>_representation.npy` (float32, N x D), `<split>_embedding.npy` (float32,
N x K), `<split>_labels.npy` (int64, N; uint8, N x C where an image may have several classes) and
`features.json`, which is written last: a folder without it is not whole. Reading needs no torch,
and no array is ever read as a whole: ImageNet's are 10 GB each.

Where they were asked for, `views_representation.npy` (float32, n x q x D) and `views_embedding.npy`
are those of q augmented views of each of n training images.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rankme.artefacts import PretrainedModel, read_record, save_record, weights_digest
from rankme.errors import UserError
from rankme.metrics.rows import subset

if TYPE_CHECKING:
    import torch

    from rankme.data.dataset import Dataset, Split

INDEX = "features.json"
TAPS = ("representation", "embedding")
VIEWS = "views"
VIEWS_SEED = 0


@dataclass(frozen=True)
class ViewCount:
    """How many augmented views are made: `views` of each of `images` training images."""

    images: int
    views: int


@dataclass(frozen=True)
class FeatureSplit:
    """Memory-mapped features of one split.

    Attributes:
        representation: output of the encoder, float32 (N, D).
        embedding: output of the projector, float32 (N, K).
        labels: int64 (N,), or 0/1 uint8 (N, C) where an image may have several classes.
    """

    representation: np.ndarray
    embedding: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Features:
    """Features of one encoder on one dataset, and what they belong to.

    Attributes:
        dataset: name of the dataset.
        dataset_digest: digest of the dataset's images and labels.
        encoder_sha256: digest of the weights of encoder and projector.
        classes: names of the classes, in the order of the labels.
        status: how pretraining ended: "completed", "diverged" or "collapsed".
        splits: features by name of the split.
        views: by tap, features of augmented views, float32 (n, q, D); empty where none were made.
    """

    dataset: str
    dataset_digest: str
    encoder_sha256: str
    classes: list[str]
    status: str
    splits: dict[str, FeatureSplit]
    views: dict[str, np.ndarray]


def extract(
    model: PretrainedModel,
    dataset: "Dataset",
    output: Path,
    device: "torch.device",
    batch_size: int,
    views: ViewCount | None = None,
) -> None:
    """Write the features of every split of a dataset to the folder `output`.

    One forward pass in eval mode and float32 over unaugmented images: resized to the size that the
    model was trained at where the dataset's differs, and normalised with the statistics of the
    model's *source*, on whatever dataset, as in its training (`model_input`).

    Args:
        views: how many augmented views to extract as well, if any: of a fixed random subset of the
            training images, by the augmentation that the model was trained with.

    Raises:
        RuntimeError: the forward pass changed the frozen weights or statistics.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / INDEX).unlink(missing_ok=True)
    made: tuple[int, int] | None = None
    with frozen(model):
        for name, split in dataset.splits.items():
            _extract_split(model, split, output, name, device, batch_size)
        if views is not None:
            images = dataset.splits["train"].images
            made = _extract_views(model, images, output, device, batch_size, views)
    index = {
        "artefact": "FEATURES",
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "encoder_sha256": model.digest,
        "classes": dataset.classes,
        "splits": {name: len(split.labels) for name, split in dataset.splits.items()},
        "views": made,
        "status": model.metadata["status"],
    }
    save_record(output / INDEX, index)


@contextmanager
def frozen(model: PretrainedModel) -> Iterator[None]:
    """Watch over what runs a model in this context.

    Raises:
        RuntimeError: at its end, the weights or statistics are not those they were.
    """
    yield
    parts = {"encoder": model.encoder, "projector": model.projector}
    weights = {f"{p}.{n}": t for p, module in parts.items() for n, t in module.state_dict().items()}
    if weights_digest(weights) != model.digest:
        raise RuntimeError("the frozen encoder changed while it ran")


def model_input(
    images: "torch.Tensor", image_size: int, normalisation: dict[str, Any]
) -> "torch.Tensor":
    """Unaugmented images as a model takes them, float32 (B, 3, image_size, image_size).

    Args:
        images: uint8 (B, H, W, 3) on any device; resized (bilinear, antialiased) where the size
            that the model was trained at differs.
        image_size: that size in pixels.
        normalisation: "mean" and "std" of the model's source.
    """
    from torch.nn.functional import interpolate

    from rankme.augment import evaluation_batch

    batch = evaluation_batch(images, normalisation["mean"], normalisation["std"])
    if batch.shape[-1] != image_size:
        batch = interpolate(batch, (image_size, image_size), mode="bilinear", antialias=True)
    return batch


def full_precision() -> AbstractContextManager[None]:
    """Convolutions in float32: cuDNN's default, TF32 with its 10-bit mantissa, would move small
    singular values."""
    import torch

    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, allow_tf32=False
    )
    return context


def load_features(folder: Path) -> Features:
    """Open a folder of features, its arrays memory-mapped.

    Raises:
        UserError: a file is missing, torn, or does not have the number of rows it should have.
    """
    index = read_record(folder / INDEX, "FEATURES")
    splits = {name: _load_split(folder, name, count) for name, count in index["splits"].items()}
    names = ("dataset", "dataset_digest", "encoder_sha256", "classes", "status")
    views = _load_views(folder, index["views"]) if index.get("views") else {}
    return Features(**{name: index[name] for name in names}, splits=splits, views=views)


def _extract_split(
    model: PretrainedModel,
    split: "Split",
    output: Path,
    name: str,
    device: "torch.device",
    batch_size: int,
) -> None:
    """Plain sequential writes, since a full disk ends a process that writes to a memory map."""
    import torch

    size, normalisation = model.metadata["image_size"], model.metadata["normalisation"]
    with ExitStack() as stack:
        files = _opened_files(stack, output, name)
        for start in range(0, len(split.labels), batch_size):
            images = torch.from_numpy(np.array(split.images[start : start + batch_size]))
            batch = model_input(images.to(device), size, normalisation)
            _write_rows(files, _forward(model, batch, device), (len(split.labels),))
    np.save(output / f"{name}_labels.npy", np.asarray(split.labels))


def _extract_views(
    model: PretrainedModel,
    images: np.ndarray,
    output: Path,
    device: "torch.device",
    batch_size: int,
    count: ViewCount,
) -> tuple[int, int]:
    """Write the features of augmented views; returns the number of images and of views of each.

    Of a recipe's two views each makes every second one. One seed, so that all models see the same
    images, cropped and coloured alike.
    """
    import torch

    from rankme.augment import Augmenter, recipe

    size, augmentation = model.metadata["image_size"], model.metadata["run"]["augmentation"]
    kinds = recipe(augmentation["recipe"], size, augmentation["crop_scale"])
    kinds = tuple(islice(cycle(kinds), count.views))
    augmenter = Augmenter(kinds, **model.metadata["normalisation"])
    generator = torch.Generator().manual_seed(VIEWS_SEED)
    rows = subset(len(images), count.images)
    with ExitStack() as stack:
        files = _opened_files(stack, output, VIEWS)
        for some in np.array_split(rows, math.ceil(len(rows) * count.views / batch_size)):
            batch = torch.from_numpy(np.array(images[some])).to(device)
            views = torch.stack(augmenter(batch, generator), 1).flatten(0, 1)
            _write_rows(files, _forward(model, views, device), (len(rows), count.views))
    return len(rows), count.views


def _opened_files(stack: ExitStack, output: Path, name: str) -> dict[str, BinaryIO]:
    return {tap: stack.enter_context((output / f"{name}_{tap}.npy").open("wb")) for tap in TAPS}


def _write_rows(
    files: Mapping[str, BinaryIO], outputs: tuple[np.ndarray, np.ndarray], shape: tuple[int, ...]
) -> None:
    """Append rows (B, D) to arrays of `shape` and then D."""
    for tap, rows in zip(TAPS, outputs, strict=True):
        if files[tap].tell() == 0:
            header = {"descr": "<f4", "fortran_order": False, "shape": (*shape, rows.shape[1])}
            np.lib.format.write_array_header_1_0(files[tap], header)
        files[tap].write(rows.tobytes())


def _forward(
    model: PretrainedModel, batch: "torch.Tensor", device: "torch.device"
) -> tuple[np.ndarray, np.ndarray]:
    """Representation (B, D) and embedding (B, K), float32, of normalised images (B, 3, S, S)."""
    import torch

    encoder, projector = model.encoder.to(device).eval(), model.projector.to(device).eval()
    with torch.inference_mode(), full_precision():
        representation = encoder(batch.contiguous(memory_format=torch.channels_last))
        embedding = projector(representation)
    return representation.cpu().numpy(), embedding.cpu().numpy()


def _load_split(folder: Path, name: str, count: int) -> FeatureSplit:
    arrays = {part: _open_array(folder / f"{name}_{part}.npy") for part in (*TAPS, "labels")}
    for part, array in arrays.items():
        if len(array) != count:
            raise UserError(
                f"{folder / f'{name}_{part}.npy'}: holds {len(array)} rows, {INDEX} says {count}; "
                "delete the folder and extract the features again"
            )
    return FeatureSplit(**arrays)


def _load_views(folder: Path, shape: Sequence[int]) -> dict[str, np.ndarray]:
    arrays = {tap: _open_array(folder / f"{VIEWS}_{tap}.npy") for tap in TAPS}
    for tap, array in arrays.items():
        if list(array.shape[:2]) != list(shape):
            raise UserError(
                f"{folder / f'{VIEWS}_{tap}.npy'}: has the shape {array.shape}, {INDEX} says "
                f"{shape}; delete the folder and extract the features again"
            )
    return arrays


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: is missing or not whole ({error}); "
            "delete the folder and extract the features again"
        ) from error
