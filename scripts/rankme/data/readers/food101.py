"""Food-101 (Bossard et al. 2014): 101 dishes, its own split; the training labels hold noise."""

from pathlib import Path

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset, same_classes

_NEEDS = ("food-101/meta/train.json", "food-101/meta/test.json", "food-101/images")


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read meta/train.json, meta/test.json and images/ below root/food-101."""
    parts = {n: open_dataset("Food101", root, _NEEDS, split=n) for n in ("train", "test")}
    splits = {n: label_paths(part._image_files, part._labels) for n, part in parts.items()}
    return RawDataset(same_classes(parts["train"].classes, parts["test"].classes), splits)
