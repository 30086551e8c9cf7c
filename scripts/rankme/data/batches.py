"""Batches of a split on the device, and the order of an epoch."""

import warnings

import numpy as np
import torch
from torch import Tensor


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of samples in an epoch, int64 (count,): a function of (seed, epoch) alone."""
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))


class DeviceBatches:
    """Batches of uint8 images on a device, taken by index.

    On a CUDA device the whole split is kept there if it needs at most a third of the memory that
    is free now, so that network and activations have the rest. Otherwise each batch is gathered
    from the memory map into pinned memory and copied while the device computes. On the CPU the
    memory map itself is used, without a copy.

    Attributes:
        labels: int64 (N,) on the device.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
        """Take uint8 images (N, H, W, 3) and int64 labels (N,)."""
        self.device = device
        self.labels = _wrap(labels).to(device)
        self._images = _wrap(images)
        self._resident = device.type == "cpu"
        if device.type == "cuda" and 3 * images.nbytes <= torch.cuda.mem_get_info(device)[0]:
            self._images = self._images.to(device)
            self._resident = True

    def __len__(self) -> int:
        return len(self._images)

    def get(self, indices: Tensor) -> Tensor:
        """The images at int64 `indices` (B,) on the CPU: uint8 (B, H, W, 3) on the device."""
        if self._resident:
            return self._images.index_select(0, indices.to(self._images.device, non_blocking=True))
        shape = (len(indices), *self._images.shape[1:])
        batch = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        torch.index_select(self._images, 0, indices, out=batch)
        return batch.to(self.device, non_blocking=True)


def _wrap(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # The maps are read-only, and so is every use of the tensor.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
