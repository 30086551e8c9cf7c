from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankme.errors import UserError
from rankme.features import load_features
from rankme.files import read_json, write_json

COUNTS = {"train": 21, "test": 7}


@pytest.fixture
def folder(write_features: Callable[..., Path]) -> Path:
    generator = np.random.default_rng(0)
    train, test = (
        (generator.normal(size=(count, 5)), generator.integers(3, size=count))
        for count in COUNTS.values()
    )
    return write_features(train, test, 3)


def test_features_are_the_arrays_that_were_written_and_stay_on_disk(folder: Path) -> None:
    for name, split in load_features(folder).splits.items():
        for part, array in {**split.layers, "labels": split.labels}.items():
            assert isinstance(array, np.memmap)
            assert np.array_equal(array, np.load(folder / f"{name}_{part}.npy"))


def test_features_say_what_they_belong_to(folder: Path) -> None:
    features = load_features(folder)
    assert (features.dataset, features.dataset_digest) == ("blobs", "d0")
    assert features.encoder_sha256 == "e0"
    assert features.classes == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize("part", ["representation", "embedding", "labels"])
@pytest.mark.parametrize("kept", [0, 40, 150])
def test_a_truncated_array_is_a_users_error(folder: Path, part: str, kept: int) -> None:
    file = folder / f"train_{part}.npy"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=f"train_{part}.npy"):
        load_features(folder)


def test_a_missing_array_is_a_users_error(folder: Path) -> None:
    (folder / "test_embedding.npy").unlink()
    with pytest.raises(UserError, match=r"test_embedding\.npy"):
        load_features(folder)


def test_an_array_of_other_length_is_a_users_error(folder: Path) -> None:
    np.save(folder / "test_labels.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="holds 3 rows"):
        load_features(folder)


@pytest.mark.parametrize("key", ["classes", "splits", "encoder_sha256"])
def test_an_index_without_a_key_is_a_users_error(folder: Path, key: str) -> None:
    index = read_json(folder / "features.json")
    del index[key]
    write_json(folder / "features.json", index)
    with pytest.raises(UserError, match=rf"features\.json: lacks the key '{key}'"):
        load_features(folder)
