"""What heads are trained on: features from a folder, or of images augmented anew in each epoch."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from rankme.augment import Augmenter, View
from rankme.data.batches import DeviceBatches
from rankme.data.dataset import Split
from rankme.device import send
from rankme.extraction import layers
from rankme.models.pretrained import PretrainedModel
from rankme.study.settings import Layer

_COPY_ROWS = 65536

Batches = Iterator[tuple[Tensor, Mapping[Layer, Tensor]]]
"""Indices of images, int64 (B,), and their features by layer, float32 (B, D)."""


class CachedFeatures:
    """Features that were extracted once.

    On a CUDA device they are kept there if they need at most a third of the memory that is free.
    Otherwise each batch is gathered from the memory map: no copy of the whole is made.

    Args:
        arrays: float32 (N, D) by layer.
        device: of the batches.
    """

    def __init__(self, arrays: Mapping[Layer, np.ndarray], device: torch.device) -> None:
        self._device = device
        self._arrays: dict[Layer, np.ndarray | Tensor] = dict(arrays)
        size = 3 * sum(array.nbytes for array in arrays.values())
        if device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0]:
            self._arrays = {n: _copied(array, device) for n, array in arrays.items()}

    def batches(self, order: Tensor, batch_size: int, epoch: int) -> Batches:
        """The images `order`, int64 (N,), alike in every epoch."""
        for rows in order.split(batch_size):
            yield rows, {name: self._take(array, rows) for name, array in self._arrays.items()}

    def _take(self, array: np.ndarray | Tensor, rows: Tensor) -> Tensor:
        if isinstance(array, Tensor):
            return array.index_select(0, send(rows, self._device))
        return send(torch.from_numpy(array[rows.numpy()]), self._device)


class AugmentedImages:
    """Features of images that are cropped and flipped at random, by a frozen model.

    Args:
        model: on the device (see `rankme.extraction.frozen`).
        crop_scale: least and greatest share of the image's area that is cropped.
        seed: of the crops and flips.
        device: where images are augmented and the model runs.
    """

    def __init__(
        self,
        model: PretrainedModel,
        split: Split,
        crop_scale: tuple[float, float],
        seed: int,
        device: torch.device,
    ) -> None:
        self._model, self._seed = model, seed
        self._images = DeviceBatches(split.images, split.labels, device)
        view = View(model.image_size, crop_scale, jitter=0.0, grey=0.0)
        self._augmenter = Augmenter((view,), **model.normalisation)

    def batches(self, order: Tensor, batch_size: int, epoch: int) -> Batches:
        """The images `order`, int64 (N,), with other crops and flips in every epoch."""
        seed = np.random.default_rng((self._seed, epoch)).integers(2**63)
        generator = torch.Generator().manual_seed(int(seed))
        parts = order.split(batch_size)
        for rows, next_rows in zip_longest(parts, parts[1:]):
            images = self._images.get(rows)
            if next_rows is not None:
                self._images.prefetch(next_rows)
            (view,) = self._augmenter(images, generator)
            yield rows, layers(self._model, view)


Inputs = CachedFeatures | AugmentedImages


def _copied(array: np.ndarray, device: torch.device) -> Tensor:
    """The whole array on a device, copied part by part."""
    copy = torch.empty(array.shape, device=device)
    for start in range(0, len(array), _COPY_ROWS):
        rows = slice(start, start + _COPY_ROWS)
        copy[rows] = torch.from_numpy(array[rows].copy())
    return copy
