"""A split decoded to an array on disk, going on where an earlier process was killed.

Two hidden files stand beside the .npy file to come: `.<name>.partial`, the array so far, and
`.<name>.journal`, JSON lines: what the images are decoded from, then one line a chunk with the
checksum of its bytes. A chunk counts once its line is whole and the bytes agree with it, so nothing
needs to be synchronised while decoding, and a kill or a power cut costs the last chunks at most.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
import PIL

from rankme.data.decode import Chunk
from rankme.data.progress import progress
from rankme.data.raw import RawSplit
from rankme.data.workers import decode_all

_log = logging.getLogger(__name__)


class SplitArray:
    """The images of a split on their way to the .npy file `path`, uint8 (N, size, size, 3).

    Attributes:
        count: images seen, good and bad.
        bad: index of each image that could not be decoded, and what is wrong with it.
        histogram: int64 (3, 256), how often each level occurs in each channel.
    """

    def __init__(self, name: str, split: RawSplit, path: Path, size: int) -> None:
        self.count = 0
        self.bad: dict[int, str] = {}
        self.histogram = np.zeros((3, 256), dtype=np.int64)
        self._digest = hashlib.sha256()
        self._name, self._split, self._path, self._size = name, split, path, size
        self._partial = path.with_name(f".{path.name}.partial")
        self._journal = path.with_name(f".{path.name}.journal")

    @property
    def labels(self) -> np.ndarray:
        """The labels of the images that could be decoded."""
        return np.delete(self._split.labels, list(self.bad), axis=0)

    @property
    def digest(self) -> str:
        """SHA-256 of images and labels."""
        digest = self._digest.copy()
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    def bad_images(self, root: Path | None = None) -> list[str]:
        """Each image that could not be decoded, by its path below `root`, and what is wrong."""
        lines = []
        for row, reason in self.bad.items():
            file = self._split.images[row]
            lines.append(f"{os.path.relpath(file, root) if root else file}: {reason}")
        return lines

    def decode(self, identity: dict[str, Any], workers: int) -> None:
        """Decode all images but those that an earlier process decoded from the same.

        Args:
            identity: all that decides the bytes, beside the images and Pillow.
            workers: processes that decode.
        """
        for path in (self._partial, self._journal):
            path.touch()
        # Plain sequential writes, since a full disk ends a process that writes to a memory map.
        with (
            self._partial.open("r+b") as array,
            self._journal.open("r+b") as journal,
            progress(self._name, len(self._split.images)) as advance,
        ):
            for chunk in self._recover(array, journal, _origin(self._split, identity)):
                self._take_in(chunk)
                advance(len(chunk))
            if self.count:
                _log.info("%s: %s images were decoded before", self._name, f"{self.count:,}")
            for chunk in decode_all(self._split.images, self._size, workers, self.count):
                _append(chunk, array, journal)
                self._take_in(chunk)
                advance(len(chunk))
            array.seek(0)
            array.write(self._header(self.count - len(self.bad)))
            array.flush()
            os.fsync(array.fileno())

    def _take_in(self, chunk: Chunk) -> None:
        self._digest.update(chunk.images.data)
        self.bad |= {self.count + row: reason for row, reason in chunk.bad.items()}
        self.count += len(chunk)
        self.histogram += chunk.histogram

    def _recover(self, array: BinaryIO, journal: BinaryIO, origin: str) -> Iterator[Chunk]:
        """The chunks that are whole, if their origin is this; then drop all behind the last."""
        first_line = _line({"origin": origin})
        if journal.readline() != first_line:
            journal.seek(0)
            journal.truncate()
            journal.write(first_line)
            journal.flush()
        ends = array.seek(len(self._header(0))), journal.tell()
        while (chunk := self._read_chunk(array, journal)) is not None:
            ends = array.tell(), journal.tell()
            yield chunk
        for file, end in zip((array, journal), ends, strict=True):
            file.seek(end)
            file.truncate()

    def _read_chunk(self, array: BinaryIO, journal: BinaryIO) -> Chunk | None:
        """The next chunk, if it is whole."""
        line = journal.readline()
        if not line.endswith(b"\n"):
            return None
        try:
            entry = json.loads(line)
        except ValueError:
            return None
        shape = (entry["images"], self._size, self._size, 3)
        data = array.read(math.prod(shape))
        if crc32(data) != entry["crc32"]:
            return None
        bad = {int(row): reason for row, reason in entry["bad"].items()}
        return Chunk(np.frombuffer(data, np.uint8).reshape(shape), bad)

    def _header(self, count: int) -> bytes:
        """The head of a .npy file, which has the same length for any count."""
        stream = BytesIO()
        shape = (count, self._size, self._size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        return stream.getvalue()

    def publish(self) -> None:
        """Give the finished array its name."""
        os.replace(self._partial, self._path)

    def take_back(self) -> None:
        """Undo `publish`, where a kill came before the data set was whole."""
        if self._path.exists() and self._journal.exists() and not self._partial.exists():
            os.replace(self._path, self._partial)

    def bytes_to_come(self) -> int:
        """What images and labels need on disk, beside what is there of the images."""
        there = self._partial.stat().st_size if self._partial.exists() else 0
        labels = self._split.labels.nbytes
        return len(self._split.images) * 3 * self._size**2 + labels - there

    def remove_leftovers(self) -> None:
        """Remove what is hidden."""
        for path in (self._journal, self._partial):
            path.unlink(missing_ok=True)


def _append(chunk: Chunk, array: BinaryIO, journal: BinaryIO) -> None:
    """Add a chunk; it is safe from a kill when this returns."""
    array.write(chunk.images.data)
    array.flush()
    checksum = crc32(chunk.images.data)
    journal.write(_line({"images": len(chunk.images), "crc32": checksum, "bad": chunk.bad}))
    journal.flush()


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _origin(split: RawSplit, identity: dict[str, Any]) -> str:
    """A digest of all that decides a split's bytes, with files by their size and time."""
    digest = hashlib.sha256(json.dumps([PIL.__version__, identity]).encode())
    if isinstance(split.images, np.ndarray):
        digest.update(np.ascontiguousarray(split.images).data)
    else:
        for file in split.images:
            digest.update(f"{file}\0{_size_and_time(file)}\n".encode())
    return digest.hexdigest()


def _size_and_time(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
