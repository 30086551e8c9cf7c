import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankme.data.splits import stratified_split
from rankme.errors import UserError


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_split_parts_every_class_and_empties_none(
    labels: list[int], fraction: float, seed: int
) -> None:
    array = np.array(labels)
    if np.bincount(array).max() < 2:
        with pytest.raises(UserError, match="only one"):
            stratified_split(array, fraction, seed)
        return
    rest, held_out = stratified_split(array, fraction, seed)
    assert sorted([*rest, *held_out]) == list(range(len(array)))
    for label in set(labels):
        count, held = (array == label).sum(), (array[held_out] == label).sum()
        assert (count > 1) <= held < count
        assert abs(held - fraction * count) <= 1


def test_a_stratified_split_is_fixed_by_its_seed_and_keys() -> None:
    labels = np.zeros(20, dtype=np.int64)
    keys = [str(index) for index in range(20)]
    _, held_out = stratified_split(labels, 0.2, 0, keys)
    # The four of "0" ... "19" whose SHA-256 of "0:<key>" is smallest, by sha256sum.
    assert held_out.tolist() == [4, 7, 15, 18]
    assert stratified_split(labels, 0.2, 0, keys[::-1])[1].tolist() == [1, 4, 12, 15]
    assert stratified_split(labels, 0.2, 0)[1].tolist() == held_out.tolist()
    assert stratified_split(labels, 0.2, 1)[1].tolist() != held_out.tolist()


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
