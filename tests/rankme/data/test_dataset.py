"""A prepared data set is opened as it was written, or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_a_data_set_opens_as_read_only_maps(prepared: Path) -> None:
    dataset = load_dataset(prepared)
    assert dataset.name == "shapes"
    assert dataset.image_size == 8
    assert len(dataset.classes) == 10
    shapes = {name: split.images.shape for name, split in dataset.splits.items()}
    assert shapes == {"train": (40, 8, 8, 3), "test": (20, 8, 8, 3)}
    for split in dataset.splits.values():
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
        assert split.labels.dtype == np.int64
        assert len(split.labels) == len(split.images)


def keep(count: int) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(file.read_bytes()[:count])


def save(array: np.ndarray) -> Callable[[Path], object]:
    return lambda file: np.save(file, array, allow_pickle=True)


def record(**changes: Any) -> Callable[[Path], object]:
    return lambda file: file.write_text(json.dumps(json.loads(file.read_text()) | changes))


TORN = "missing or torn.*prepare the data set again"
FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("train_images.npy", Path.unlink, TORN),
    ("test_labels.npy", Path.unlink, TORN),
    *(("train_images.npy", keep(count), TORN) for count in (0, 50, 1000)),
    ("test_labels.npy", save(np.array([{}], dtype=object)), TORN),
    ("train_labels.npy", save(np.zeros(41, np.int64)), r"holds int64 \(41,\).* int64 \(40,\)"),
    ("DATASET", Path.unlink, "cannot be read"),
    ("DATASET", keep(500), "is not valid JSON"),
    ("DATASET", record(artefact="ACCURACY"), "is 'ACCURACY' .* expected 'DATASET' of format 1"),
    ("DATASET", record(format=2), "of format 2, expected 'DATASET' of format 1"),
]


@pytest.mark.parametrize(("name", "spoil", "fault"), FAULTS)
def test_a_missing_torn_or_foreign_file_is_named_with_its_fault(
    prepared: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], fault: str
) -> None:
    folder = Path(shutil.copytree(prepared, tmp_path / "shapes"))
    spoil(folder / name)
    with pytest.raises(UserError, match=rf"shapes/{name}: .*{fault}"):
        load_dataset(folder)
