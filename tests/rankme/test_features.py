from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankme.errors import UserError
from rankme.features import load_features
from rankme.files import read_json, write_json


@pytest.fixture
def folder(write_features: Callable[..., Path]) -> Path:
    generator = np.random.default_rng(0)
    sets = [(generator.normal(size=(n, 5)), generator.integers(3, size=n)) for n in (21, 7)]
    return write_features(*sets, 3)


def test_features_are_the_arrays_that_were_written_and_stay_on_disk(folder: Path) -> None:
    features = load_features(folder)
    assert (features.dataset, features.dataset_digest) == ("blobs", "d0")
    assert features.encoder_sha256 == "e0"
    assert features.classes == ["class 0", "class 1", "class 2"]
    for name, split in features.splits.items():
        for part, array in {**split.layers, "labels": split.labels}.items():
            assert isinstance(array, np.memmap)
            assert np.array_equal(array, np.load(folder / f"{name}_{part}.npy"))


@pytest.mark.parametrize("part", ["representation", "embedding", "labels"])
@pytest.mark.parametrize("kept", [None, 0, 40, 150])
def test_a_missing_or_truncated_array_is_a_users_error(
    folder: Path, part: str, kept: int | None
) -> None:
    file = folder / f"train_{part}.npy"
    content = file.read_bytes()
    file.unlink()
    if kept is not None:
        file.write_bytes(content[:kept])
    with pytest.raises(UserError, match=rf"train_{part}\.npy: .* delete the folder and fit"):
        load_features(folder)


def test_an_array_of_other_length_is_a_users_error(folder: Path) -> None:
    np.save(folder / "test_labels.npy", np.zeros(3, np.int64))
    with pytest.raises(
        UserError, match=r"labels\.npy: holds 3 rows, features\.json says 7; delete"
    ):
        load_features(folder)


@pytest.mark.parametrize("key", ["classes", "splits", "encoder_sha256"])
def test_an_index_without_a_key_is_a_users_error(folder: Path, key: str) -> None:
    index = read_json(folder / "features.json")
    del index[key]
    write_json(folder / "features.json", index)
    message = rf"features\.json: lacks the key '{key}'; delete the folder and fit the heads again"
    with pytest.raises(UserError, match=message):
        load_features(folder)
