import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.errors import UserError
from rankme.study.datasets import declare

OPTIONS = {"train_count": 40, "test_count": 20}
SMALL = declare("shapes", {"reader": "shapes", "size": 8, "options": OPTIONS})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets") / "shapes"
    prepare("shapes", SMALL, folder, workers=1)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "shapes"))


def test_a_data_set_opens_as_read_only_maps(folder: Path) -> None:
    dataset = load_dataset(folder)
    assert dataset.name == "shapes"
    assert dataset.image_size == 8
    assert len(dataset.classes) == 10
    assert {name: split.images.shape for name, split in dataset.splits.items()} == {
        "train": (40, 8, 8, 3),
        "test": (20, 8, 8, 3),
    }
    for split in dataset.splits.values():
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
        assert split.labels.dtype == np.int64
        assert len(split.labels) == len(split.images)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere/DATASET: cannot be read"):
        load_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy"])
def test_a_missing_array_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name}: missing or torn.*prepare the data set again"):
        load_dataset(folder)


@pytest.mark.parametrize("keep", [0, 50, 1000])
def test_a_torn_array_is_named(folder: Path, keep: int) -> None:
    file = folder / "train_images.npy"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"train_images\.npy: missing or torn"):
        load_dataset(folder)


def test_an_array_that_is_a_pickle_is_refused(folder: Path) -> None:
    np.save(folder / "test_labels.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"test_labels\.npy"):
        load_dataset(folder)


def test_an_array_of_another_data_set_is_refused(folder: Path) -> None:
    np.save(folder / "train_labels.npy", np.zeros(41, dtype=np.int64))
    with pytest.raises(UserError, match=r"train_labels\.npy: holds int64 \(41,\).* \(40,\)"):
        load_dataset(folder)


@pytest.mark.parametrize("change", [{"artefact": "ACCURACY"}, {"format": 2}])
def test_a_foreign_record_is_refused(folder: Path, change: dict[str, object]) -> None:
    record = json.loads((folder / "DATASET").read_text())
    (folder / "DATASET").write_text(json.dumps({**record, **change}))
    with pytest.raises(UserError, match=r"expected 'DATASET' of format 1"):
        load_dataset(folder)


def test_a_torn_record_is_refused(folder: Path) -> None:
    text = (folder / "DATASET").read_text()
    (folder / "DATASET").write_text(text[: len(text) // 2])
    with pytest.raises(UserError, match="DATASET: is not valid JSON"):
        load_dataset(folder)
