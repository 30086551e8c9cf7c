"""Archives unpacked with care: nothing outside the folder, no links that lead out, no bombs."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from rankme.errors import UserError
from rankme.schema import one_line

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError)


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
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, most_bytes)
        else:
            _unpack_tar(archive, folder, most_bytes)
    except _DAMAGE as error:
        raise UserError(
            f"{archive}: cannot be unpacked ({one_line(error)}); fetch it again"
        ) from error


def _unpack_zip(archive: Path, folder: Path, most_bytes: int) -> None:
    # The library reads no more of a member than the size declared for it.
    with zipfile.ZipFile(archive) as file:
        _refuse_bomb(archive, sum(member.file_size for member in file.infolist()), most_bytes)
        for member in file.infolist():
            _refuse_escape(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise UserError(f"{archive}: holds a link, {member.filename!r}; not unpacked")
            file.extract(member, folder)


def _unpack_tar(archive: Path, folder: Path, most_bytes: int) -> None:
    total = 0
    with tarfile.open(archive) as file:
        for member in file:
            total += member.size
            _refuse_bomb(archive, total, most_bytes)
            _refuse_escape(archive, member.name)
            # The filter refuses devices, and links that lead out of the folder.
            file.extract(member, folder, filter="data")


def _refuse_bomb(archive: Path, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise UserError(
            f"{archive}: unpacks to more than the {most_bytes // 1_000_000:,} MB declared as "
            "`unpacked_mb`; not unpacked"
        )


def _refuse_escape(archive: Path, name: str) -> None:
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.anchor or ".." in path.parts:
            raise UserError(f"{archive}: {name!r} would leave its folder; not unpacked")
