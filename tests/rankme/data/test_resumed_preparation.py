"""A preparation that is killed is taken up where it was, and comes to the same bytes."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.data import arrays, workers
from rankme.data.arrays import SplitArray
from rankme.data.dataset import load_dataset
from rankme.data.decode import Chunk
from rankme.data.prepare import prepare
from rankme.data.raw import RawSplit
from rankme.errors import UserError
from rankme.plugins import LIBRARY
from rankme.study.datasets import Declaration
from tests.rankme.data.pictures import Tree, assert_same_files, folder_of, photo

SIZE = 16


@pytest.fixture
def pets(image_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """A declaration of 16 training and 4 test images, decoded in chunks of two."""
    root = image_tree({"train": {"cat": 8, "dog": 8}, "test": {"cat": 2, "dog": 2}})
    monkeypatch.setattr(workers, "_CHUNK_PIXELS", 2 * SIZE**2)
    return folder_of(root, SIZE)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing in the code under test may catch it."""


class Decoder:
    """Decodes as ever, counts, and dies before the image with number `lifetime`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.lifetime = 0, 1000
        monkeypatch.setattr(arrays, "decode_all", self.decode_all)

    def decode_all(self, *arguments: Any) -> Iterator[Chunk]:
        for chunk in workers.decode_all(*arguments):
            self.count += len(chunk)
            if self.count > self.lifetime:
                raise Killed
            yield chunk

    def die_after(self, images: int, work: Callable[[], None]) -> None:
        self.lifetime = images
        with pytest.raises(Killed):
            work()
        self.count, self.lifetime = 0, 1000


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    return Decoder(monkeypatch)


@pytest.mark.parametrize("images", [0, 2, 10, 16, 18])
def test_what_was_decoded_before_a_kill_is_not_decoded_again(
    pets: Declaration, tmp_path: Path, decoder: Decoder, images: int
) -> None:
    decoder.die_after(images, lambda: prepare("pets", pets, tmp_path / "out", 1))
    with pytest.raises(UserError):
        load_dataset(tmp_path / "out")
    prepare("pets", pets, tmp_path / "out", workers=1)
    assert decoder.count == 20 - images
    prepare("pets", pets, tmp_path / "whole", workers=1)
    assert_same_files(tmp_path / "out", tmp_path / "whole")


@pytest.mark.parametrize("change", ["size", "time", "bytes", "declaration"])
def test_a_change_starts_anew(
    pets: Declaration, tmp_path: Path, decoder: Decoder, change: str
) -> None:
    decoder.die_after(10, lambda: prepare("pets", pets, tmp_path / "out", 1))
    root = Path(str(pets.root))
    file = root / "train" / "cat" / "0.png"
    if change == "size":
        pets = folder_of(root, 8)
    elif change == "declaration":
        pets = folder_of(root, SIZE, options={"seed": 1})
    elif change == "time":
        os.utime(file, (1, 1))
    else:
        times = file.stat().st_atime_ns, file.stat().st_mtime_ns
        photo(99, 30, 30).save(file)
        os.utime(file, ns=times)
    prepare("pets", pets, tmp_path / "out", workers=1)
    assert decoder.count == 20
    prepare("pets", pets, tmp_path / "fresh", workers=1)
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def assert_true_to_its_record(folder: Path) -> None:
    """The arrays are those that DATASET tells of, by their digests."""
    for name, part in json.loads((folder / "DATASET").read_text())["splits"].items():
        images, labels = (np.load(folder / f"{name}_{kind}.npy") for kind in ("images", "labels"))
        content = images.tobytes() + labels.tobytes()
        assert hashlib.sha256(content).hexdigest() == part["digest"]


def dying(real: Callable[..., object], remaining: list[int]) -> Callable[..., object]:
    """`real`, and a kill right after the call that `remaining` counts down to."""

    def call(*arguments: Any, **options: Any) -> object:
        result = real(*arguments, **options)
        remaining[0] -= 1
        if remaining[0] == 0:
            raise Killed
        return result

    return call


def test_a_kill_at_any_change_of_names_is_made_good_without_decoding(
    pets: Declaration, tmp_path: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over an older result, and after each os.replace and each removal of a file in turn."""
    out, old, whole = tmp_path / "out", tmp_path / "old", tmp_path / "whole"
    prepare("pets", pets, old, workers=1)
    photo(99).save(Path(str(pets.root), "train", "dog", "7.png"))
    photo(98).save(Path(str(pets.root), "test", "dog", "1.png"))
    prepare("pets", pets, whole, workers=1)
    for death in itertools.count(1):
        shutil.copytree(old, out)
        remaining = [death]
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying(os.replace, remaining))
            patch.setattr(Path, "unlink", dying(Path.unlink, remaining))
            try:
                prepare("pets", pets, out, workers=1)
                break
            except Killed:
                pass
        if (out / "DATASET").exists():
            assert_true_to_its_record(out)
        else:
            decoder.count = 0
            prepare("pets", pets, out, workers=1)
            assert decoder.count == 0
            assert_same_files(out, whole)
        shutil.rmtree(out)
    assert death > 6
    assert_same_files(out, whole)


@settings(deadline=None, max_examples=40)
@given(kept=st.integers(0, 3000), noted=st.integers(0, 400), spoilt=st.integers(0, 3000))
def test_after_a_power_cut_only_chunks_that_are_whole_are_taken_up(
    tmp_path_factory: pytest.TempPathFactory, kept: int, noted: int, spoilt: int
) -> None:
    """Whatever part of either file reached the disk, and with a wrong byte anywhere."""
    folder = tmp_path_factory.mktemp("cut")
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)

    def decode() -> None:
        split = RawSplit(images, np.zeros(10, np.int64))
        SplitArray("train", split, folder / "images.npy", 8).decode({}, workers=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_CHUNK_PIXELS", 2 * 8**2)
        Decoder(patch).die_after(8, decode)
    partial, journal = folder / ".images.npy.partial", folder / ".images.npy.journal"
    content = bytearray(partial.read_bytes()[:kept])
    content[spoilt : spoilt + 1] = b"\x00"[: len(content[spoilt : spoilt + 1])]
    partial.write_bytes(content)
    journal.write_bytes(journal.read_bytes()[:noted])
    decode()
    np.testing.assert_array_equal(np.load(partial), images)


def test_a_killed_program_leaves_no_process_and_its_successor_goes_on(
    image_tree: Tree, tmp_path: Path
) -> None:
    root = image_tree({"train": {"cat": 30, "dog": 30}, "test": {"cat": 2, "dog": 2}})
    declarations = tmp_path / "datasets.yaml"
    # At 512 pixels each image is a chunk.
    declarations.write_text(f"pets: {{reader: image_folder, size: 512, root: {root}}}\n")

    def start(folder: str) -> subprocess.Popen[str]:
        program = LIBRARY.parent / "prepare_dataset.py"
        flags = ["--name", "pets", "--datasets", declarations, "--workers", "2"]
        command = [sys.executable, program, *flags, "--output", tmp_path / folder]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    process = start("out")
    journal = tmp_path / "out" / ".train_images.npy.journal"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 10:
        assert process.poll() is None
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    _, left = psutil.wait_procs(workers, timeout=10)
    for worker in left:
        worker.kill()
    assert not left

    decoded = journal.read_bytes().count(b"\n") - 1
    _, second = start("out").communicate()
    _, undisturbed = start("whole").communicate()
    assert f"train: {decoded} images were decoded before" in second
    assert "decoded before" not in undisturbed
    assert_same_files(tmp_path / "out", tmp_path / "whole")
