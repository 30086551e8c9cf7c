"""SUN397 (Xiao et al. 2010): scenes; its ten official partitions are lists of 50 + 50 a class."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.splits import Listed, TestFraction, listed_or_stratified
from rankme.data.torchvision_sets import label_paths, open_dataset


class Options(Listed):
    """Its split; the lists lie in root/SUN397, and paths in them are below it."""

    test_fraction: TestFraction = 0.5


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/SUN397/ClassName.txt and root/SUN397/<letter>/<class>/sun_*.jpg."""
    part = open_dataset("SUN397", root, ("SUN397/ClassName.txt",))
    base = Path(part.root, "SUN397")
    everything = label_paths(part._image_files, part._labels)
    return RawDataset(part.classes, *listed_or_stratified(everything, options, base, base))
