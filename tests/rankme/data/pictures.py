"""Pictures for the tests of data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

# Writes {split: {class: count}} images and returns their root.
Tree = Callable[[dict[str, dict[str, int]]], Path]


def photo(seed: int, height: int = 20, width: int = 24) -> Image.Image:
    """A smooth random RGB picture, so that resampling has something to keep."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def assert_same_files(one: Path, other: Path) -> None:
    """Two prepared data sets are the same files, byte for byte, and hold nothing else."""
    arrays = (f"{split}_{part}.npy" for split in ("test", "train") for part in ("images", "labels"))
    names = ["DATASET", *arrays]
    for folder in (one, other):
        assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
