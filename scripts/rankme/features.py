"""Features of a frozen encoder on a dataset: extracted once, read by every evaluation.

A folder holds `<split>_representation.npy` (float32, N x D), `<split>_embedding.npy` (float32,
N x K), `<split>_labels.npy` (int64, N) and `features.json`, which is written last: a folder without
it is not whole. Reading needs no torch.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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
        labels: int64 (N,).
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
    model was trained at (bilinear, antialiased) where the dataset's differs, and normalised with
    the statistics of the model's *source*, on whatever dataset, as in its training.

    Raises:
        RuntimeError: the forward pass changed the frozen weights or statistics.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / INDEX).unlink(missing_ok=True)
    for name, split in dataset.splits.items():
        _extract_split(model, split, output, name, device, batch_size)
    if _digest(model) != model.digest:
        raise RuntimeError(f"the frozen encoder changed while it ran over {dataset.name}")
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
    np.save(output / f"{name}_labels.npy", np.asarray(split.labels, np.int64))


def _write_header(stream: BinaryIO, shape: tuple[int, int]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _forward(
    model: PretrainedModel, images: np.ndarray, device: "torch.device"
) -> tuple[np.ndarray, np.ndarray]:
    """Representation (B, D) and embedding (B, K), float32, of uint8 images (B, H, W, 3)."""
    import torch
    from torch.nn.functional import interpolate

    from rankme.augment import evaluation_batch

    encoder, projector = model.encoder.to(device).eval(), model.projector.to(device).eval()
    normalisation, size = model.metadata["normalisation"], model.metadata["image_size"]
    # cuDNN convolves in TF32 (10-bit mantissa) by default, which would move small singular values.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        batch = torch.from_numpy(np.array(images)).to(device)
        batch = evaluation_batch(batch, normalisation["mean"], normalisation["std"])
        if batch.shape[-2:] != (size, size):
            batch = interpolate(batch, (size, size), mode="bilinear", antialias=True)
        representation = encoder(batch)
        embedding = projector(representation)
    return representation.cpu().numpy(), embedding.cpu().numpy()


def _digest(model: PretrainedModel) -> str:
    """Digest of the weights as they are now, under the names of the model's file."""
    parts = {"encoder": model.encoder, "projector": model.projector}
    return weights_digest(
        {f"{part}.{name}": t for part, m in parts.items() for name, t in m.state_dict().items()}
    )


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
