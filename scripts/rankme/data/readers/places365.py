"""Places365-Standard (Zhou et al. 2017), the images of 256 pixels; its val split is the test."""

from pathlib import Path

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset

_LISTS = ("categories_places365.txt", "places365_train_standard.txt", "places365_val.txt")
_SPLITS = {"train": ("train-standard", "data_256_standard"), "test": ("val", "val_256")}


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read the lists, data_256_standard/ and val_256/ below root; torchvision checks the lists."""
    splits = {}
    for name, (published, images) in _SPLITS.items():
        needs = (*_LISTS, images)
        part = open_dataset("Places365", root, needs, split=published, small=True)
        splits[name] = label_paths(*zip(*part.imgs, strict=True))
    classes = sorted(part.class_to_idx, key=part.class_to_idx.__getitem__)
    return RawDataset([name.removeprefix("/") for name in classes], splits)
