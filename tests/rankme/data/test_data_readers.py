"""Readers of folders, of Tiny ImageNet, of CIFAR and of the digits."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest

from rankme.errors import UserError
from tests.rankme.data.pictures import Tree, labelled, photo, read


def test_image_folder_reads_classes_in_alphabetical_order(image_tree: Tree) -> None:
    root = image_tree({"training": {"dog": 1, "cat": 2}, "val": {"dog": 1, "cat": 1}})
    raw = read("image_folder", root, train="training", test="val")
    assert raw.classes == ["cat", "dog"]
    assert list(labelled(raw, root)["train"].items()) == [
        ("training/cat/0.png", 0),
        ("training/cat/1.png", 0),
        ("training/dog/0.png", 1),
    ]
    assert labelled(raw, root)["test"] == {"val/cat/0.png": 0, "val/dog/0.png": 1}


def test_image_folder_passes_over_what_is_no_image(cats_and_dogs: Path) -> None:
    train = cats_and_dogs / "train"
    (train / "cat" / "notes.txt").write_text("x")
    (train / "cat" / "._0.png").write_text("x")
    (train / ".cache").mkdir()
    (train / "dog" / "more").mkdir()
    photo(0).save(train / "dog" / "more" / "9.JPG", format="JPEG")
    raw = read("image_folder", cats_and_dogs)
    assert raw.splits["train"].labels.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_image_folder_splits_one_folder_of_classes(image_tree: Tree) -> None:
    root = image_tree({"all": {"cat": 10, "dog": 20}}) / "all"
    raw = read("image_folder", root, test_fraction=0.2)
    train, test = labelled(raw, root).values()
    assert np.bincount([*test.values()]).tolist() == [2, 4]
    assert np.bincount([*train.values()]).tolist() == [8, 16]
    assert not train.keys() & test.keys()
    for path, label in (train | test).items():
        assert Path(path).parent.name == raw.classes[label]


def test_image_folder_names_what_is_missing_or_empty(cats_and_dogs: Path) -> None:
    with pytest.raises(UserError, match="needs `root:`"):
        read("image_folder")
    with pytest.raises(UserError, match=r"nowhere/train: cannot be read .*\(No such file"):
        read("image_folder", cats_and_dogs / "nowhere")
    cat = cats_and_dogs / "train" / "cat"
    with pytest.raises(UserError, match=r"0\.png: cannot be read as a folder \(Not a directory"):
        read("image_folder", cat / "0.png", test_fraction=0.2)
    with pytest.raises(UserError, match="train/cat: holds no class folders"):
        read("image_folder", cat, test_fraction=0.2)
    for split in ("train", "test"):
        (cats_and_dogs / split / "eel").mkdir()
    with pytest.raises(UserError, match=r"train/eel: holds no image; expected .*\.jpg"):
        read("image_folder", cats_and_dogs)
    (cats_and_dogs / "train" / "eel").rmdir()
    (cats_and_dogs / "test" / "dog").rename(cats_and_dogs / "dog")
    with pytest.raises(UserError, match=r"2 are in one only, missing: .*/test/dog, .*/train/eel"):
        read("image_folder", cats_and_dogs)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """As root every folder is readable, so become nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("locked", [".", "train", "train/dog"])
def test_image_folder_names_a_folder_that_cannot_be_read(cats_and_dogs: Path, locked: str) -> None:
    for folder in (cats_and_dogs, *cats_and_dogs.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    folder = cats_and_dogs / locked
    folder.chmod(0)
    try:
        with ordinary_user(), pytest.raises(UserError, match=rf"{folder}.*[Pp]ermission denied"):
            read("image_folder", cats_and_dogs)
    finally:
        folder.chmod(0o755)


def test_a_folder_without_labels_is_read_at_any_depth(cats_and_dogs: Path) -> None:
    photo(7).save(cats_and_dogs / "alone.png")
    raw = read("unlabelled_folder", cats_and_dogs)
    train, test = labelled(raw, cats_and_dogs).values()
    assert not raw.labelled
    assert len(train) == 10
    assert "alone.png" in train
    assert test == {"train/dog/2.png": 0}
    assert set(train.values()) == {0}
    with pytest.raises(UserError, match="holds 2 images, expected three or more"):
        read("unlabelled_folder", cats_and_dogs / "test" / "cat")


@pytest.fixture
def tiny_imagenet(tmp_path: Path) -> Path:
    """The original layout with two classes, listed in neither alphabetical nor folder order."""
    root = tmp_path / "tiny-imagenet-200"
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tcrane, bird\nn02\tcrane, machine\nn03\tegg\n")
    for wnid in ("n01", "n02"):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("x\t0\t0\t1\t1\n")
        for index in range(2):
            photo(index).save(root / "train" / wnid / "images" / f"{wnid}_{index}.JPEG")
    rows = [("val_0.JPEG", "n01"), ("val_1.JPEG", "n02"), ("val_10.JPEG", "n01")]
    for index, (name, _) in enumerate(rows):
        photo(index).save(root / "val" / "images" / name)
    lines = "".join(f"{name}\t{wnid}\t0\t0\t9\t9\n" for name, wnid in rows)
    (root / "val" / "val_annotations.txt").write_text(lines)
    return root


def test_tiny_imagenet_takes_label_order_names_and_val_classes_from_its_text_files(
    tiny_imagenet: Path,
) -> None:
    raw = read("tiny_imagenet", tiny_imagenet)
    assert raw.classes == ["crane (n02)", "crane (n01)"]
    train = [(f"train/n0{n}/images/n0{n}_{i}.JPEG", 2 - n) for n in (1, 2) for i in (0, 1)]
    val = {f"val/images/val_{index}.JPEG": label for index, label in ((0, 1), (1, 0), (10, 1))}
    assert labelled(raw, tiny_imagenet) == {"train": dict(train), "test": val}


def test_tiny_imagenet_says_which_file_of_the_layout_is_wrong(tiny_imagenet: Path) -> None:
    with pytest.raises(
        UserError, match=r"train/wnids\.txt: cannot be read.*tiny-imagenet-200\.zip"
    ):
        read("tiny_imagenet", tiny_imagenet / "train")
    annotations = tiny_imagenet / "val" / "val_annotations.txt"
    annotations.write_text("val_0.JPEG\tn77\n")
    with pytest.raises(UserError, match=r"val_annotations\.txt: class n77 is not in wnids\.txt"):
        read("tiny_imagenet", tiny_imagenet)
    annotations.write_text("val_0.JPEG n01\n")
    with pytest.raises(UserError, match="line 1 has 1 columns, expected 2"):
        read("tiny_imagenet", tiny_imagenet)


def test_real_tiny_imagenet_val_labels_agree_with_its_copy_sorted_by_class(
    image_sets: Path,
) -> None:
    root = image_sets / "tiny-imagenet-200"
    raw = read("tiny_imagenet", root)
    wnids = (root / "wnids.txt").read_text().split()
    assert len(set(raw.classes)) == 200
    assert np.bincount(raw.splits["train"].labels).tolist() == [65] * 200
    found = {Path(p).name: wnids[label] for p, label in labelled(raw, root)["test"].items()}
    sorted_copy = {file.name: file.parent.name for file in (root / "val_by_class").rglob("*.JPEG")}
    assert found == sorted_copy


PLANES = np.random.default_rng(0).integers(0, 256, (8, 3072), dtype=np.uint8)


@pytest.fixture
def cifar_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-100's files in their real layout, with eight images, whose MD5 torchvision accepts."""
    from torchvision.datasets import CIFAR100

    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    fine = [3, 0, 1, 2, 0, 1, 2, 3]
    content = {
        "train": {"data": PLANES[:6], "fine_labels": fine[:6], "coarse_labels": [0] * 6},
        "test": {"data": PLANES[6:], "fine_labels": fine[6:], "coarse_labels": [0] * 2},
        "meta": {"fine_label_names": ["ape", "bee", "cat", "dog"], "coarse_label_names": ["x"]},
    }
    digest = {}
    for name, value in content.items():
        (folder / name).write_bytes(pickle.dumps(value))
        digest[name] = md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", digest["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", digest["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": digest["meta"]})
    monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")
    return tmp_path


def test_cifar_is_read_with_fine_labels_and_colours_last(cifar_files: Path) -> None:
    raw = read("cifar", cifar_files, variant=100)
    assert raw.classes == ["ape", "bee", "cat", "dog"]
    assert raw.splits["train"].labels.tolist() == [3, 0, 1, 2, 0, 1]
    assert raw.splits["test"].labels.tolist() == [2, 3]
    expected = PLANES[6:].reshape(2, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(raw.splits["test"].images, expected)


def test_cifar_with_a_damaged_file_and_no_network_says_what_is_expected_where(
    cifar_files: Path,
) -> None:
    with pytest.raises(UserError, match="needs `root:`"):
        read("cifar")
    (cifar_files / "cifar-100-python" / "train").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"cifar-100-python: no valid copy.*train, test, meta"):
        read("cifar", cifar_files, variant=100)


def test_digits_are_scikit_learns_on_the_scale_of_pixels_split_by_class_and_for_good() -> None:
    from sklearn.datasets import load_digits

    train, test = read("digits").splits.values()
    images = np.concatenate([train.images, test.images])
    assert images.shape == (1797, 8, 8, 3)
    restored = np.rint(images[..., 1] / 255 * 16).reshape(1797, 64)
    labels = np.concatenate([train.labels, test.labels])
    digits = load_digits()
    rows = {(label, *row) for label, row in zip(labels, restored, strict=True)}
    assert rows == {(t, *row) for t, row in zip(digits.target, digits.data, strict=True)}
    held_out = np.bincount(test.labels) / np.bincount(labels)
    np.testing.assert_allclose(held_out, 0.3, atol=0.005)
    np.testing.assert_array_equal(test.images, read("digits").splits["test"].images)
