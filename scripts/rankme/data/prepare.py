"""Decode a data set once, into uint8 arrays that every later step maps into memory.

A preparation that was killed is taken up where it was: see `rankme.data.partial`.
"""

import errno
import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rankme.data.archives import fetch_folder
from rankme.data.arrays import Decoded, decode_split, origin_of
from rankme.data.dataset import FORMAT, RECORD, images_file, labels_file
from rankme.data.partial import bytes_so_far, publish, remove_leftovers, take_back
from rankme.data.raw import RawDataset, RawSplit, require_root
from rankme.data.validate import refuse_small_classes, validate
from rankme.errors import UserError
from rankme.files import atomic, write_json
from rankme.study.datasets import Declaration, expand_root

_log = logging.getLogger(__name__)

_BAD_FILES_SHOWN = 5
_SMALLEST_STD = 1 / 255


def prepare(name: str, declaration: Declaration, output: Path, workers: int) -> None:
    """Read, decode and write one data set to the folder `output`.

    The arrays come under their names only once all images are good, and the record DATASET is
    written last, so a folder that has one is whole. The same images give the same bytes, also
    after any number of kills; what a killed process decoded is not decoded again, unless the
    declaration, a file (by its size and time) or Pillow has changed.

    Args:
        name: the data set's name.
        declaration: its entry in config/datasets.yaml.
        output: folder for DATASET, <split>_images.npy and <split>_labels.npy.
        workers: processes that decode.

    Raises:
        UserError: the declaration or the data is at fault, or the disk is full.
    """
    root = expand_root(declaration)
    try:
        if declaration.archive:
            fetch_folder(require_root(root), declaration.archive)
        reader = import_module(f"rankme.data.readers.{declaration.reader}")
        raw: RawDataset = reader.read(root, declaration.size, declaration.options)
        validate(raw, declaration)
        with _full_disk_explained(output):
            decoded = _decode_splits(raw, declaration, output, workers)
            _refuse_bad_images(raw, decoded, declaration.skip_unreadable, output)
            labels = _labels(raw, decoded)
            if raw.labelled:
                refuse_small_classes(raw.classes, labels)
            record = _record(name, declaration, raw, decoded, labels, root)
            _publish(output, labels, record)
    except UserError as error:
        raise UserError(f"data set {name}: {error}") from error
    parts = [f"{len(part):,} {split}" for split, part in labels.items()]
    _log.info("%s: %s images of %d classes in %s", name, ", ".join(parts), len(raw.classes), output)


@contextmanager
def _full_disk_explained(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise UserError(f"{output}: {error.strerror}; make room, then run again") from error
        raise


def _decode_splits(
    raw: RawDataset, declaration: Declaration, output: Path, workers: int
) -> dict[str, Decoded]:
    """Decode all splits into arrays that do not have their names yet."""
    output.mkdir(parents=True, exist_ok=True)
    if not (output / RECORD).exists():
        for name in raw.splits:
            take_back(images_file(output, name))
    size, identity = declaration.size, _identity(declaration)
    _refuse_full_disk(raw, size, output)
    return {
        name: decode_split(
            name, split, images_file(output, name), size, origin_of(split, identity), workers
        )
        for name, split in raw.splits.items()
    }


def _refuse_full_disk(raw: RawDataset, size: int, output: Path) -> None:
    needed = sum(
        len(split.images) * 3 * size**2 + split.labels.nbytes - bytes_so_far(images_file(output, n))
        for n, split in raw.splits.items()
    )
    free = shutil.disk_usage(output).free
    if free < needed:
        raise UserError(
            f"{output}: needs {needed / 1e9:,.2f} GB, the disk has {free / 1e9:,.2f} GB free; "
            "make room, or choose a smaller size"
        )


def _refuse_bad_images(
    raw: RawDataset, decoded: dict[str, Decoded], allowed: int, output: Path
) -> None:
    bad = [line for name, split in raw.splits.items() for line in _bad_lines(split, decoded[name])]
    if len(bad) <= allowed:
        return
    for name in raw.splits:
        remove_leftovers(images_file(output, name))
    shown = "".join(f"\n  {line}" for line in bad[:_BAD_FILES_SHOWN])
    rest = f"\n  and {len(bad) - _BAD_FILES_SHOWN} more" * (len(bad) > _BAD_FILES_SHOWN)
    raise UserError(
        f"{len(bad)} of the images cannot be decoded; replace or delete them, or allow it by "
        f"`skip_unreadable: {len(bad)}`:{shown}{rest}"
    )


def _bad_lines(split: RawSplit, decoded: Decoded, root: Path | None = None) -> list[str]:
    """The bad images of a split and what is wrong with each, by their paths below `root`."""
    files = {row: split.images[row] for row in decoded.bad}
    shown = {row: os.path.relpath(file, root) if root else file for row, file in files.items()}
    return [f"{shown[row]}: {reason}" for row, reason in decoded.bad.items()]


def _labels(raw: RawDataset, decoded: dict[str, Decoded]) -> dict[str, np.ndarray]:
    """The labels of the images that are in the arrays."""
    return {
        name: np.delete(split.labels, list(decoded[name].bad), axis=0)
        for name, split in raw.splits.items()
    }


def _publish(output: Path, labels: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Give the arrays their names and write the record; a kill on the way is made good later."""
    (output / RECORD).unlink(missing_ok=True)
    for name, values in labels.items():
        with atomic(labels_file(output, name)) as partial, partial.open("wb") as stream:
            np.save(stream, values)
        publish(images_file(output, name))
    write_json(output / RECORD, record)
    for name in labels:
        remove_leftovers(images_file(output, name))


def _record(
    name: str,
    declaration: Declaration,
    raw: RawDataset,
    decoded: dict[str, Decoded],
    labels: dict[str, np.ndarray],
    root: Path | None,
) -> dict[str, Any]:
    """The content of DATASET; no root and no date, so the same data gives the same file."""
    for split, values in labels.items():
        decoded[split].digest.update(np.ascontiguousarray(values).data)
    content = {
        "image_size": declaration.size,
        "classes": raw.classes,
        "splits": {
            split: {"count": len(labels[split]), "digest": part.digest.hexdigest()}
            for split, part in decoded.items()
        },
    }
    return {
        "artefact": RECORD,
        "format": FORMAT,
        "name": name,
        "declaration": _identity(declaration),
        **content,
        "digest": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        "normalisation": _normalisation(decoded["train"].histogram),
        "split": raw.split,
        "skipped": [
            line for n, part in decoded.items() for line in _bad_lines(raw.splits[n], part, root)
        ],
    }


def _identity(declaration: Declaration) -> dict[str, Any]:
    """The declaration as JSON values, without the place of the files."""
    identity = declaration.model_dump(mode="json", exclude={"root", "archive", "expected"})
    return identity | {"expected": declaration.expected.model_dump(exclude_none=True)}


def _normalisation(histogram: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation a channel, on the scale 0-1, from the counts (3, 256) of levels.

    Computed in integers, hence exact and equal on every machine. A constant channel gets a
    deviation of one grey level, so that dividing by it is safe.
    """
    mean, std = [], []
    for counts in histogram.tolist():
        pixels = sum(counts)
        total = sum(count * level for level, count in enumerate(counts))
        squares = sum(count * level**2 for level, count in enumerate(counts))
        mean.append(total / (255 * pixels))
        std.append(math.sqrt(pixels * squares - total**2) / (255 * pixels))
    return {"mean": mean, "std": [max(value, _SMALLEST_STD) for value in std]}
