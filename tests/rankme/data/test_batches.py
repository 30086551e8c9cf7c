import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rankme.data.batches import DeviceBatches, epoch_order

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(50) % 3
CPU = torch.device("cpu")


@given(st.integers(1, 300), st.integers(0, 2**32), st.integers(0, 1000))
def test_an_epoch_visits_every_sample_once(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed, epoch)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(count))


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    first = epoch_order(1000, 0, 0)
    torch.manual_seed(5)
    np.random.seed(5)
    assert torch.equal(first, epoch_order(1000, 0, 0))
    others = [epoch_order(1000, seed, epoch) for seed, epoch in ((0, 1), (1, 0), (1, 1))]
    for other in others:
        # Unrelated permutations agree at one place on average.
        assert (first == other).sum() < 10


def test_a_place_in_the_order_is_uniform() -> None:
    first = torch.tensor([int(epoch_order(10, 0, epoch)[0]) for epoch in range(2000)])
    counts = torch.bincount(first, minlength=10)
    # Chi-square with 9 degrees of freedom; 27.9 is its 0.999 quantile.
    assert ((counts - 200) ** 2 / 200).sum() < 27.9


def test_a_batch_holds_the_images_asked_for() -> None:
    batches = DeviceBatches(IMAGES, LABELS, CPU)
    indices = torch.tensor([7, 3, 3, 49])
    np.testing.assert_array_equal(batches.get(indices).numpy(), IMAGES[indices.numpy()])
    np.testing.assert_array_equal(batches.labels.numpy(), LABELS)
    assert len(batches) == 50


def test_on_the_cpu_the_map_is_wrapped_without_a_copy_or_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = DeviceBatches(mapped, LABELS, CPU)
    assert batches._images.data_ptr() == mapped.ctypes.data
    np.testing.assert_array_equal(batches.get(torch.arange(50)).numpy(), IMAGES)


def test_streamed_batches_equal_resident_ones() -> None:
    resident, streamed = (DeviceBatches(IMAGES, LABELS, CPU) for _ in range(2))
    streamed._resident = False
    indices = epoch_order(50, 0, 0)[:16]
    assert torch.equal(streamed.get(indices), resident.get(indices))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("free", "resident"), [(3 * IMAGES.nbytes, True), (1, False)])
def test_a_split_stays_on_cuda_if_it_needs_at_most_a_third_of_the_free_memory(
    free: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    batches = DeviceBatches(IMAGES, LABELS, torch.device("cuda"))
    assert batches._images.is_cuda == resident
    indices = epoch_order(50, 0, 0)[:16]
    batch = batches.get(indices)
    assert batch.is_cuda
    np.testing.assert_array_equal(batch.cpu().numpy(), IMAGES[indices.numpy()])
