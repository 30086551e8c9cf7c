"""Pictures, and what readers and preparation make of them, for the tests of data sets."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from rankme.data.raw import RawDataset
from rankme.study.datasets import Declaration, declare

# Writes {split: {class: count}} images and returns their root.
Tree = Callable[[dict[str, dict[str, int]]], Path]


def photo(seed: int, height: int = 20, width: int = 24) -> Image.Image:
    """A smooth random RGB picture, so that resampling has something to keep."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def folder_of(root: Path, size: int = 16, **keys: object) -> Declaration:
    """The declaration of a folder of images."""
    return declare("pets", {"reader": "image_folder", "size": size, "root": str(root), **keys})


def read(reader: str, root: Path | None = None, size: int = 32, **options: object) -> RawDataset:
    """What a reader makes of a folder, its options checked as in a declaration."""
    declaration = declare("x", {"reader": reader, "size": size, "options": options})
    module = import_module(f"rankme.data.readers.{reader}")
    raw: RawDataset = module.read(root, size, declaration.options)
    return raw


def labelled(raw: RawDataset, root: Path) -> dict[str, dict[str, int]]:
    """The labels of each split by path below `root`."""
    return {
        name: {
            str(Path(path).relative_to(root)): int(label)
            for path, label in zip(split.images, split.labels, strict=True)
        }
        for name, split in raw.splits.items()
    }


def assert_same_files(one: Path, other: Path) -> None:
    """Two prepared data sets are the same files, byte for byte, and hold nothing else."""
    arrays = (f"{split}_{part}.npy" for split in ("test", "train") for part in ("images", "labels"))
    names = ["DATASET", *arrays]
    for folder in (one, other):
        assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
