"""A prepared data set: a folder with the record DATASET and one array pair a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rankme.artefacts import DATASET, FORMAT
from rankme.errors import UserError
from rankme.files import read_json


@dataclass(frozen=True)
class Split:
    """Images and labels, both mapped from disk and read-only.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,); where the metric is "map", uint8 (N, C) of 0 and 1.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """A data set on disk.

    Attributes:
        name: as in config/datasets.yaml.
        classes: names in label order.
        image_size: height and width in pixels.
        normalisation: "mean" and "std" of the train images, [R, G, B], pixels on the scale 0-1.
        digest: SHA-256 over images, labels, classes and size.
        splits: "train" and "test".
        metric: "top1", or "map" (mean average precision) where an image may show several classes.
    """

    name: str
    classes: list[str]
    image_size: int
    normalisation: dict[str, list[float]]
    digest: str
    splits: dict[str, Split]
    metric: str = "top1"


def array_file(folder: Path, split: str, part: str) -> Path:
    """Where the "images" or the "labels" of a split are."""
    return folder / f"{split}_{part}.npy"


def load_dataset(folder: Path) -> Dataset:
    """Open a prepared data set without reading its images.

    Raises:
        UserError: the folder holds no data set, or its arrays are missing or torn.
    """
    record = read_json(folder / DATASET)
    if record.get("artefact") != DATASET or record.get("format") != FORMAT:
        raise UserError(
            f"{folder / DATASET}: is {record.get('artefact')!r} of format {record.get('format')!r},"
            f" expected {DATASET!r} of format {FORMAT}; {_remedy(folder)}"
        )
    names = ("name", "classes", "image_size", "normalisation", "digest")
    return Dataset(
        **{name: record[name] for name in names},
        splits={name: _open_split(folder, name, record) for name in record["splits"]},
        metric=record["declaration"]["metric"],
    )


def _open_split(folder: Path, name: str, record: dict[str, Any]) -> Split:
    count, size = record["splits"][name]["count"], record["image_size"]
    images = _open(array_file(folder, name, "images"), (count, size, size, 3), np.uint8)
    several = record["declaration"]["metric"] == "map"
    shape = (count, len(record["classes"])) if several else (count,)
    labels = _open(array_file(folder, name, "labels"), shape, np.uint8 if several else np.int64)
    return Split(images, labels)


def _open(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: missing or torn ({error}); {_remedy(path.parent)}") from error
    if array.shape != shape or array.dtype != dtype:
        raise UserError(
            f"{path}: holds {array.dtype} {array.shape}, but {DATASET} says {np.dtype(dtype)} "
            f"{shape}; {_remedy(path.parent)}"
        )
    return array


def _remedy(folder: Path) -> str:
    return f"delete {folder} and prepare the data set again"
