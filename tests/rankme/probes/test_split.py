import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankme.errors import UserError
from rankme.probes.split import stratified_split


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_split_parts_every_class(
    labels: list[int], fraction: float, seed: int
) -> None:
    array = np.array(labels)
    if np.bincount(array).max() < 2:
        with pytest.raises(UserError, match="only one"):
            stratified_split(array, fraction, seed)
        return
    fit, held_out = stratified_split(array, fraction, seed)
    assert sorted([*fit, *held_out]) == list(range(len(array)))
    for label in set(labels):
        count, held = (array == label).sum(), (array[held_out] == label).sum()
        assert held < count
        assert held >= (count > 1)
        assert abs(held - fraction * count) <= 1


def test_a_rare_label_among_frequent_ones_is_in_both_parts() -> None:
    labels = np.zeros((1000, 3), np.uint8)
    labels[:, 0] = 1
    labels[::2, 1] = 1
    labels[[10, 500], 2] = 1
    for seed in range(20):
        parts = stratified_split(labels, 0.2, seed)
        assert [labels[part, 2].sum() for part in parts] == [1, 1]
        assert labels[parts[1], 1].mean() == pytest.approx(0.5, abs=0.01)


def test_images_without_a_label_are_parted_like_a_class() -> None:
    labels = np.zeros((100, 2), np.uint8)
    labels[:50, 0] = 1
    _, held_out = stratified_split(labels, 0.2, seed=0)
    assert labels[held_out, 0].sum() == 10
    assert len(held_out) == 20
