"""Caltech-101 (Fei-Fei et al. 2004), without its background class; it has no official split."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.splits import Stratified, TestFraction, stratified
from rankme.data.torchvision_sets import label_paths, open_dataset


class Options(Stratified):
    """Its split."""

    test_fraction: TestFraction = 0.3


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/caltech101/101_ObjectCategories/<class>/image_0001.jpg and so on."""
    part = open_dataset("Caltech101", root, ("caltech101/101_ObjectCategories",))
    images = Path(part.root, "101_ObjectCategories")
    files = (
        images / part.categories[label] / f"image_{number:04d}.jpg"
        for number, label in zip(part.index, part.y, strict=True)
    )
    everything = label_paths(files, part.y)
    return RawDataset(part.categories, *stratified(everything, options, images))
