"""Decode a data set once, into uint8 arrays that every later step maps into memory."""

import errno
import hashlib
import json
import logging
import math
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from rankme.data.dataset import FORMAT, RECORD, images_file, labels_file
from rankme.data.declarations import expand_root, load_reader, resolve
from rankme.data.decode import decode_chunk
from rankme.data.raw import RawDataset, RawSplit
from rankme.errors import UserError
from rankme.files import atomic, write_json

_log = logging.getLogger(__name__)

_CHUNK_PIXELS = 1 << 20
_SECONDS_BETWEEN_LINES = 10.0
_BAD_FILES_SHOWN = 5
_SMALLEST_STD = 1 / 255


@dataclass
class Written:
    """What is known of a split's images once they are on disk."""

    digest: Any = field(default_factory=hashlib.sha256)
    histogram: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), dtype=np.int64))
    bad: list[str] = field(default_factory=list)

    def add(self, images: np.ndarray, bad: list[str]) -> None:
        """Take in the next uint8 (n, H, W, 3) images."""
        self.digest.update(images)
        self.bad += bad
        for channel in range(3):
            self.histogram[channel] += np.bincount(images[..., channel].ravel(), minlength=256)


def prepare(name: str, declaration: dict[str, Any], output: Path, workers: int) -> None:
    """Read, decode and write one data set to the folder `output`.

    The arrays come under their names only once all images are good, and the record DATASET is
    written last, so a folder that has one is whole. The same images give the same bytes.

    Args:
        name: the data set's name.
        declaration: its entry in config/datasets.yaml.
        output: folder for DATASET, <split>_images.npy and <split>_labels.npy.
        workers: processes that decode.

    Raises:
        UserError: the declaration or the data is at fault, or the disk is full.
    """
    declaration = resolve({name: declaration})[name]
    root = expand_root(declaration)
    try:
        reader = load_reader(declaration["reader"])
        raw = reader.read(root, declaration["size"], **declaration["options"])
        _check(raw)
        written = _write_arrays(raw, declaration["size"], output, workers)
    except UserError as error:
        raise UserError(f"data set {name}: {error}") from error
    write_json(output / RECORD, _record(name, declaration, raw, written))
    _log.info("%s: %s in %s", name, _counts(raw), output)


def _check(raw: RawDataset) -> None:
    """Refuse data on which no classifier can be trained, selected and tested."""
    if len(raw.classes) < 2:
        raise UserError(f"{len(raw.classes)} class; expected 2 or more")
    for split, least in (("train", 2), ("test", 1)):
        counts = np.bincount(raw.splits[split].labels, minlength=len(raw.classes))
        short = [f"{raw.classes[c]} ({counts[c]})" for c in np.flatnonzero(counts < least)]
        if short:
            why = ", so that a head can be selected on a part of them" if split == "train" else ""
            raise UserError(
                f"each class needs {least} or more {split} images{why}; too few in "
                f"{len(short)} of {len(raw.classes)} classes: {', '.join(short[:5])}; "
                "add images or remove the class"
            )


def _write_arrays(raw: RawDataset, size: int, output: Path, workers: int) -> dict[str, Written]:
    """Write all splits under temporary names, then, if every image was good, rename them."""
    output.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(raw, size, output)
    written = {}
    try:
        with ExitStack() as files:
            for name, split in raw.splits.items():
                images = files.enter_context(atomic(images_file(output, name)))
                labels = files.enter_context(atomic(labels_file(output, name)))
                written[name] = _write_images(images, name, split, size, workers)
                written[name].digest.update(split.labels)
                with labels.open("wb") as stream:
                    np.save(stream, split.labels)
            _refuse_bad_images([line for split in written.values() for line in split.bad])
            (output / RECORD).unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise UserError(f"{output}: {error.strerror}; make room, then run again") from error
        raise
    return written


def _refuse_full_disk(raw: RawDataset, size: int, output: Path) -> None:
    needed = sum(len(split.labels) for split in raw.splits.values()) * (3 * size * size + 8)
    free = shutil.disk_usage(output).free
    if free < needed:
        raise UserError(
            f"{output}: needs {needed / 1e9:,.2f} GB, the disk has {free / 1e9:,.2f} GB free; "
            "make room, or choose a smaller size"
        )


def _refuse_bad_images(bad: list[str]) -> None:
    if bad:
        shown = "".join(f"\n  {line}" for line in bad[:_BAD_FILES_SHOWN])
        rest = f"\n  and {len(bad) - _BAD_FILES_SHOWN} more" * (len(bad) > _BAD_FILES_SHOWN)
        raise UserError(
            f"{len(bad)} of the images cannot be decoded; replace or delete them:{shown}{rest}"
        )


def _write_images(path: Path, name: str, split: RawSplit, size: int, workers: int) -> Written:
    """Write the .npy file front to back; with a memory map a full disk would kill the process."""
    written = Written()
    shape = (len(split.labels), size, size, 3)
    with path.open("wb") as stream, _Progress(name, shape[0]) as progress:
        _write_header(stream, shape)
        for images, bad in _decoded(split.images, size, workers):
            stream.write(images.data)
            written.add(images, bad)
            progress.advance(len(images))
    return written


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _decoded(
    images: Sequence[Path] | np.ndarray, size: int, workers: int
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Decoded chunks in order; no more than twice `workers` of them are in memory at a time."""
    length = max(1, _CHUNK_PIXELS // size**2)
    chunks = [images[start : start + length] for start in range(0, len(images), length)]
    if workers <= 1 or len(chunks) == 1 or isinstance(images, np.ndarray):
        yield from (decode_chunk(chunk, size) for chunk in chunks)
        return
    # Spawned, not forked: the reader may have started threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending: deque[Future[tuple[np.ndarray, list[str]]]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(decode_chunk, chunk, size))
                if len(pending) == 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a decoding process was killed, most likely for lack of memory; use fewer workers"
            ) from error


class _Progress:
    """A bar on a terminal, elsewhere a line in the log now and then."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._bar = tqdm(total=total, desc=name, unit=" images", disable=None, leave=False)
        self._total, self._done = total, 0
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, count: int) -> None:
        self._bar.update(count)
        self._done += count
        if self._bar.disable and time.monotonic() > self._next_line:
            _log.info("%s: %s of %s images", self._name, f"{self._done:,}", f"{self._total:,}")
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES


def _record(
    name: str, declaration: dict[str, Any], raw: RawDataset, written: dict[str, Written]
) -> dict[str, Any]:
    """The content of DATASET; no root and no date, so the same data gives the same file."""
    identity = {
        "image_size": declaration["size"],
        "classes": raw.classes,
        "splits": {
            split: {"count": len(raw.splits[split].labels), "digest": part.digest.hexdigest()}
            for split, part in written.items()
        },
    }
    return {
        "artefact": RECORD,
        "format": FORMAT,
        "name": name,
        "declaration": {key: value for key, value in declaration.items() if key != "root"},
        **identity,
        "digest": hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        "normalisation": _normalisation(written["train"].histogram),
    }


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


def _counts(raw: RawDataset) -> str:
    parts = [f"{len(split.labels):,} {name}" for name, split in raw.splits.items()]
    return f"{', '.join(parts)} images of {len(raw.classes)} classes"
