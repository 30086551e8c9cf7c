"""Decode a data set once, into uint8 arrays that every later step maps into memory.

A preparation that was killed is taken up where it was: see `rankme.data.arrays`.
"""

import errno
import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rankme.artefacts import DATASET, save_record
from rankme.data.archives import fetch_folder
from rankme.data.arrays import SplitArray
from rankme.data.dataset import array_file
from rankme.data.raw import RawDataset, require_root
from rankme.data.validate import refuse_small_classes, validate
from rankme.errors import UserError
from rankme.files import atomic
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
            arrays = _decode_splits(raw, declaration, output, workers)
            _refuse_bad_images(arrays, declaration.skip_unreadable)
            if raw.labelled:
                refuse_small_classes(raw.classes, {n: array.labels for n, array in arrays.items()})
            _publish(output, arrays, _record(name, declaration, raw, arrays))
    except UserError as error:
        raise UserError(f"data set {name}: {error}") from error
    parts = ", ".join(f"{len(array.labels):,} {split}" for split, array in arrays.items())
    _log.info("%s: %s images of %d classes in %s", name, parts, len(raw.classes), output)


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
) -> dict[str, SplitArray]:
    """Decode all splits into arrays that do not have their names yet."""
    output.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: SplitArray(name, split, array_file(output, name, "images"), declaration.size)
        for name, split in raw.splits.items()
    }
    if not (output / DATASET).exists():
        for array in arrays.values():
            array.take_back()
    needed = sum(array.bytes_to_come() for array in arrays.values())
    if (free := shutil.disk_usage(output).free) < needed:
        raise UserError(
            f"{output}: needs {needed / 1e9:,.2f} GB, the disk has {free / 1e9:,.2f} GB free; "
            "make room, or choose a smaller size"
        )
    for array in arrays.values():
        array.decode(_identity(declaration), workers)
    return arrays


def _refuse_bad_images(arrays: dict[str, SplitArray], allowed: int) -> None:
    bad = [line for array in arrays.values() for line in array.bad_images()]
    if len(bad) <= allowed:
        return
    for array in arrays.values():
        array.remove_leftovers()
    shown = "".join(f"\n  {line}" for line in bad[:_BAD_FILES_SHOWN])
    rest = f"\n  and {len(bad) - _BAD_FILES_SHOWN} more" * (len(bad) > _BAD_FILES_SHOWN)
    raise UserError(
        f"{len(bad)} of the images cannot be decoded; replace or delete them, or allow it by "
        f"`skip_unreadable: {len(bad)}`:{shown}{rest}"
    )


def _publish(output: Path, arrays: dict[str, SplitArray], record: dict[str, Any]) -> None:
    """Give the arrays their names and write the record; a kill on the way is made good later."""
    (output / DATASET).unlink(missing_ok=True)
    for name, array in arrays.items():
        with atomic(array_file(output, name, "labels")) as file, file.open("wb") as stream:
            np.save(stream, array.labels)
        array.publish()
    save_record(output / DATASET, record)
    for array in arrays.values():
        array.remove_leftovers()


def _record(
    name: str, declaration: Declaration, raw: RawDataset, arrays: dict[str, SplitArray]
) -> dict[str, Any]:
    """The content of DATASET; no root and no date, so the same data gives the same file."""
    root = expand_root(declaration)
    content = {
        "image_size": declaration.size,
        "classes": raw.classes,
        "splits": {
            split: {"count": len(array.labels), "digest": array.digest}
            for split, array in arrays.items()
        },
    }
    return {
        "artefact": DATASET,
        "name": name,
        "declaration": _identity(declaration),
        **content,
        "digest": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        "normalisation": _normalisation(arrays["train"].histogram),
        "split": raw.split,
        "skipped": [line for array in arrays.values() for line in array.bad_images(root)],
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
