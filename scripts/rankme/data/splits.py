"""Splits into train and test for data sets that come without one."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from rankme.data.raw import RawSplit
from rankme.errors import UserError


def split_files(
    everything: RawSplit,
    images: Path,
    base: Path,
    lists: dict[str, str | None],
    test_fraction: float,
    seed: int,
) -> tuple[dict[str, RawSplit], str]:
    """Split by two lists if they are given, else by `stratified`; and a line for DATASET.

    Args:
        everything: all files, below `images`.
        images: folder that paths in lists are relative to.
        base: folder of the lists.
        lists: name of the file for "train" and for "test", both or neither.
        test_fraction: see `stratified`.
        seed: see `stratified`.

    Raises:
        UserError: only one list is given, or see `listed`.
    """
    given = {split: base / name for split, name in lists.items() if name}
    if len(given) == 1:
        raise UserError("options: give both train_list and test_list, or neither")
    if given:
        return listed(everything, images, given)
    return stratified(everything, images, test_fraction, seed)


def stratified(
    everything: RawSplit, images: Path, test_fraction: float, seed: int
) -> tuple[dict[str, RawSplit], str]:
    """Files split by `stratified_split` on their paths below `images`; and a line for DATASET."""
    keys = [_below(images, file) for file in everything.images]
    train, test = stratified_split(keys, everything.labels, test_fraction, seed)
    splits = {"train": _rows(everything, train), "test": _rows(everything, test)}
    return splits, describe_stratified(test_fraction, seed)


def describe_stratified(test_fraction: float, seed: int) -> str:
    """The line for DATASET."""
    return f"stratified: {test_fraction} of each class for testing, seed {seed}"


def listed(
    everything: RawSplit, images: Path, lists: dict[str, Path]
) -> tuple[dict[str, RawSplit], str]:
    """Files split by text files with a path below `images` a line; and a line for DATASET.

    Files that no list names are left out.

    Raises:
        UserError: a list cannot be read, or names a file that is not there or is listed already.
    """
    named = {split: _lines(path) for split, path in lists.items()}
    twice = [name for name, count in Counter(chain(*named.values())).items() if count > 1]
    if twice:
        both = " and ".join(map(str, lists.values()))
        raise UserError(f"{both}: {twice[0]!r} is listed twice ({len(twice)} such images)")
    row_of = {_below(images, file): row for row, file in enumerate(everything.images)}
    for split, names in named.items():
        unknown = [name for name in names if name not in row_of]
        if unknown:
            raise UserError(
                f"{lists[split]}: {unknown[0]!r} is not in {images} ({len(unknown)} such lines)"
            )
    rows = {split: [row_of[name] for name in names] for split, names in named.items()}
    origin = f"lists: {', '.join(path.name for path in lists.values())}"
    return {split: _rows(everything, np.array(r, np.int64)) for split, r in rows.items()}, origin


def stratified_split(
    keys: Sequence[str], labels: np.ndarray, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of train and of test, both ascending, with `test_fraction` of each class in test.

    The order within a class is that of SHA-256(seed, key), so it depends on no library's
    generator and an added image moves hardly any other. Each class of at least two images
    has one or more on either side.

    Args:
        keys: one unique name an image.
        labels: int64 (N,).
        test_fraction: in (0, 1).
        seed: another seed gives another split.
    """
    rank = np.argsort([hashlib.sha256(f"{seed}:{key}".encode()).hexdigest() for key in keys])
    in_test = np.zeros(len(keys), dtype=bool)
    for label in np.unique(labels):
        members = rank[labels[rank] == label]
        count = round(test_fraction * len(members))
        in_test[members[: min(max(count, 1), len(members) - 1)]] = True
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def _rows(everything: RawSplit, rows: np.ndarray) -> RawSplit:
    return RawSplit([everything.images[row] for row in rows], everything.labels[rows])


def _below(root: Path, file: str) -> str:
    return file.removeprefix(str(root)).lstrip("/")


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of images ({error})") from error
    return [line.strip().lstrip("/") for line in lines if line.strip()]
