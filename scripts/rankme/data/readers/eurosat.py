"""EuroSAT (Helber et al. 2019): ten kinds of land use from space; it has no official split."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.splits import split_files
from rankme.data.torchvision_sets import label_paths, open_dataset

OPTIONS = {
    "train_list": {
        "type": ["string", "null"],
        "default": None,
        "description": "Text file below root/eurosat with the path of a training image a line, "
        "relative to root/eurosat/2750; null to split by test_fraction.",
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
        "default": 0.2,
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
    """Read root/eurosat/2750/<class>/*.jpg.

    Raises:
        UserError: there is neither valid data nor a network to fetch it, or a list is wrong.
    """
    part = open_dataset("EuroSAT", root, ("eurosat/2750",))
    base = Path(part.root, "eurosat")
    everything = label_paths(*zip(*part.samples, strict=True))
    lists = {"train": train_list, "test": test_list}
    splits = split_files(everything, base / "2750", base, lists, test_fraction, seed)
    return RawDataset(part.classes, *splits)
