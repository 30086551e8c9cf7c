"""Files that are written whole or not at all, and read with clear errors."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

from rankme.errors import UserError

_CHUNK_BYTES = 1 << 20
_ABANDONED_SECONDS = 3600.0


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a new file beside `path` that takes its place once it is safely on disk.

    On any failure the new file goes and `path` stays as it was. Several processes may write one
    path at once: each has a file of its own, and the last to end wins.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path, _ABANDONED_SECONDS)
    partial = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    partial.touch(exist_ok=False)
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(path: Path, seconds: float = 0.0) -> None:
    """Delete what processes that were killed in the midst of writing `path` have left beside it.

    Args:
        path: that was written by `atomic`.
        seconds: for which a file must not have been written to; less is that of a living process.
    """
    for partial in path.parent.glob(f".{escape(path.name)}.*.partial"):
        with suppress(FileNotFoundError):
            if time() - partial.stat().st_mtime >= seconds:
                partial.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, record: Any) -> None:
    """Write `record` as JSON; NaN and infinity are refused since JSON has neither."""
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is missing, unreadable or not a JSON object.
    """
    try:
        record = json.loads(Path(path).read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: is not valid JSON ({error}); delete it and run snakemake again to remake it"
        ) from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: holds a {type(record).__name__}, expected a JSON object")
    return record


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
