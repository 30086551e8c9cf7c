"""Tiny ImageNet in its original layout: 200 classes, 64 x 64, its val images as test split."""

from pathlib import Path

import numpy as np

from rankme.data.raw import NoOptions as Options
from rankme.data.raw import RawDataset, RawSplit, label_folders, require_root
from rankme.errors import UserError

FETCHES = False


def read(root: Path | None, size: int, options: Options) -> RawDataset:
    """Read wnids.txt (the label order), words.txt (names), train/ and val/.

    The val images lie in one flat folder; their classes are in val/val_annotations.txt.
    A class is named as in "goldfish (n01443537)", since words.txt gives some names twice.

    Raises:
        UserError: a file or folder of the layout is missing or says something else.
    """
    folder = require_root(root)
    wnids = [line[0] for line in _table(folder / "wnids.txt", columns=1)]
    words = {wnid: name for wnid, name, *_ in _table(folder / "words.txt", columns=2)}
    classes = [f"{words.get(wnid, wnid).split(',')[0]} ({wnid})" for wnid in wnids]
    train = label_folders(folder / "train", wnids)
    return RawDataset(classes, {"train": train, "test": _read_val(folder / "val", wnids)})


def _read_val(folder: Path, wnids: list[str]) -> RawSplit:
    annotations = folder / "val_annotations.txt"
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    rows = _table(annotations, columns=2)
    unknown = sorted({wnid for _, wnid, *_ in rows} - set(wnids))
    if unknown:
        raise UserError(f"{annotations}: class {unknown[0]} is not in wnids.txt; unpack again")
    labels = np.array([label_of[wnid] for _, wnid, *_ in rows], dtype=np.int64)
    return RawSplit([str(folder / "images" / name) for name, *_ in rows], labels)


def _table(file: Path, columns: int) -> list[list[str]]:
    try:
        rows = [line.split("\t") for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file}: cannot be read ({error}); `root:` must be the folder tiny-imagenet-200 "
            "that http://cs231n.stanford.edu/tiny-imagenet-200.zip unpacks to"
        ) from error
    for number, row in enumerate(rows, start=1):
        if len(row) < columns:
            raise UserError(f"{file}: line {number} has {len(row)} columns, expected {columns}")
    return rows
