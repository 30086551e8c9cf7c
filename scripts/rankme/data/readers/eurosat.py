"""EuroSAT (Helber et al. 2019): ten kinds of land use from space; it has no official split."""

from pathlib import Path

from rankme.data.raw import RawDataset
from rankme.data.splits import Listed, TestFraction, listed_or_stratified
from rankme.data.torchvision_sets import label_paths, open_dataset


class Options(Listed):
    """Its split; the lists lie in root/eurosat, and paths in them are below root/eurosat/2750."""

    test_fraction: TestFraction = 0.2


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read root/eurosat/2750/<class>/*.jpg."""
    part = open_dataset("EuroSAT", root, ("eurosat/2750",))
    base = Path(part.root, "eurosat")
    everything = label_paths(*zip(*part.samples, strict=True))
    return RawDataset(part.classes, *listed_or_stratified(everything, options, base / "2750", base))
