"""SUN397 (Xiao et al. 2010): scenes; its ten official partitions are lists of 50 + 50 a class."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.splits import split_files
from rankme.data.torchvision_sets import label_paths, open_dataset

OPTIONS = {
    "train_list": {
        "type": ["string", "null"],
        "default": None,
        "description": "Text file below root/SUN397 with the path of a training image a line, "
        "relative to root/SUN397; null to split by test_fraction.",
    },
    "test_list": {
        "type": ["string", "null"],
        "default": None,
        "description": "The same for the test images; give both or neither.",
    },
    "test_fraction": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": 0.5,
        "description": "Fraction of each class in the test split; the set has no official one.",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "Seed of the split that test_fraction makes.",
    },
}


def read(
    root: Path | None,
    size: int,
    *,
    train_list: str | None,
    test_list: str | None,
    test_fraction: float,
    seed: int,
) -> RawDataset:
    """Read root/SUN397/ClassName.txt and root/SUN397/<letter>/<class>/sun_*.jpg.

    Raises:
        UserError: there is neither valid data nor a network to fetch it, or a list is wrong.
    """
    part = open_dataset("SUN397", root, ("SUN397/ClassName.txt",))
    base = Path(part.root, "SUN397")
    everything = label_paths(part._image_files, part._labels)
    lists = {"train": train_list, "test": test_list}
    splits = split_files(everything, base, base, lists, test_fraction, seed)
    return RawDataset(part.classes, *splits)
