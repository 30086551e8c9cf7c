"""An array of images that grows on disk and outlives its process.

Two hidden files stand beside the .npy file to come: `.<name>.partial`, the array so far, and
`.<name>.journal`, JSON lines: what the images are decoded from, then one line a chunk with the
checksum of its bytes. A chunk counts once its line is whole and the bytes agree with it, so nothing
needs to be synchronised while decoding, and a kill or a power cut costs the last chunks at most.
"""

import json
import math
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from rankme.data.decode import Chunk


class PartialArray:
    """The array that is to become the .npy file `path`, uint8 (N, size, size, 3)."""

    def __init__(self, path: Path, size: int, origin: str) -> None:
        """Open it as an earlier process left it.

        Args:
            path: the .npy file.
            size: height and width of the images.
            origin: a digest of all that decides the bytes; under another one all starts anew.
        """
        self._size, self._origin = size, origin
        self._array, self._journal = (_open(_hidden(path, kind)) for kind in ("partial", "journal"))
        self._count = 0

    def __enter__(self) -> "PartialArray":
        return self

    def __exit__(self, *_: object) -> None:
        self._array.close()
        self._journal.close()

    def recover(self) -> Iterator[Chunk]:
        """The chunks that are whole, in order; then drop whatever follows the last of them."""
        lines = self._journal.readlines()
        place = 0
        self._array.seek(len(_header(0, self._size)))
        if lines and _parse(lines[0]) == {"origin": self._origin}:
            place = len(lines[0])
            for line in lines[1:]:
                chunk = self._read(_parse(line))
                if chunk is None:
                    break
                place += len(line)
                self._count += len(chunk.images)
                yield chunk
        self._cut(place)
        if place == 0:
            self._note({"origin": self._origin})

    def append(self, chunk: Chunk) -> None:
        """Add a chunk; it is safe from a kill when this returns."""
        self._array.write(chunk.images.data)
        self._array.flush()
        self._count += len(chunk.images)
        self._note(
            {"images": len(chunk.images), "crc32": crc32(chunk.images.data), "bad": chunk.bad}
        )

    def finish(self) -> None:
        """Write the header, now that the number of images is known, and see all safely on disk."""
        self._array.seek(0)
        self._array.write(_header(self._count, self._size))
        self._array.flush()
        os.fsync(self._array.fileno())

    def _read(self, entry: dict[str, Any] | None) -> Chunk | None:
        if entry is None:
            return None
        shape = (entry["images"], self._size, self._size, 3)
        data = self._array.read(math.prod(shape))
        if len(data) < math.prod(shape) or crc32(data) != entry["crc32"]:
            return None
        bad = {int(row): reason for row, reason in entry["bad"].items()}
        return Chunk(np.frombuffer(data, np.uint8).reshape(shape), bad)

    def _cut(self, place: int) -> None:
        end = len(_header(0, self._size)) + self._count * 3 * self._size**2
        for file, length in ((self._array, end), (self._journal, place)):
            file.truncate(length)
            file.seek(length)

    def _note(self, entry: dict[str, Any]) -> None:
        self._journal.write(json.dumps(entry).encode() + b"\n")
        self._journal.flush()


def publish(path: Path) -> None:
    """Give a finished array its name."""
    os.replace(_hidden(path, "partial"), path)


def take_back(path: Path) -> None:
    """Undo `publish`, where a kill came before the data set was whole."""
    partial, journal = _hidden(path, "partial"), _hidden(path, "journal")
    if path.exists() and journal.exists() and not partial.exists():
        os.replace(path, partial)


def bytes_so_far(path: Path) -> int:
    """What the array takes on disk before it has its name."""
    partial = _hidden(path, "partial")
    return partial.stat().st_size if partial.exists() else 0


def remove_leftovers(path: Path) -> None:
    """Remove what is hidden beside the .npy file `path`."""
    for kind in ("journal", "partial"):
        _hidden(path, kind).unlink(missing_ok=True)


def _hidden(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}")


def _open(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b")


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return entry


def _header(count: int, size: int) -> bytes:
    """The head of a .npy file, which has the same length for any count."""
    stream = BytesIO()
    shape = (count, size, size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()
