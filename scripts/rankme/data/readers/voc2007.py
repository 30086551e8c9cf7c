"""PASCAL VOC 2007 (Everingham et al. 2010) as classification of 20 kinds of objects: metric map.

An image shows a class if it holds an object of it that is not marked as difficult. The official
evaluation leaves an image whose objects of a class are all difficult out of that class; here it is
a negative of the class, since labels are 0 or 1. Trainval is for training.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset, RawSplit
from rankme.data.torchvision_sets import open_dataset
from rankme.errors import UserError

_BASE = "VOCdevkit/VOC2007"
_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read ImageSets/Main, Annotations/ and JPEGImages/ below root/VOCdevkit/VOC2007."""
    splits = {}
    for name, published in (("train", "trainval"), ("test", "test")):
        needs = (f"{_BASE}/ImageSets/Main/{published}.txt",)
        part = open_dataset("VOCDetection", root, needs, year="2007", image_set=published)
        splits[name] = RawSplit(part.images, np.stack([_labels(file) for file in part.annotations]))
    return RawDataset(list(_CLASSES), splits)


def _labels(annotation: str) -> np.ndarray:
    """uint8 (20,): 1 for each class that an annotated image shows."""
    try:
        objects = ElementTree.parse(annotation).getroot().findall("object")
        shown = {
            item.findtext("name", "").strip()
            for item in objects
            if item.findtext("difficult", "").strip() != "1"
        }
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{annotation}: cannot be read ({error}); unpack the set again") from error
    unknown = sorted(shown - set(_CLASSES))
    if unknown:
        raise UserError(f"{annotation}: {unknown[0]!r} is none of the classes of VOC 2007")
    return np.array([name in shown for name in _CLASSES], dtype=np.uint8)
