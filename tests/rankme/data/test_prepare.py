import hashlib
import json
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankme.data import prepare as prepare_module
from rankme.data import progress
from rankme.data import workers as workers_module
from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.data.raw import RawDataset, RawSplit
from rankme.data.validate import validate
from rankme.errors import UserError
from rankme.study.datasets import declare
from tests.rankme.data.pictures import Tree, assert_same_files, photo
from tests.rankme.data.reading import folder_of


def assert_looks_unfinished(folder: Path) -> None:
    assert not (folder / "DATASET").exists()
    assert not list(folder.glob("*.npy"))


def test_the_arrays_hold_the_resized_images_in_class_order(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.classes == ["cat", "dog"]
    assert dataset.splits["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.splits["test"].labels.tolist() == [0, 0, 1, 1]
    with Image.open(cats_and_dogs / "train" / "dog" / "1.png") as image:
        expected = image.resize((16, 16), Image.Resampling.BICUBIC, box=(2, 0, 22, 20))
    np.testing.assert_array_equal(dataset.splits["train"].images[4], np.asarray(expected))


def test_digest_and_normalisation_are_those_of_the_arrays(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    record = json.loads((tmp_path / "out" / "DATASET").read_text())
    images = np.load(tmp_path / "out" / "train_images.npy")
    labels = np.load(tmp_path / "out" / "train_labels.npy")
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert record["splits"]["train"] == {"count": 6, "digest": digest}
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(record["normalisation"]["mean"], scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(record["normalisation"]["std"], scaled.std((0, 1, 2)), rtol=1e-12)


def test_workers_chunks_and_the_place_of_the_images_change_no_byte(
    cats_and_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "one", workers=1)
    moved = cats_and_dogs.rename(tmp_path / "moved")
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)
    prepare("pets", folder_of(moved), tmp_path / "two", workers=2)
    assert_same_files(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("change", ["pixels", "label", "class", "size"])
def test_the_digest_changes_with_all_that_matters(
    cats_and_dogs: Path, tmp_path: Path, change: str
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "a", workers=1)
    train = cats_and_dogs / "train"
    if change == "pixels":
        photo(99).save(train / "cat" / "0.png")
    elif change == "label":
        (train / "dog" / "0.png").rename(train / "cat" / "9.png")
    elif change == "class":
        for split in ("train", "test"):
            (cats_and_dogs / split / "dog").rename(cats_and_dogs / split / "eel")
    prepare("pets", folder_of(cats_and_dogs, 17 if change == "size" else 16), tmp_path / "b", 1)
    assert load_dataset(tmp_path / "a").digest != load_dataset(tmp_path / "b").digest


def test_name_and_description_are_no_part_of_the_digest(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "a", workers=1)
    described = folder_of(cats_and_dogs, description="Pets.")
    prepare("animals", described, tmp_path / "b", workers=1)
    assert load_dataset(tmp_path / "a").digest == load_dataset(tmp_path / "b").digest


def test_a_constant_channel_keeps_a_deviation_that_can_be_divided_by(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    for file in cats_and_dogs.rglob("*.png"):
        Image.new("RGB", (8, 8), (0, 128, 255)).save(file)
    prepare("flat", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    normalisation = load_dataset(tmp_path / "out").normalisation
    assert normalisation["mean"] == pytest.approx([0, 128 / 255, 1])
    assert normalisation["std"] == pytest.approx([1 / 255] * 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_images_of_all_splits_are_listed_at_once_and_nothing_is_left(
    cats_and_dogs: Path, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)
    victims = sorted(cats_and_dogs.rglob("*.png"))[:7]
    for file in victims:
        file.write_bytes(b"")
    with pytest.raises(UserError) as caught:
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers)
    message = str(caught.value)
    assert message.startswith("data set pets: 7 of the images cannot be decoded")
    assert message.count("empty file (0 bytes)") == 5
    assert message.endswith("and 2 more")
    assert not list((tmp_path / "out").iterdir())


def test_a_few_bad_images_may_be_skipped_and_are_on_record(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "all", workers=1)
    (cats_and_dogs / "train" / "cat" / "1.png").write_bytes(b"")
    (cats_and_dogs / "test" / "dog" / "0.png").write_text("no image")
    lenient = folder_of(cats_and_dogs, skip_unreadable=2)
    prepare("pets", lenient, tmp_path / "out", workers=1)
    dataset, whole = load_dataset(tmp_path / "out"), load_dataset(tmp_path / "all")
    for split, kept in (("train", [0, 2, 3, 4, 5]), ("test", [0, 1, 3])):
        for part in ("images", "labels"):
            expected = getattr(whole.splits[split], part)[kept]
            np.testing.assert_array_equal(getattr(dataset.splits[split], part), expected)
    assert json.loads((tmp_path / "out" / "DATASET").read_text())["skipped"] == [
        "train/cat/1.png: empty file (0 bytes)",
        "test/dog/0.png: not an image, or of a format that Pillow does not know",
    ]


def test_more_bad_images_than_allowed_and_classes_that_get_too_small_are_refused(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    for index in (0, 1):
        (cats_and_dogs / "train" / "cat" / f"{index}.png").write_bytes(b"")
    for allowed, fault in ((1, "2 of the images cannot.*skip_unreadable: 2"), (2, r"cat \(1\)")):
        lenient = folder_of(cats_and_dogs, skip_unreadable=allowed)
        with pytest.raises(UserError, match=fault):
            prepare("pets", lenient, tmp_path / "out", workers=1)
        assert_looks_unfinished(tmp_path / "out")


@pytest.mark.parametrize(
    ("expected", "fault"),
    [
        ({"classes": 3}, "expected 3 classes, found 2"),
        ({"train": 1000, "test": 4}, "expected 1,000 train images, found 6; the copy is incompl"),
        ({"test": 5}, "expected 5 test images, found 4"),
    ],
)
def test_counts_other_than_expected_are_refused_before_decoding(
    cats_and_dogs: Path, tmp_path: Path, expected: dict[str, int], fault: str
) -> None:
    with pytest.raises(UserError, match=fault):
        prepare("pets", folder_of(cats_and_dogs, expected=expected), tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 8, 8, 3), np.float64),
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 3, 8, 8), np.uint8),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray) -> None:
    split = RawSplit(images, np.array([0, 0, 1, 1]))
    raw = RawDataset(["a", "b"], {"train": split, "test": split})
    with pytest.raises(UserError, match=r"train: images .* are no uint8 \(N, H, W, 3\)"):
        validate(raw, declare("x", {"reader": "digits", "size": 8}))


def test_labels_that_do_not_fit_the_classes_or_the_metric_are_refused() -> None:
    images = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    one, several = np.arange(4), np.eye(4, 3, dtype=np.uint8)

    def faults(labels: np.ndarray, metric: str, classes: str = "abc") -> str:
        splits = {"train": RawSplit(images, labels), "test": RawSplit(images, labels)}
        declaration = declare("x", {"reader": "digits", "size": 8, "metric": metric})
        with pytest.raises(UserError) as caught:
            validate(RawDataset(list(classes), splits), declaration)
        return str(caught.value)

    assert "train: labels from 0 to 3, but there are 3 classes" in faults(one, "top1")
    assert "test: labels from -1 to 2" in faults(one - 1, "top1")
    assert "train: 4 images but 3 labels" in faults(one[:3], "top1")
    assert "metric: 'map' does not fit these labels; write `metric: top1`" in faults(one, "map")
    assert "metric: 'top1' does not fit these labels; write `metric: map`" in faults(
        several, "top1"
    )
    assert "labels (4, 3) must be 0 or 1 for each of 4 classes" in faults(several, "map", "abcd")
    assert "must be 0 or 1" in faults(2 * several, "map")
    assert "too few in 3 of 3 classes: a (1), b (1), c (1)" in faults(several, "map")


def test_labels_of_several_classes_an_image_are_kept_as_a_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    labels = random.integers(0, 2, (12, 4), dtype=np.uint8)
    labels[:2] = 1
    raw = RawDataset([*"abcd"], {name: RawSplit(images, labels) for name in ("train", "test")})
    monkeypatch.setattr("rankme.data.readers.digits.read", lambda *_, **__: raw)
    declaration = declare("x", {"reader": "digits", "size": 8, "metric": "map"})
    prepare("x", declaration, tmp_path, workers=1)
    dataset = load_dataset(tmp_path)
    assert dataset.metric == "map"
    np.testing.assert_array_equal(dataset.splits["test"].labels, labels)


def test_an_unreadable_image_is_named(cats_and_dogs: Path, tmp_path: Path) -> None:
    locked = cats_and_dogs / "train" / "dog" / "1.png"
    locked.unlink()
    locked.symlink_to(locked)
    with pytest.raises(UserError, match=r"train/dog/1\.png: .*symbolic links"):
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)


def test_a_class_with_one_training_image_is_refused(image_tree: Tree, tmp_path: Path) -> None:
    root = image_tree({"train": {"cat": 3, "dog": 1}, "test": {"cat": 1, "dog": 1}})
    with pytest.raises(UserError, match=r"needs 2 or more train images.*1 of 2 classes: dog \(1\)"):
        prepare("pets", folder_of(root), tmp_path / "out", workers=1)
    assert_looks_unfinished(tmp_path / "out")


def test_a_single_class_is_refused(image_tree: Tree, tmp_path: Path) -> None:
    root = image_tree({"train": {"cat": 3}, "test": {"cat": 1}})
    with pytest.raises(UserError, match="1 class; expected 2 or more"):
        prepare("pets", folder_of(root), tmp_path / "out", workers=1)


def test_a_failed_second_try_leaves_the_first_result_whole(
    cats_and_dogs: Path, tmp_path: Path
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    before = load_dataset(tmp_path / "out").digest
    (cats_and_dogs / "train" / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(UserError):
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    assert load_dataset(tmp_path / "out").digest == before


def test_a_disk_without_room_is_refused_before_decoding(
    cats_and_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 10 * (16 * 16 * 3 + 8)
    usage = type("usage", (), {"free": needed - 1})
    monkeypatch.setattr(prepare_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=f"{tmp_path}/out: needs .* GB free; make room"):
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_midway_leaves_nothing_that_looks_finished_and_is_taken_up(
    cats_and_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "whole", workers=1)
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)
    with file_size_limit(3000), pytest.raises(UserError, match="out: File too large; make room"):
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    assert_looks_unfinished(tmp_path / "out")
    prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    assert_same_files(tmp_path / "out", tmp_path / "whole")


def test_without_a_terminal_progress_is_lines_in_the_log(
    cats_and_dogs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(workers_module, "_CHUNK_PIXELS", 256)
    with caplog.at_level(logging.INFO):
        prepare("pets", folder_of(cats_and_dogs), tmp_path / "out", workers=1)
    assert "train: 2 of 6 images" in caplog.messages
    assert "images/s" not in capfd.readouterr().err


def test_a_real_tree_of_jpegs_with_grey_images_is_prepared(
    image_sets: Path, tmp_path: Path
) -> None:
    root = str(image_sets / "tiny-imagenet-200")
    real = declare("tiny", {"reader": "tiny_imagenet", "size": 32, "root": root})
    prepare("tiny", real, tmp_path / "out", workers=min(2, os.cpu_count() or 1))
    dataset = load_dataset(tmp_path / "out")
    assert len(dataset.splits["train"].images) == 13_000
    # Published for the whole of Tiny ImageNet: mean 0.480, 0.448, 0.398.
    assert dataset.normalisation["mean"] == pytest.approx([0.480, 0.448, 0.398], abs=0.02)
