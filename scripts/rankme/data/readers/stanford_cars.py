"""Stanford Cars (Krause et al. 2013): 196 makes and models, its own split."""

from pathlib import Path

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset

_NEEDS = (
    "stanford_cars/devkit/cars_meta.mat",
    "stanford_cars/devkit/cars_train_annos.mat",
    "stanford_cars/cars_test_annos_withlabels.mat",
    "stanford_cars/cars_train",
    "stanford_cars/cars_test",
)


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read the devkit and the images below root/stanford_cars; its site is gone, so no download."""
    parts = {n: open_dataset("StanfordCars", root, _NEEDS, split=n) for n in ("train", "test")}
    splits = {n: label_paths(*zip(*part._samples, strict=True)) for n, part in parts.items()}
    return RawDataset(parts["train"].classes, splits)
