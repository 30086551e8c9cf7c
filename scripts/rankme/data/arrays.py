"""A split decoded to an array on disk, going on where an earlier process was killed."""

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from rankme.data.decode import Chunk
from rankme.data.partial import PartialArray
from rankme.data.progress import Progress
from rankme.data.raw import RawSplit
from rankme.data.workers import decode_all

_log = logging.getLogger(__name__)


@dataclass
class Decoded:
    """What is known of a split once its images are on disk.

    Attributes:
        digest: SHA-256 of the images so far.
        histogram: int64 (3, 256), how often each level occurs in each channel.
        count: images seen, good and bad.
        bad: index of each image that could not be decoded, and what is wrong with it.
    """

    digest: Any = field(default_factory=hashlib.sha256)
    histogram: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), dtype=np.int64))
    count: int = 0
    bad: dict[int, str] = field(default_factory=dict)

    def add(self, chunk: Chunk) -> None:
        """Take in the next images."""
        self.digest.update(chunk.images.data)
        self.bad |= {self.count + row: reason for row, reason in chunk.bad.items()}
        self.count += len(chunk)
        self.histogram += chunk.histogram


def decode_split(
    name: str, split: RawSplit, path: Path, size: int, origin: str, workers: int
) -> Decoded:
    """Decode a split into the array that `rankme.data.partial.publish` will name `path`.

    Args:
        name: of the split, for messages.
        split: what to decode.
        path: the .npy file to come.
        size: height and width in pixels.
        origin: see `origin_of`; what was decoded under the same one is not decoded again.
        workers: processes that decode.
    """
    # Plain sequential writes, since a full disk ends a process that writes to a memory map.
    decoded = Decoded()
    with PartialArray(path, size, origin) as array, Progress(name, len(split.images)) as progress:
        for chunk in array.recover():
            decoded.add(chunk)
            progress.advance(len(chunk))
        if decoded.count:
            _log.info("%s: %s images were decoded before", name, f"{decoded.count:,}")
        for chunk in decode_all(split.images, size, workers, start=decoded.count):
            array.append(chunk)
            decoded.add(chunk)
            progress.advance(len(chunk))
        array.finish()
    return decoded


def origin_of(split: RawSplit, identity: dict[str, Any]) -> str:
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
