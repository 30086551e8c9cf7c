"""CLEVR (Johnson et al. 2017) as counting: how many objects there are, from three to ten.

The task "CLEVR-count" of VTAB (Zhai et al. 2020); the set's validation images are the test split.
"""

from pathlib import Path

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset
from rankme.data.torchvision_sets import label_paths, open_dataset

_FEWEST, _MOST = 3, 10
_NEEDS = tuple(
    f"clevr/CLEVR_v1.0/{name}"
    for split in ("train", "val")
    for name in (f"images/{split}", f"scenes/CLEVR_{split}_scenes.json")
)


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read scenes/ and images/ below root/clevr/CLEVR_v1.0."""
    splits = {}
    for name, published in (("train", "train"), ("test", "val")):
        part = open_dataset("CLEVRClassification", root, _NEEDS, split=published)
        splits[name] = label_paths(part._image_files, (count - _FEWEST for count in part._labels))
    return RawDataset([f"{count} objects" for count in range(_FEWEST, _MOST + 1)], splits)
