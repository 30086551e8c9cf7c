"""Archives fetched over HTTP: resumed after a break, checked by digest, unpacked with care."""

import hashlib
import logging
import shutil
import time
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from rankme.data.progress import Progress
from rankme.data.unpack import unpack
from rankme.errors import UserError

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_TRIES = 5
_SECONDS_BETWEEN_TRIES = 2.0
_TIMEOUT_SECONDS = 60.0


def fetch_folder(folder: Path, archive: dict[str, Any]) -> None:
    """Download and unpack the archive of a folder, unless the folder is there.

    The archive is kept beside the folder; one that was put there by hand is used. The folder
    appears under its name only once it is whole.

    Args:
        folder: to be made; the archive must hold a folder of this name.
        archive: "url", its "sha256" or "md5", and "unpacked_mb", the most it may unpack to.

    Raises:
        UserError: there is no network, or the archive is damaged, hostile or another one.
    """
    if folder.exists():
        return
    file = folder.parent / Path(urlsplit(archive["url"]).path).name
    try:
        if not file.exists():
            _download(archive["url"], file, archive)
        elif not _is_right(file, archive):
            raise UserError(f"{file}: {_wrong(archive)}; delete it and run again")
    except (OSError, HTTPException) as error:
        raise UserError(
            f"{folder}: is missing, and {archive['url']} could not be fetched ({error}); run again "
            f"where there is a network, or put the archive at {file}, or what it holds at {folder}"
        ) from error
    _unpack_to(folder, file, archive["unpacked_mb"])


def _download(url: str, file: Path, archive: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            _continue(url, partial)
            break
        except (OSError, HTTPException) as error:
            if last or isinstance(error, HTTPError):
                raise
            _log.info("%s: %s; trying again", url, error)
            time.sleep(_SECONDS_BETWEEN_TRIES)
    if not _is_right(partial, archive):
        partial.unlink()
        raise UserError(f"{url}: {_wrong(archive)}; the file was removed, run again or elsewhere")
    partial.rename(file)


def _continue(url: str, partial: Path) -> None:
    """Fetch what is missing of a file; on any error what has come stays."""
    start = partial.stat().st_size if partial.exists() else 0
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urlopen(request, timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        if start and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        raise
    with response:
        # A server that knows no ranges sends the whole file again.
        start = start if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        _append(response, partial, start, start + int(response.headers.get("Content-Length", 0)))


def _append(response: HTTPResponse, partial: Path, start: int, size: int) -> None:
    name = partial.name.strip(".").removesuffix(".partial")
    with partial.open("ab" if start else "wb") as stream, Progress(name, size, "bytes") as progress:
        progress.advance(start)
        while chunk := response.read(_CHUNK_BYTES):
            stream.write(chunk)
            progress.advance(len(chunk))
        if stream.tell() < size:
            raise ConnectionError(f"connection ended after {stream.tell():,} of {size:,} bytes")


def _is_right(file: Path, archive: dict[str, Any]) -> bool:
    kind = "sha256" if "sha256" in archive else "md5"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest() == archive[kind]


def _wrong(archive: dict[str, Any]) -> str:
    kind = "sha256" if "sha256" in archive else "md5"
    return f"is not the archive that was declared ({kind} {archive[kind]})"


def _unpack_to(folder: Path, archive: Path, megabytes: int) -> None:
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        unpack(archive, temporary, megabytes * 1_000_000)
        if not (temporary / folder.name).is_dir():
            raise UserError(f"{archive}: holds no folder {folder.name!r}; correct `root:`")
        (temporary / folder.name).rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
