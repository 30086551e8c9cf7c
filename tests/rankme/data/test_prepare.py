import hashlib
import json
import logging
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rankme.data import prepare as prepare_module
from rankme.data import progress
from rankme.data import workers as workers_module
from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.data.raw import RawDataset, RawSplit
from rankme.errors import UserError
from rankme.study.datasets import declare
from tests.rankme.data.pictures import Tree, assert_same_files, folder_of, photo

Prepared = Callable[..., Path]


def assert_looks_unfinished(folder: Path) -> None:
    assert not (folder / "DATASET").exists()
    assert not list(folder.glob("*.npy"))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image of 16 pixels is a chunk."""
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)


def test_the_arrays_hold_the_resized_images_in_class_order(
    cats_and_dogs: Path, prepared: Prepared
) -> None:
    dataset = load_dataset(prepared())
    assert dataset.classes == ["cat", "dog"]
    assert dataset.splits["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.splits["test"].labels.tolist() == [0, 0, 1, 1]
    with Image.open(cats_and_dogs / "train" / "dog" / "1.png") as image:
        expected = image.resize((16, 16), Image.Resampling.BICUBIC, box=(2, 0, 22, 20))
    np.testing.assert_array_equal(dataset.splits["train"].images[4], np.asarray(expected))


def test_digest_and_normalisation_are_those_of_the_arrays(prepared: Prepared) -> None:
    folder = prepared()
    record = json.loads((folder / "DATASET").read_text())
    images, labels = (np.load(folder / f"train_{part}.npy") for part in ("images", "labels"))
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert record["splits"]["train"] == {"count": 6, "digest": digest}
    scaled = images.astype(np.float64) / 255
    for name, value in (("mean", scaled.mean((0, 1, 2))), ("std", scaled.std((0, 1, 2)))):
        np.testing.assert_allclose(record["normalisation"][name], value, rtol=1e-12)


def test_workers_chunks_and_the_place_of_the_images_change_no_byte(
    cats_and_dogs: Path, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepared("one")
    moved = cats_and_dogs.rename(tmp_path / "moved")
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)
    prepare("pets", folder_of(moved), tmp_path / "two", workers=2)
    assert_same_files(one, tmp_path / "two")


@pytest.mark.parametrize("change", ["pixels", "label", "class", "size", "words"])
def test_the_digest_changes_with_all_that_matters_and_nothing_else(
    cats_and_dogs: Path, prepared: Prepared, change: str
) -> None:
    before = load_dataset(prepared()).digest
    train = cats_and_dogs / "train"
    if change == "pixels":
        photo(99).save(train / "cat" / "0.png")
    elif change == "label":
        (train / "dog" / "0.png").rename(train / "cat" / "9.png")
    elif change == "class":
        for split in ("train", "test"):
            (cats_and_dogs / split / "dog").rename(cats_and_dogs / split / "eel")
    keys = {"size": {"size": 17}, "words": {"name": "animals", "description": "Pets."}}
    same = load_dataset(prepared(**keys.get(change, {}))).digest == before
    assert same == (change == "words")


def test_a_constant_channel_keeps_a_deviation_that_can_be_divided_by(
    cats_and_dogs: Path, prepared: Prepared
) -> None:
    for file in cats_and_dogs.rglob("*.png"):
        Image.new("RGB", (8, 8), (0, 128, 255)).save(file)
    normalisation = load_dataset(prepared()).normalisation
    assert normalisation["mean"] == pytest.approx([0, 128 / 255, 1])
    assert normalisation["std"] == pytest.approx([1 / 255] * 3)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_images_of_all_splits_are_listed_at_once_and_nothing_is_left(
    cats_and_dogs: Path, prepared: Prepared, tmp_path: Path, workers: int
) -> None:
    for file in sorted(cats_and_dogs.rglob("*.png"))[:7]:
        file.write_bytes(b"")
    with pytest.raises(UserError) as caught:
        prepared(workers=workers)
    message = str(caught.value)
    assert message.startswith("data set pets: 7 of the images cannot be decoded")
    assert message.count("empty file (0 bytes)") == 5
    assert message.endswith("and 2 more")
    assert not list((tmp_path / "out").iterdir())


def test_a_few_bad_images_may_be_skipped_and_are_on_record(
    cats_and_dogs: Path, prepared: Prepared
) -> None:
    whole = load_dataset(prepared("all"))
    (cats_and_dogs / "train" / "cat" / "1.png").write_bytes(b"")
    (cats_and_dogs / "test" / "dog" / "0.png").write_text("no image")
    folder = prepared(skip_unreadable=2)
    for split, kept in (("train", [0, 2, 3, 4, 5]), ("test", [0, 1, 3])):
        found, expected = load_dataset(folder).splits[split], whole.splits[split]
        np.testing.assert_array_equal(found.images, expected.images[kept])
        np.testing.assert_array_equal(found.labels, expected.labels[kept])
    assert json.loads((folder / "DATASET").read_text())["skipped"] == [
        "train/cat/1.png: empty file (0 bytes)",
        "test/dog/0.png: not an image, or of a format that Pillow does not know",
    ]


@pytest.mark.parametrize(
    ("allowed", "fault"), [(1, "2 of the images cannot.*skip_unreadable: 2"), (2, r"cat \(1\)")]
)
def test_more_bad_images_than_allowed_and_classes_that_get_too_small_are_refused(
    cats_and_dogs: Path, prepared: Prepared, tmp_path: Path, allowed: int, fault: str
) -> None:
    for index in (0, 1):
        (cats_and_dogs / "train" / "cat" / f"{index}.png").write_bytes(b"")
    with pytest.raises(UserError, match=fault):
        prepared(skip_unreadable=allowed)
    assert_looks_unfinished(tmp_path / "out")


IMAGES = np.zeros((1000, 8, 8, 3), np.uint8)
ONE = np.arange(1000) % 3
SEVERAL = np.eye(3, dtype=np.uint8)[ONE]


@pytest.mark.parametrize(
    ("images", "labels", "keys", "fault"),
    [
        (IMAGES * 1.0, ONE, {}, r"train: images .* float64 are no uint8 \(N, H, W, 3\)"),
        (IMAGES[..., 0], ONE, {}, r"train: images \(1000, 8, 8\) .* are no uint8"),
        (IMAGES.transpose(0, 3, 1, 2), ONE, {}, r"images \(1000, 3, 8, 8\) .* are no uint8"),
        (IMAGES, ONE + 1, {}, "train: labels from 1 to 3, but there are 3 classes"),
        (IMAGES, ONE - 1, {}, "test: labels from -1 to 1"),
        (IMAGES, ONE[1:], {}, "train: 1000 images but 999 labels"),
        (IMAGES, ONE, {"metric": "map"}, "'map' does not fit these labels; write `metric: top1`"),
        (IMAGES, SEVERAL, {}, "'top1' does not fit these labels; write `metric: map`"),
        (IMAGES, SEVERAL[:, 1:], {"metric": "map"}, r"labels \(1000, 2\) must be .* 3 classes"),
        (IMAGES, 2 * SEVERAL, {"metric": "map"}, "must be 0 or 1"),
        (IMAGES[:4], SEVERAL[:4], {"metric": "map"}, r"in 2 of 3 classes: b \(1\), c \(1\); add"),
        (IMAGES[:4], ONE[:4], {}, r"needs 2 or more train images.* 2 of 3 classes: b \(1\), c"),
        (IMAGES, ONE, {"expected": {"classes": 4}}, "expected 4 classes, found 3"),
        (IMAGES, ONE, {"expected": {"train": 2000, "test": 1000}}, "expected 2,000 train images,"),
        (IMAGES, ONE, {"expected": {"test": 5}}, "expected 5 test images, found 1,000; the copy"),
    ],
)
def test_data_that_does_not_fit_itself_or_its_declaration_is_refused_before_decoding(
    images: np.ndarray,
    labels: np.ndarray,
    keys: dict[str, Any],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = RawDataset([*"abc"], dict.fromkeys(("train", "test"), RawSplit(images, labels)))
    monkeypatch.setattr("rankme.data.readers.digits.read", lambda *_: raw)
    with pytest.raises(UserError, match=fault):
        prepare("x", declare("x", {"reader": "digits", "size": 8, **keys}), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_a_single_class_is_refused(image_tree: Tree, tmp_path: Path) -> None:
    root = image_tree({"train": {"cat": 3}, "test": {"cat": 1}})
    with pytest.raises(UserError, match="1 class; expected 2 or more"):
        prepare("pets", folder_of(root), tmp_path / "out", workers=1)


def test_labels_of_several_classes_an_image_are_kept_as_a_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    labels = random.integers(0, 2, (12, 4), dtype=np.uint8)
    labels[:2] = 1
    raw = RawDataset([*"abcd"], {name: RawSplit(images, labels) for name in ("train", "test")})
    monkeypatch.setattr("rankme.data.readers.digits.read", lambda *_: raw)
    declaration = declare("x", {"reader": "digits", "size": 8, "metric": "map"})
    prepare("x", declaration, tmp_path, workers=1)
    dataset = load_dataset(tmp_path)
    assert dataset.metric == "map"
    np.testing.assert_array_equal(dataset.splits["test"].labels, labels)


def test_a_failed_second_try_leaves_the_first_result_whole(
    cats_and_dogs: Path, prepared: Prepared
) -> None:
    folder = prepared()
    before = load_dataset(folder).digest
    (cats_and_dogs / "train" / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(UserError):
        prepared()
    assert load_dataset(folder).digest == before


def test_a_disk_without_room_is_refused_before_decoding(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 10 * (16 * 16 * 3 + 8)
    usage = type("usage", (), {"free": needed - 1})
    monkeypatch.setattr(prepare_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=f"{tmp_path}/out: needs .* GB free; make room"):
        prepared()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_chunks")
def test_a_write_that_fails_midway_leaves_nothing_that_looks_finished_and_is_taken_up(
    prepared: Prepared, tmp_path: Path
) -> None:
    with file_size_limit(3000), pytest.raises(UserError, match="out: File too large; make room"):
        prepared()
    assert_looks_unfinished(tmp_path / "out")
    assert_same_files(prepared(), prepared("whole"))


@pytest.mark.usefixtures("small_chunks")
def test_without_a_terminal_progress_is_lines_in_the_log(
    prepared: Prepared,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO):
        prepared()
    assert "train: 2 of 6 images" in caplog.messages
    assert "images/s" not in capfd.readouterr().err
