"""Flowers-102 (Nilsback and Zisserman 2008); its val images are for training too."""

from pathlib import Path

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset

_NEEDS = tuple(f"flowers-102/{name}" for name in ("jpg", "imagelabels.mat", "setid.mat"))


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read jpg/, imagelabels.mat and setid.mat below root/flowers-102."""
    train, val, test = (
        open_dataset("Flowers102", root, _NEEDS, split=name) for name in ("train", "val", "test")
    )
    splits = {
        "train": label_paths(train._image_files + val._image_files, train._labels + val._labels),
        "test": label_paths(test._image_files, test._labels),
    }
    return RawDataset(list(test.classes), splits, "as published, train and val for training")
