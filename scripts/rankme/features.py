"""Features of a frozen encoder on a dataset: extracted once, read by every evaluation.

A folder holds `<split>_representation.npy` (float32, N x D), `<split>_embedding.npy` (float32,
N x K), `<split>_labels.npy` (int64, N; uint8, N x C where an image may have several classes) and
`features.json`, which is written last: a folder without it is not whole. Reading needs no torch,
and no array is ever read as a whole: ImageNet's are 10 GB each.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rankme.artefacts import PretrainedModel, read_record, save_record, weights_digest
from rankme.errors import UserError

if TYPE_CHECKING:
    import torch

    from rankme.data.dataset import Dataset, Split

INDEX = "features.json"
TAPS = ("representation", "embedding")


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
    """

    dataset: str
    dataset_digest: str
    encoder_sha256: str
    classes: list[str]
    status: str
    splits: dict[str, FeatureSplit]


def extract(
    model: PretrainedModel,
    dataset: "Dataset",
    output: Path,
    device: "torch.device",
    batch_size: int,
) -> None:
    """Write the features of every split of a dataset to the folder `output`.

    One forward pass in eval mode and float32 over unaugmented images: resized to the size that the
    model was trained at where the dataset's differs, and normalised with the statistics of the
    model's *source*, on whatever dataset, as in its training (`model_input`).

    Raises:
        RuntimeError: the forward pass changed the frozen weights or statistics.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / INDEX).unlink(missing_ok=True)
    with frozen(model):
        for name, split in dataset.splits.items():
            _extract_split(model, split, output, name, device, batch_size)
    index = {
        "artefact": "FEATURES",
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "encoder_sha256": model.digest,
        "classes": dataset.classes,
        "splits": {name: len(split.labels) for name, split in dataset.splits.items()},
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
    return Features(**{name: index[name] for name in names}, splits=splits)


def _extract_split(
    model: PretrainedModel,
    split: "Split",
    output: Path,
    name: str,
    device: "torch.device",
    batch_size: int,
) -> None:
    """Plain sequential writes, since a full disk ends a process that writes to a memory map."""
    count = len(split.labels)
    with ExitStack() as stack:
        paths = {tap: output / f"{name}_{tap}.npy" for tap in TAPS}
        files = {tap: stack.enter_context(path.open("wb")) for tap, path in paths.items()}
        for start in range(0, count, batch_size):
            outputs = _forward(model, split.images[start : start + batch_size], device)
            for tap, rows in zip(TAPS, outputs, strict=True):
                if start == 0:
                    _write_header(files[tap], (count, rows.shape[1]))
                files[tap].write(rows.tobytes())
    np.save(output / f"{name}_labels.npy", np.asarray(split.labels))


def _write_header(stream: BinaryIO, shape: tuple[int, int]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _forward(
    model: PretrainedModel, images: np.ndarray, device: "torch.device"
) -> tuple[np.ndarray, np.ndarray]:
    """Representation (B, D) and embedding (B, K), float32, of uint8 images (B, H, W, 3)."""
    import torch

    encoder, projector = model.encoder.to(device).eval(), model.projector.to(device).eval()
    with torch.inference_mode(), full_precision():
        batch = torch.from_numpy(np.array(images)).to(device)
        batch = model_input(batch, model.metadata["image_size"], model.metadata["normalisation"])
        representation = encoder(batch)
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


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: is missing or not whole ({error}); "
            "delete the folder and extract the features again"
        ) from error
