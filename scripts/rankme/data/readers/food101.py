"""Food-101 (Bossard et al. 2014): 101 dishes, its own split; the training labels hold noise."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset, same_classes
from rankme.study.settings import Settings

_NEEDS = ("food-101/meta/train.json", "food-101/meta/test.json", "food-101/images")


class Options(Settings):
    """It has none."""


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read meta/train.json, meta/test.json and images/ below root/food-101.

    Raises:
        UserError: there is neither valid data nor a network to fetch it.
    """
    train, test = (open_dataset("Food101", root, _NEEDS, split=name) for name in ("train", "test"))
    splits = {"train": train, "test": test}
    return RawDataset(
        same_classes(train.classes, test.classes),
        {name: label_paths(part._image_files, part._labels) for name, part in splits.items()},
    )
