"""Archives fetched over HTTP, checked by their digest before use, and unpacked with care."""

import hashlib
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path, PureWindowsPath
from urllib.parse import urlsplit
from urllib.request import urlopen

from rankme.data.progress import progress
from rankme.errors import UserError, one_line
from rankme.files import atomic
from rankme.study.datasets import Archive

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60.0
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError)


def fetch_folder(folder: Path, archive: Archive) -> None:
    """Download and unpack the archive of a folder, unless the folder is there.

    The archive is kept beside the folder; one that was put there by hand is used. Either appears
    under its name only once it is whole.

    Args:
        folder: to be made; the archive must hold a folder of this name.
        archive: where it is, its digest, and the most that it may unpack to.

    Raises:
        UserError: there is no network, or the archive is damaged, hostile or another one.
    """
    if folder.exists():
        return
    file = folder.parent / Path(urlsplit(archive.url).path).name
    if file.exists():
        _refuse_another(file, archive, f"{file}", "delete it and run again")
    else:
        try:
            _download(archive, file)
        except (OSError, HTTPException) as error:
            raise UserError(
                f"{folder}: is missing, and {archive.url} could not be fetched ({error}); run again"
                f" where there is a network, or put the archive at {file}, or what it holds at"
                f" {folder}"
            ) from error
    _unpack_folder(file, folder, archive.unpacked_mb * 1_000_000)


def _download(archive: Archive, file: Path) -> None:
    with atomic(file) as whole:
        with (
            urlopen(archive.url, timeout=_TIMEOUT_SECONDS) as response,
            progress(file.name, response.length or 0, "bytes") as advance,
            whole.open("wb") as stream,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                advance(len(chunk))
            if response.length:
                raise ConnectionError(f"connection ended {response.length:,} bytes too early")
        _refuse_another(whole, archive, archive.url, "the file was removed, run again or elsewhere")


def _refuse_another(file: Path, archive: Archive, place: str, remedy: str) -> None:
    kind, digest = ("sha256", archive.sha256) if archive.sha256 else ("md5", archive.md5)
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, kind).hexdigest() != digest:
            raise UserError(
                f"{place}: is not the archive that was declared ({kind} {digest}); {remedy}"
            )


def _unpack_folder(archive: Path, folder: Path, most_bytes: int) -> None:
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        unpack(archive, temporary, most_bytes)
        if not (temporary / folder.name).is_dir():
            raise UserError(f"{archive}: holds no folder {folder.name!r}; correct `root:`")
        (temporary / folder.name).rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    """Unpack a .zip or a .tar of any compression into a new folder.

    Args:
        archive: the file.
        folder: made for it.
        most_bytes: the most that its files may come to together.

    Raises:
        UserError: the archive is damaged, too large, or has a member that would leave `folder`.
    """
    folder.mkdir(parents=True)
    total = 0
    try:
        for name, size, extract in _members(archive, folder):
            total += size
            if total > most_bytes:
                raise UserError(
                    f"{archive}: unpacks to more than the {most_bytes // 1_000_000:,} MB declared"
                    " as `unpacked_mb`; not unpacked"
                )
            # Windows' rules hold for either separator.
            if PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts:
                raise UserError(f"{archive}: {name!r} would leave its folder; not unpacked")
            extract()
    except _DAMAGE as error:
        raise UserError(
            f"{archive}: cannot be unpacked ({one_line(error)}); fetch it again"
        ) from error


def _members(archive: Path, folder: Path) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Of each member its name, its size in bytes, and what writes it below `folder`.

    Neither library reads more of a member than its declared size.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise UserError(f"{archive}: holds a link, {entry.filename!r}; not unpacked")
                yield entry.filename, entry.file_size, partial(zipped.extract, entry, folder)
    else:
        with tarfile.open(archive) as tarred:
            for member in tarred:
                # The filter refuses devices, and links that lead out of the folder.
                extract = partial(tarred.extract, member, folder, filter="data")
                yield member.name, member.size, extract
