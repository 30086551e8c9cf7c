"""What a reader hands over: images not yet decoded, and helpers that readers share."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from rankme.errors import UserError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
)


@dataclass(frozen=True)
class RawSplit:
    """Images as files or as uint8 (N, H, W, 3) of any H and W, with int64 labels (N,)."""

    images: Sequence[Path] | np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class RawDataset:
    """Class names in label order, and the splits "train" and "test"."""

    classes: list[str]
    splits: dict[str, RawSplit]


def require_root(root: Path | None) -> Path:
    """`root`, unless none was declared.

    Raises:
        UserError: there is none.
    """
    if root is None:
        raise UserError("this reader needs `root:`, the folder that holds the images")
    return root


def list_folders(folder: Path) -> list[str]:
    """Sorted names of the folders in `folder`, without hidden ones.

    Raises:
        UserError: `folder` is missing, unreadable, no folder or holds none.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be read as a folder ({error.strerror}); "
            "put the data there, or change `root:`"
        ) from error
    if not names:
        raise UserError(f"{folder}: holds no class folders; expected one folder of images a class")
    return names


def list_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted; others, and hidden ones, are passed over.

    Raises:
        UserError: `folder` or one below it cannot be read, or there is no image.
    """
    found = [
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=_refuse, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")
    ]
    if not found:
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise UserError(f"{folder}: holds no image; expected files that end in {known}")
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error


def label_files(files_by_class: Sequence[Sequence[Path]]) -> RawSplit:
    """The files of class 0, then of class 1, ..., with their labels."""
    counts = [len(files) for files in files_by_class]
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    return RawSplit([file for files in files_by_class for file in files], labels)


def stratified_split(
    keys: Sequence[str], labels: np.ndarray, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of train and of test, both ascending, with `test_fraction` of each class in test.

    The order within a class is that of SHA-256(seed, key), so it depends on no library's
    generator and an added image moves hardly any other. Each class of at least two images
    has one or more on either side.

    Args:
        keys: one unique name an image.
        labels: int64 (N,).
        test_fraction: in (0, 1).
        seed: another seed gives another split.
    """
    rank = np.argsort([hashlib.sha256(f"{seed}:{key}".encode()).hexdigest() for key in keys])
    in_test = np.zeros(len(keys), dtype=bool)
    for label in np.unique(labels):
        members = rank[labels[rank] == label]
        count = round(test_fraction * len(members))
        in_test[members[: min(max(count, 1), len(members) - 1)]] = True
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)
