"""Augmented views and evaluation images of a batch of uint8 images, made on their device."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rankme.augment.operations import (
    apply_to_rows_,
    colour_jitter,
    crop_resize_flip,
    gaussian_blur,
    greyscale,
    solarise,
)
from rankme.augment.parameters import Parameters, sample
from rankme.augment.view import View

CPU_BLOCK_BYTES = 4 * 2**20
"""Bytes of float32 images that a CPU works on together. Measured at 64 px on one thread: 70 us a
view in blocks, 150 us for a batch of 256 (12 MB) at once, whose temporaries leave the cache."""


@dataclass(frozen=True)
class Augmenter:
    """Makes the augmented, normalised views of a batch.

    Attributes:
        views: what to draw, one entry a view; views may differ in size.
        mean: of the training images, three numbers on the pixel scale 0-1.
        std: their standard deviation, likewise.
    """

    views: tuple[View, ...]
    mean: Sequence[float]
    std: Sequence[float]

    @torch.no_grad()
    def __call__(
        self,
        images: Tensor,
        generator: torch.Generator,
        rows: slice | None = None,
        total: int | None = None,
    ) -> list[Tensor]:
        """Return one float32 (B, 3, size, size) channels_last tensor a view.

        Args:
            images: uint8 (B, S, S, 3) on any device.
            generator: a generator on the CPU; every view draws from it in turn.
            rows: which rows of a batch of `total` samples these images are (start and stop).
                Processes that share a batch and a seed draw for the whole batch and use their
                rows, so that together they make the views that one process makes.
            total: samples in the whole batch; goes with `rows`.

        Raises:
            ValueError: `rows` are not as many rows of `total` as there are images.
        """
        count, image_size = images.shape[:2]
        rows, total = rows or slice(0, count), total or count
        if not 0 <= rows.start <= rows.stop <= total or rows.stop - rows.start != count:
            raise ValueError(f"{count} images cannot be {rows} of a batch of {total}")
        drawn = [
            sample(view, total, image_size, generator).slice(rows.start, rows.stop)
            for view in self.views
        ]
        made = [
            torch.empty(count, view.size, view.size, 3, device=images.device).permute(0, 3, 1, 2)
            for view in self.views
        ]
        on_cpu = images.device.type == "cpu"
        step = max(1, CPU_BLOCK_BYTES // (4 * images.shape[1:].numel()) if on_cpu else count)
        for start in range(0, count, step):
            by_column = _unit_floats(images[start : start + step].permute(0, 2, 3, 1))
            pixels = by_column.permute(0, 2, 3, 1)
            for view, parameters, result in zip(self.views, drawn, made, strict=True):
                block = augment(pixels, view, parameters.slice(start, start + step))
                result[start : start + step] = _normalise_(block, self.mean, self.std)
        return made


def augment(images: Tensor, view: View, parameters: Parameters) -> Tensor:
    """Return the view, float32 (B, 3, size, size) on the pixel scale 0-1, of images likewise.

    The order of operations is that of SimCLR and BYOL: crop, flip, jitter, grey, blur, solarise.
    """
    images = crop_resize_flip(images, parameters.crop, parameters.flip, view.size)
    blur = partial(gaussian_blur, kernel_size=view.blur_kernel_size)
    apply_to_rows_(images, parameters.jitter, colour_jitter, parameters.order, parameters.factors)
    apply_to_rows_(images, parameters.grey, greyscale)
    apply_to_rows_(images, parameters.blur, blur, parameters.sigma)
    return apply_to_rows_(images, parameters.solarise, solarise)


def evaluation_batch(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """The images as evaluation sees them, not augmented: float32 (B, 3, H, W), channels_last.

    `images` are uint8 (B, H, W, 3) on any device, `mean` and `std` as of an `Augmenter`.
    """
    pixels = _unit_floats(images.permute(0, 3, 1, 2))
    return _normalise_(pixels, mean, std).contiguous(memory_format=torch.channels_last)


def _unit_floats(images: Tensor) -> Tensor:
    """Return uint8 as float32 on the scale 0-1, laid out in memory in the order of the axes."""
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _normalise_(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    for channel, centre, spread in zip(images.unbind(1), mean, std, strict=True):
        channel.sub_(centre).div_(spread)
    return images
