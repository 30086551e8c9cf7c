import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rankme.data import batches as batches_module
from rankme.data.batches import DeviceBatches, epoch_order

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(50) % 3
CPU = torch.device("cpu")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def assert_holds(batch: Tensor, indices: Tensor) -> None:
    np.testing.assert_array_equal(batch.cpu().numpy(), IMAGES[indices.numpy()])


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
    for seed, epoch in ((0, 1), (1, 0), (1, 1)):
        # Unrelated permutations agree at one place on average.
        assert (first == epoch_order(1000, seed, epoch)).sum() < 10


def test_a_place_in_the_order_is_uniform() -> None:
    first = torch.tensor([int(epoch_order(10, 0, epoch)[0]) for epoch in range(2000)])
    counts = torch.bincount(first, minlength=10)
    # Chi-square with 9 degrees of freedom; 27.9 is its 0.999 quantile.
    assert ((counts - 200) ** 2 / 200).sum() < 27.9


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "images.npy", IMAGES)
    images: np.ndarray = np.load(tmp_path / "images.npy", mmap_mode="r")
    return images


def test_on_the_cpu_the_map_is_wrapped_without_a_copy_a_thread_or_a_warning(
    mapped: np.ndarray,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = DeviceBatches(mapped, LABELS, CPU)
    indices = torch.tensor([7, 3, 3, 49])
    batches.prefetch(indices)
    assert_holds(batches.get(indices), indices)
    np.testing.assert_array_equal(batches.labels.numpy(), LABELS)
    assert len(batches) == 50
    assert batches._images.data_ptr() == mapped.ctypes.data
    assert batches._stream is None


@pytest.fixture
def stream(mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> DeviceBatches:
    """Batches of a split that fits no device."""
    monkeypatch.setattr(batches_module, "_fits", lambda *_: False)
    return DeviceBatches(mapped, LABELS, CPU)


def test_streamed_batches_hold_the_images_asked_for(stream: DeviceBatches) -> None:
    for epoch in range(3):
        batches = epoch_order(50, 7, epoch).split(16)
        for now, following in zip(batches, [*batches[1:], None], strict=True):
            images = stream.get(now)
            if following is not None:
                stream.prefetch(following)
            assert_holds(images, now)


def test_a_batch_stays_as_it_is_while_others_are_loaded(stream: DeviceBatches) -> None:
    batches = torch.arange(50).split(5)
    kept = []
    for indices in batches:
        kept.append(stream.get(indices))
        stream.prefetch(indices + 0)
    for images, indices in zip(kept, batches, strict=True):
        assert_holds(images, indices)


def test_an_announced_batch_outlasts_those_taken_in_between(stream: DeviceBatches) -> None:
    announced = torch.tensor([4, 2, 49])
    stream.prefetch(announced)
    for between in torch.arange(40).split(10):
        assert_holds(stream.get(between), between)
    assert_holds(stream.get(announced), announced)


def test_an_announced_batch_is_gathered_before_it_is_asked_for_and_once(
    stream: DeviceBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls, gathered = torch.index_select, [], threading.Event()
    announced = torch.tensor([1, 2])

    def index_select(*arguments: object, **options: object) -> object:
        if torch.equal(arguments[2], announced):  # type: ignore[arg-type]
            calls.append(threading.current_thread())
        result = real(*arguments, **options)  # type: ignore[call-overload]
        gathered.set()
        return result

    monkeypatch.setattr(torch, "index_select", index_select)
    stream.prefetch(announced)
    assert gathered.wait(timeout=10)
    assert_holds(stream.get(torch.tensor([1, 2])), announced)
    assert len(calls) == 1
    assert calls[0] is not threading.current_thread()


def test_a_wrong_index_is_an_error_where_the_batch_is_taken(stream: DeviceBatches) -> None:
    stream.prefetch(torch.tensor([50]))
    with pytest.raises((IndexError, RuntimeError)):
        stream.get(torch.tensor([50]))
    assert_holds(stream.get(torch.tensor([3])), torch.tensor([3]))


@cuda
@pytest.mark.parametrize(("free", "resident"), [(3 * IMAGES.nbytes, True), (1, False)])
def test_a_split_stays_on_cuda_if_it_needs_at_most_a_third_of_the_free_memory(
    free: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    batches = DeviceBatches(IMAGES, LABELS, torch.device("cuda"))
    assert batches._images.is_cuda == resident
    assert (batches._stream is None) == resident
    indices = epoch_order(50, 0, 0)[:16]
    batch = batches.get(indices)
    assert batch.is_cuda
    assert_holds(batch, indices)


@cuda
def test_on_cuda_no_batch_is_overwritten_while_copies_and_computation_lag_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches_module, "_fits", lambda *_: False)
    images = np.random.default_rng(1).integers(0, 256, (4096, 32, 32, 3), dtype=np.uint8)
    stream = DeviceBatches(images, np.zeros(4096, np.int64), torch.device("cuda"))
    batches = epoch_order(4096, 0, 0).split(128)
    sums = []
    stream.prefetch(batches[0])
    for now, following in zip(batches, [*batches[1:], None], strict=True):
        batch = stream.get(now)
        if following is not None:
            stream.prefetch(following)
        torch.cuda._sleep(10_000_000)
        sums.append(batch.long().sum((1, 2, 3)))
        del batch
    expected = images.astype(np.int64).sum((1, 2, 3))
    for indices, found in zip(batches, sums, strict=True):
        np.testing.assert_array_equal(found.cpu().numpy(), expected[indices.numpy()])
