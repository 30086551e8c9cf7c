"""Archives fetched from a real HTTP server on this machine."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from rankme.data.archives import fetch_folder, unpack
from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.errors import UserError
from rankme.study.datasets import Archive
from tests.rankme.data.pictures import folder_of

FILES = {"set/a.txt": b"alpha", "set/deep/b.bin": np.random.default_rng(0).bytes(300_000)}


def zipped(files: Mapping[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in others:
            archive.addfile(member)
    return stream.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file and counts how often; `cut` breaks the next answer off half way."""

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.cut, self.asked = data, False, 0

    def archive(self, name: str = "set.zip", kind: str = "sha256", **changes: Any) -> Archive:
        """The declaration of what is served, with a digest of that kind."""
        url = f"http://127.0.0.1:{self.server_port}/files/{name}"
        digest = hashlib.new(kind, self.data).hexdigest()
        return Archive(**{"url": url, kind: digest, "unpacked_mb": 1, **changes})


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        data = self.server.data
        self.server.asked += 1
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.server.cut else data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(zipped(FILES)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"set/{path.relative_to(folder)}": path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", ["sha256", "md5"])
@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_an_archive_is_fetched_and_unpacked_once(
    server: Server, tmp_path: Path, name: str, kind: str
) -> None:
    server.data = zipped(FILES) if name.endswith("zip") else tarred(FILES)
    for _ in range(2):
        fetch_folder(tmp_path / "data" / "set", server.archive(name, kind))
    assert content(tmp_path / "data" / "set") == FILES
    assert server.asked == 1
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["set", name]


def test_a_connection_that_breaks_and_another_file_than_declared_leave_nothing(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"is not the archive that was declared \(sha256 00"):
        fetch_folder(tmp_path / "set", server.archive(sha256="0" * 64))
    assert not list(tmp_path.iterdir())
    server.cut = True
    with pytest.raises(UserError, match=r"be fetched \(connection ended .* bytes too early\)"):
        fetch_folder(tmp_path / "set", server.archive())
    assert not list(tmp_path.iterdir())


def test_a_missing_file_or_server_is_told_with_the_places_to_put_things(
    server: Server, tmp_path: Path
) -> None:
    places = f"put the archive at {tmp_path}/missing.zip, or what it holds at {tmp_path}/set"
    with pytest.raises(UserError, match=rf"could not be fetched \(HTTP Error 404.*{places}"):
        fetch_folder(tmp_path / "set", server.archive("missing.zip"))
    assert server.asked == 1
    with pytest.raises(UserError, match="Connection refused"):
        fetch_folder(tmp_path / "set", server.archive(url="http://127.0.0.1:9/set.zip"))


def test_an_archive_put_there_by_hand_is_used_if_it_is_the_right_one(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "set.zip").write_bytes(b"another")
    with pytest.raises(UserError, match=r"set\.zip: is not the archive.*delete it and run again"):
        fetch_folder(tmp_path / "set", server.archive())
    (tmp_path / "set.zip").write_bytes(server.data)
    fetch_folder(tmp_path / "set", server.archive())
    assert content(tmp_path / "set") == FILES
    assert server.asked == 0


def test_the_folder_appears_only_once_it_is_whole(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".set.unpacking" / "set" / "old").mkdir(parents=True)
    with pytest.raises(UserError, match="more than the 0 MB declared"):
        fetch_folder(tmp_path / "set", server.archive().model_copy(update={"unpacked_mb": 0}))
    with pytest.raises(UserError, match=r"holds no folder 'other'; correct `root:`"):
        fetch_folder(tmp_path / "other", server.archive())
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]
    fetch_folder(tmp_path / "set", server.archive())
    assert content(tmp_path / "set") == FILES


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def zip_link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("set/out")
    member.external_attr = 0o120777 << 16
    return member


OUTSIDE = ("../evil", "set/../../evil", "/tmp/evil", "C:\\evil", "..\\evil")
HOSTILE = {
    **{f"zip {name}": zipped({name: b"x"}) for name in OUTSIDE},
    **{f"tar {name}": tarred({name: b"x"}) for name in OUTSIDE},
    "zip link": zipped({zip_link(): b"/etc"}),
    "absolute link": tarred({}, link("set/out", "/etc")),
    "relative link": tarred({}, link("set/out", "../../evil")),
    "hard link": tarred({}, link("set/out", "../../evil", tarfile.LNKTYPE)),
    "pipe": tarred({}, link("set/pipe", "", tarfile.FIFOTYPE)),
    "device": tarred({}, link("set/disk", "", tarfile.BLKTYPE)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_member_that_would_leave_the_folder_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(UserError, match="archive: "):
        unpack(tmp_path / "archive", tmp_path / "out" / "in", 10**6)
    outside = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "out/in")]
    assert sorted(path.name for path in outside) == ["archive", "out"]
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]


def test_a_link_within_the_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(tarred({"set/a": b"x"}, link("set/b", "a")))
    unpack(tmp_path / "archive", tmp_path / "out", 10**6)
    assert (tmp_path / "out" / "set" / "b").read_bytes() == b"x"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_bomb_is_refused_before_it_goes_off(make: Any, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(make({"set/a": b"x", "set/zeros": bytes(2_000_001)}))
    with pytest.raises(UserError, match="unpacks to more than the 2 MB declared as `unpacked_mb`"):
        unpack(tmp_path / "archive", tmp_path / "out", 2_000_000)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) < 2
    unpack(tmp_path / "archive", tmp_path / "whole", 2_000_002)


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("keep", [0, 20, 0.5])
def test_a_torn_archive_is_told(make: Any, keep: float, tmp_path: Path) -> None:
    data = make(FILES)
    (tmp_path / "archive").write_bytes(data[: keep if keep != 0.5 else len(data) // 2])
    with pytest.raises(UserError, match=r"archive: cannot be unpacked \(.*\); fetch it again"):
        unpack(tmp_path / "archive", tmp_path / "out", 10**6)


def test_a_declared_archive_is_prepared_in_one_step(
    server: Server, cats_and_dogs: Path, tmp_path: Path
) -> None:
    files = [path.relative_to(cats_and_dogs) for path in cats_and_dogs.rglob("*.png")]
    server.data = zipped({f"pets/{file}": (cats_and_dogs / file).read_bytes() for file in files})
    archive = server.archive("pets.zip").model_dump()
    declaration = folder_of(tmp_path / "downloads" / "pets", archive=archive)
    prepare("pets", declaration, tmp_path / "out", workers=1)
    assert load_dataset(tmp_path / "out").classes == ["cat", "dog"]
    assert "127.0.0.1" not in (tmp_path / "out" / "DATASET").read_text()
