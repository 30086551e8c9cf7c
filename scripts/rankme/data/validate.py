"""Refuse data on which no classifier can be trained, selected and tested, before it is decoded."""

from collections.abc import Iterator

import numpy as np

from rankme.data.raw import RawDataset, RawSplit
from rankme.errors import UserError, refuse
from rankme.study.datasets import Declaration, Expected

_LEAST = {"train": 2, "test": 1}


def validate(raw: RawDataset, declaration: Declaration) -> None:
    """Check pixels, classes, counts and labels against each other and against the declaration.

    Raises:
        UserError: with every fault found, a line each.
    """
    faults = list(_unexpected(raw, declaration.expected))
    for name, split in raw.splits.items():
        faults += _split_faults(name, split, len(raw.classes), declaration.metric)
    refuse(faults)
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
        own = labels[split]
        counts = own.sum(axis=0) if own.ndim == 2 else np.bincount(own, minlength=len(classes))
        short = [f"{classes[c]} ({counts[c]})" for c in np.flatnonzero(counts < least)]
        if short:
            why = ", so that a head can be selected on a part of them" if split == "train" else ""
            raise UserError(
                f"each class needs {least} or more {split} images{why}; too few in "
                f"{len(short)} of {len(classes)} classes: {', '.join(short[:5])}; "
                "add images or remove the class"
            )


def _split_faults(name: str, split: RawSplit, classes: int, metric: str) -> Iterator[str]:
    images, labels = split.images, split.labels
    if isinstance(images, np.ndarray) and (
        images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3
    ):
        yield (
            f"{name}: images {images.shape} of {images.dtype} are no uint8 (N, H, W, 3); "
            "the reader is to hand them over so"
        )
    if len(labels) != len(images):
        yield f"{name}: {len(images)} images but {len(labels)} labels"
    if (labels.ndim == 2) != (metric == "map"):
        fitting = "map" if labels.ndim == 2 else "top1"
        yield f"metric: {metric!r} does not fit these labels; write `metric: {fitting}`"
    elif labels.ndim == 2 and (labels.shape[1] != classes or labels.max(initial=0) > 1):
        yield f"{name}: labels {labels.shape} must be 0 or 1 for each of {classes} classes"
    elif labels.ndim == 1 and (labels.min(initial=0) < 0 or labels.max(initial=0) >= classes):
        low, high = labels.min(), labels.max()
        yield f"{name}: labels from {low} to {high}, but there are {classes} classes"


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
