"""Features of a frozen encoder on a dataset, as `rankme.extraction` leaves them in a folder.

It holds `<split>_representation.npy` (float32, N x D), `<split>_embedding.npy` (float32, N x K),
`<split>_labels.npy` (int64, N; uint8, N x C where an image may have several classes) and
`features.json`, which is written last: a folder without it is not whole. Reading needs no torch,
and no array is ever read as a whole: ImageNet's are 10 GB each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rankme.artefacts import read_record
from rankme.errors import UserError

if TYPE_CHECKING:
    from rankme.study.settings import Layer

INDEX = "features.json"
LAYERS: "tuple[Layer, ...]" = ("representation", "embedding")

_REMEDY = "delete the folder and fit the heads again"


@dataclass(frozen=True)
class FeatureSplit:
    """Features of one split, of the shapes above, memory-mapped where they were loaded."""

    layers: "Mapping[Layer, np.ndarray]"
    labels: np.ndarray


@dataclass(frozen=True)
class Features:
    """Features of one encoder on one dataset, by split, and what they belong to.

    `dataset_digest` is that of images and labels, `encoder_sha256` that of the weights of encoder
    and projector; `classes` are named in the order of the labels.
    """

    dataset: str
    dataset_digest: str
    encoder_sha256: str
    classes: list[str]
    splits: dict[str, FeatureSplit]


def load_features(folder: Path) -> Features:
    """Open a folder of features, its arrays memory-mapped.

    Raises:
        UserError: a file is missing, torn, or does not have the number of rows it should have.
    """
    index = read_record(folder / INDEX, "FEATURES", _REMEDY)
    about = {key: index[key] for key in ("dataset", "dataset_digest", "encoder_sha256", "classes")}
    splits = {name: _load_split(folder, name, count) for name, count in index["splits"].items()}
    return Features(**about, splits=splits)


def array_file(folder: Path, name: str, part: str) -> Path:
    """Where a part, a layer or the labels, of a split is."""
    return folder / f"{name}_{part}.npy"


def open_layers(folder: Path, name: str) -> "dict[Layer, np.ndarray]":
    """The layers of a split, float32 (N, ...), memory-mapped; UserError if a file is not whole."""
    return {layer: _open_array(array_file(folder, name, layer)) for layer in LAYERS}


def _load_split(folder: Path, name: str, count: int) -> FeatureSplit:
    layers, labels = open_layers(folder, name), _open_array(array_file(folder, name, "labels"))
    for part, array in (*layers.items(), ("labels", labels)):
        if len(array) != count:
            file, rows = array_file(folder, name, part), len(array)
            raise UserError(f"{file}: holds {rows} rows, {INDEX} says {count}; {_REMEDY}")
    return FeatureSplit(layers, labels)


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: is missing or not whole ({error}); {_REMEDY}") from error
