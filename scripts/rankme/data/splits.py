"""Splits of a dataset in two: stratified by class, or as lists of files say."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from rankme.data.raw import RawSplit
from rankme.errors import UserError
from rankme.study.settings import Settings, key

_FRACTION = "Fraction of each class in the test split; the set has no official one."

TestFraction = Annotated[float, Field(gt=0, lt=1, description=_FRACTION)]
SplitSeed = Annotated[int, Field(ge=0, description="Seed of the split that test_fraction makes.")]

Splits = tuple[dict[str, RawSplit], str]
"""The splits "train" and "test", and a line for DATASET that says where they come from."""


class Stratified(Settings):
    """Options of a reader whose set has no official split."""

    test_fraction: TestFraction
    seed: SplitSeed = 0


class Listed(Stratified):
    """Options of a reader that also takes its split from two lists, beside the images."""

    train_list: str | None = key(
        None,
        "Text file in the set's folder with the path of a training image a line,"
        " relative to the folder of the images; null to split by test_fraction.",
    )
    test_list: str | None = key(None, "The same for the test images; give both or neither.")


def listed_or_stratified(
    everything: RawSplit, options: Listed, images: Path, folder: Path
) -> Splits:
    """Files split by two lists in `folder`, else stratified; files that no list names are left out.

    Args:
        everything: all files.
        options: both lists or neither.
        images: folder that paths in lists are relative to.
        folder: holds the lists.

    Raises:
        UserError: only one list is given, or it cannot be read, or names a file that is not there
            or is listed already; or see `stratified_split`.
    """
    names = {"train": options.train_list, "test": options.test_list}
    lists = {split: folder / name for split, name in names.items() if name}
    if not lists:
        return stratified(everything, options, images)
    if len(lists) == 1:
        raise UserError("options: give both train_list and test_list, or neither")
    return _listed(everything, images, lists)


def _listed(everything: RawSplit, images: Path, lists: dict[str, Path]) -> Splits:
    named = {split: _lines(path) for split, path in lists.items()}
    twice = [name for name, count in Counter(chain(*named.values())).items() if count > 1]
    if twice:
        both = " and ".join(map(str, lists.values()))
        raise UserError(f"{both}: {twice[0]!r} is listed twice ({len(twice)} such images)")
    row_of = {_path_below(images, file): row for row, file in enumerate(everything.images)}
    splits = {}
    for split, names in named.items():
        unknown = [name for name in names if name not in row_of]
        if unknown:
            raise UserError(
                f"{lists[split]}: {unknown[0]!r} is not in {images} ({len(unknown)} such lines)"
            )
        splits[split] = _rows(everything, np.array([row_of[name] for name in names], np.int64))
    return splits, f"lists: {', '.join(path.name for path in lists.values())}"


def stratified(everything: RawSplit, options: Stratified, images: Path | None = None) -> Splits:
    """Files split by `stratified_split` on their paths below `images`; an array on its indices.

    Raises:
        UserError: see `stratified_split`.
    """
    keys = [_path_below(images, file) for file in everything.images] if images else None
    train, test = stratified_split(everything.labels, options.test_fraction, options.seed, keys)
    origin = f"stratified: {options.test_fraction} of each class for testing, seed {options.seed}"
    return {"train": _rows(everything, train), "test": _rows(everything, test)}, origin


def stratified_split(
    labels: np.ndarray, fraction: float, seed: int, keys: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rest and of what is held out, ascending: together all, and disjoint.

    Of each class the given fraction is held out, but at least one and never all; the only member of
    a class is in the rest. The order within a class is that of SHA-256(seed, key), so it depends on
    no library's generator and an added image moves hardly any other.

    Args:
        labels: classes (N,), or 0/1 matrix (N, C) where an image may have several; it counts for
            its rarest.
        fraction: to hold out, in (0, 1).
        seed: another seed gives another split.
        keys: one unique name an image; its index by default.

    Raises:
        UserError: no class has two members.
    """
    strata = labels if labels.ndim == 1 else _rarest_label(labels)
    names = map(str, range(len(strata))) if keys is None else keys
    digests = np.array([hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names])
    order = np.lexsort((digests, strata))
    _, starts = np.unique(strata[order], return_index=True)
    held_out = np.zeros(len(strata), dtype=bool)
    for members in np.split(order, starts[1:]):
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out[members[:count]] = True
    if not held_out.any():
        raise UserError(
            f"none of {len(labels)} training images can be held out to select or test a head: "
            "each class has only one; add images"
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _rarest_label(labels: np.ndarray) -> np.ndarray:
    """The least frequent of each image's labels, (N,); C for an image that has none."""
    counts = labels.sum(axis=0, dtype=np.int64)
    rarest = np.where(labels > 0, counts, len(labels) + 1).argmin(axis=1)
    return np.where(labels.any(axis=1), rarest, labels.shape[1])


def _rows(everything: RawSplit, rows: np.ndarray) -> RawSplit:
    images, labels = everything.images, everything.labels[rows]
    if isinstance(images, np.ndarray):
        return RawSplit(images[rows], labels)
    return RawSplit([images[row] for row in rows], labels)


def _path_below(root: Path, file: str) -> str:
    return file.removeprefix(str(root)).lstrip("/")


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of images ({error})") from error
    return [line.strip().lstrip("/") for line in lines if line.strip()]
