"""What a reader hands over: images not yet decoded, and helpers that readers share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NoReturn

import numpy as np

from rankme.errors import UserError
from rankme.study.settings import Settings

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class NoOptions(Settings):
    """It has none."""


@dataclass(frozen=True)
class RawSplit:
    """Images as paths of files or as uint8 (N, H, W, 3) of any H and W, with their labels.

    Labels are int64 (N,), or uint8 (N, C) of 0 and 1 where an image may show several classes.
    """

    images: Sequence[str] | np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class RawDataset:
    """What a reader makes of its files.

    Attributes:
        classes: names in label order.
        splits: "train" and "test".
        split: where the split comes from, for the record.
        labelled: whether the labels mean anything; a dataset without has one class.
    """

    classes: list[str]
    splits: dict[str, RawSplit]
    split: str = "as published"
    labelled: bool = True


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


def list_images(folder: Path) -> list[str]:
    """Paths of all image files below `folder`, sorted; others, and hidden ones, are passed over.

    They are strings, since a million of them as `Path` would take half a gigabyte.

    Raises:
        UserError: `folder` or one below it cannot be read, or there is no image.
    """
    found = [
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder, onerror=_refuse, followlinks=True)
        for name in names
        if name.lower().endswith(_SUFFIXES) and not name.startswith(".")
    ]
    if not found:
        raise UserError(
            f"{folder}: holds no image; expected files that end in {' '.join(_SUFFIXES)}"
        )
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error


def label_folders(root: Path, names: Sequence[str]) -> RawSplit:
    """The images below root/<name> with the place of the name as their label, name by name.

    Raises:
        UserError: see `list_images`.
    """
    files = [list_images(root / name) for name in names]
    labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(part) for part in files])
    return RawSplit(list(chain(*files)), labels)
