import threading
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


def streamed(device: torch.device = CPU) -> DeviceBatches:
    return DeviceBatches(IMAGES, LABELS, device, stream=True)


def test_streamed_batches_equal_resident_ones_for_a_seed(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    resident = DeviceBatches(mapped, LABELS, CPU)
    stream = DeviceBatches(mapped, LABELS, CPU, stream=True)
    for epoch in range(3):
        batches = epoch_order(50, 7, epoch).split(16)
        for now, following in zip(batches, [*batches[1:], None], strict=True):
            images = stream.get(now)
            if following is not None:
                stream.prefetch(following)
            assert torch.equal(images, resident.get(now))


def test_a_batch_stays_as_it_is_while_others_are_loaded() -> None:
    stream = streamed()
    batches = [torch.arange(start, start + 5) for start in range(0, 50, 5)]
    kept = []
    for indices in batches:
        kept.append(stream.get(indices))
        stream.prefetch(indices + 0)
    for images, indices in zip(kept, batches, strict=True):
        np.testing.assert_array_equal(images.numpy(), IMAGES[indices.numpy()])


def test_an_announced_batch_outlasts_those_taken_in_between() -> None:
    stream = streamed()
    announced = torch.tensor([4, 2, 49])
    stream.prefetch(announced)
    for start in range(0, 40, 10):
        between = torch.arange(start, start + 10)
        np.testing.assert_array_equal(stream.get(between).numpy(), IMAGES[between.numpy()])
    np.testing.assert_array_equal(stream.get(announced).numpy(), IMAGES[announced.numpy()])


def test_an_announced_batch_is_gathered_before_it_is_asked_for_and_once() -> None:
    stream = streamed()
    real, calls = torch.index_select, []
    gathered = threading.Event()

    def index_select(*arguments: object, **options: object) -> object:
        calls.append(threading.current_thread())
        result = real(*arguments, **options)  # type: ignore[call-overload]
        gathered.set()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "index_select", index_select)
        stream.prefetch(torch.tensor([1, 2]))
        assert gathered.wait(timeout=10)
        np.testing.assert_array_equal(stream.get(torch.tensor([1, 2])).numpy(), IMAGES[1:3])
    assert len(calls) == 1
    assert calls[0] is not threading.current_thread()


def test_a_wrong_index_is_an_error_where_the_batch_is_taken() -> None:
    stream = streamed()
    stream.prefetch(torch.tensor([50]))
    with pytest.raises((IndexError, RuntimeError)):
        stream.get(torch.tensor([50]))
    np.testing.assert_array_equal(stream.get(torch.tensor([3])).numpy(), IMAGES[3:4])


def test_announcing_costs_a_resident_split_nothing() -> None:
    batches = DeviceBatches(IMAGES, LABELS, CPU)
    batches.prefetch(torch.tensor([1]))
    assert batches._stream is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
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
    np.testing.assert_array_equal(batch.cpu().numpy(), IMAGES[indices.numpy()])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_no_batch_is_overwritten_while_copies_and_computation_lag_behind() -> None:
    device = torch.device("cuda")
    images = np.random.default_rng(1).integers(0, 256, (4096, 32, 32, 3), dtype=np.uint8)
    stream = DeviceBatches(images, np.zeros(4096, np.int64), device, stream=True)
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
