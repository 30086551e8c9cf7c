"""Refuse data on which no classifier can be trained, selected and tested, before it is decoded."""

from collections.abc import Iterator

import numpy as np

from rankme.data.raw import RawDataset
from rankme.errors import UserError, refuse
from rankme.study.datasets import Declaration, Expected

_LEAST = {"train": 2, "test": 1}


def validate(raw: RawDataset, declaration: Declaration) -> None:
    """Check pixels, classes, counts and labels against each other and against the declaration.

    Raises:
        UserError: with every fault found, a line each.
    """
    refuse(_pixel_faults(raw))
    refuse(_label_faults(raw, declaration.metric))
    refuse(_unexpected(raw, declaration.expected))
    if raw.labelled:
        refuse_small_classes(raw.classes, {name: s.labels for name, s in raw.splits.items()})


def refuse_small_classes(classes: list[str], labels: dict[str, np.ndarray]) -> None:
    """Refuse a class without enough images for training, selecting and testing.

    Raises:
        UserError: naming the first few of them.
    """
    if len(classes) < 2:
        raise UserError(f"{len(classes)} class; expected 2 or more")
    for split, least in _LEAST.items():
        counts = images_by_class(labels[split], len(classes))
        short = [f"{classes[c]} ({counts[c]})" for c in np.flatnonzero(counts < least)]
        if short:
            why = ", so that a head can be selected on a part of them" if split == "train" else ""
            raise UserError(
                f"each class needs {least} or more {split} images{why}; too few in "
                f"{len(short)} of {len(classes)} classes: {', '.join(short[:5])}; "
                "add images or remove the class"
            )


def images_by_class(labels: np.ndarray, classes: int) -> np.ndarray:
    """Number of images of each class, int64 (C,), from labels (N,) or (N, C)."""
    if labels.ndim == 2:
        return labels.sum(axis=0, dtype=np.int64)
    return np.bincount(labels, minlength=classes)


def _pixel_faults(raw: RawDataset) -> Iterator[str]:
    for name, split in raw.splits.items():
        images = split.images
        if isinstance(images, np.ndarray) and (
            images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3
        ):
            yield (
                f"{name}: images {images.shape} of {images.dtype} are no uint8 (N, H, W, 3); "
                "the reader is to hand them over so"
            )


def _label_faults(raw: RawDataset, metric: str) -> Iterator[str]:
    count = len(raw.classes)
    for name, split in raw.splits.items():
        labels = split.labels
        if len(labels) != len(split.images):
            yield f"{name}: {len(split.images)} images but {len(labels)} labels"
        if (labels.ndim == 2) != (metric == "map"):
            fitting = "map" if labels.ndim == 2 else "top1"
            yield f"metric: {metric!r} does not fit these labels; write `metric: {fitting}`"
        elif labels.ndim == 2 and (labels.shape[1] != count or labels.max(initial=0) > 1):
            yield f"{name}: labels {labels.shape} must be 0 or 1 for each of {count} classes"
        elif labels.ndim == 1 and (labels.min(initial=0) < 0 or labels.max(initial=0) >= count):
            low, high = labels.min(), labels.max()
            yield f"{name}: labels from {low} to {high}, but there are {count} classes"


def _unexpected(raw: RawDataset, expected: Expected) -> Iterator[str]:
    found = {name: len(split.labels) for name, split in raw.splits.items()}
    found["classes"] = len(raw.classes)
    for key, count in expected:
        if count is not None and found[key] != count:
            what = "classes" if key == "classes" else f"{key} images"
            yield (
                f"expected {count:,} {what}, found {found[key]:,}; the copy is incomplete or "
                "another version: fetch it again, or correct `expected:` in the declaration"
            )
