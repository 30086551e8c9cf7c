"""Batches of a split on the device, and the order of an epoch."""

import math
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle

import numpy as np
import torch
from torch import Tensor

_LOADERS = 3


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of samples in an epoch, int64 (count,): a function of (seed, epoch) alone."""
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))


class DeviceBatches:
    """Batches of uint8 images on a device, taken by index; the same whether streamed or not.

    On a CUDA device the whole split is kept there if it needs at most a third of the memory that
    is free now, so that network and activations have the rest. Otherwise batches are streamed from
    the memory map: a batch that was announced by `prefetch` is gathered by a thread and copied
    while the device computes. On the CPU the memory map itself is used, without a copy.

    Args:
        images: uint8 (N, H, W, 3), usually a memory map.
        labels: int64 (N,), or uint8 (N, C) of 0 and 1.
        device: where batches are wanted.

    Attributes:
        labels: on the device.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
        self.labels = _wrap(labels).to(device)
        self._images = _wrap(images)
        self._stream: _Stream | None = None
        if _fits(images, device):
            self._images = self._images.to(device)
        else:
            self._stream = _Stream(self._images, device)

    def __len__(self) -> int:
        return len(self._images)

    def prefetch(self, indices: Tensor) -> None:
        """Announce the int64 `indices` (B,) on the CPU of a later `get`, to have it ready then.

        One batch is held ready at a time. Batches that were not announced may be taken meanwhile.
        """
        if self._stream is not None:
            self._stream.prefetch(indices)

    def get(self, indices: Tensor) -> Tensor:
        """The images at int64 `indices` (B,) on the CPU: uint8 (B, H, W, 3) on the device."""
        if self._stream is not None:
            return self._stream.get(indices)
        return self._images.index_select(0, indices.to(self._images.device, non_blocking=True))


def _fits(images: np.ndarray, device: torch.device) -> bool:
    if device.type == "cuda":
        return 3 * images.nbytes <= torch.cuda.mem_get_info(device)[0]
    return device.type == "cpu"


class _Loader:
    """Makes batches: a thread calls `gather`, the thread that computes calls `hand_over`.

    MPS wants all its work from one thread, so that only the latter copies to it.
    """

    def __init__(self, images: Tensor, device: torch.device) -> None:
        self._images, self._device = images, device

    def gather(self, indices: Tensor) -> Tensor:
        return torch.index_select(self._images, 0, indices)

    def hand_over(self, batch: Tensor) -> Tensor:
        """The batch on the device, for use on its current stream."""
        return batch.to(self._device)


class _PinnedLoader(_Loader):
    """Copies from pinned memory, on a CUDA stream of its own while the device computes."""

    def __init__(self, images: Tensor, device: torch.device) -> None:
        super().__init__(images, device)
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._copies = torch.cuda.Stream(device)
        self._copied, self._taken = torch.cuda.Event(), torch.cuda.Event()

    def gather(self, indices: Tensor) -> Tensor:
        shape = (len(indices), *self._images.shape[1:])
        self._copied.synchronize()
        if len(self._memory) < math.prod(shape):
            self._memory = torch.empty(math.prod(shape), dtype=torch.uint8, pin_memory=True)
        host = self._memory[: math.prod(shape)].view(shape)
        torch.index_select(self._images, 0, indices, out=host)
        # Wait until the device has come to the loader's last batch: a host that queues work far
        # ahead would otherwise fill the device with batches that nothing computes on yet.
        self._copies.wait_event(self._taken)
        with torch.cuda.stream(self._copies):
            batch = host.to(self._device, non_blocking=True)
        self._copied.record(self._copies)
        return batch

    def hand_over(self, batch: Tensor) -> Tensor:
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(self._copied)
        self._taken.record(computing)
        batch.record_stream(computing)
        return batch


class _Stream:
    """Batches that a thread gathers ahead of need, by a few loaders in turn."""

    def __init__(self, images: Tensor, device: torch.device) -> None:
        kind = _PinnedLoader if device.type == "cuda" else _Loader
        self._loaders = cycle([kind(images, device) for _ in range(_LOADERS)])
        self._thread = ThreadPoolExecutor(1, "batches")
        self._announced: tuple[Tensor, Future[tuple[Tensor, _Loader]]] | None = None

    def prefetch(self, indices: Tensor) -> None:
        self._announced = indices, self._thread.submit(self._load, indices)

    def get(self, indices: Tensor) -> Tensor:
        if self._announced is not None and torch.equal(self._announced[0], indices):
            loading, self._announced = self._announced[1], None
        else:
            loading = self._thread.submit(self._load, indices)
        batch, loader = loading.result()
        return loader.hand_over(batch)

    def _load(self, indices: Tensor) -> tuple[Tensor, _Loader]:
        loader = next(self._loaders)
        return loader.gather(indices), loader


def _wrap(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # The maps are read-only, and so is every use of the tensor.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
