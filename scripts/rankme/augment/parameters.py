"""Random parameters of a whole batch of views, drawn on the CPU.

They are a few bytes a sample. Drawn on the CPU, one seed gives the same views on every device and
in any number of processes, and what depends on them (which rows are blurred, how many pixels a
resize looks at) is known without waiting for the device.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rankme.augment.view import View

_CROP_TRIES = 10


@dataclass(frozen=True)
class Parameters:
    """What happens to each of B samples of one view; every tensor is on the CPU.

    Attributes:
        crop: int64 (B, 4): top, left, height, width in pixels of the source image.
        flip: bool (B,): mirrored left to right.
        jitter: bool (B,): colours are changed.
        order: int64 (B, 4): a permutation of 0-3, the order in which brightness (0), contrast (1),
            saturation (2) and hue (3) are changed.
        factors: float32 (B, 4): the three factors, and the shift of hue in turns.
        grey: bool (B,): turned grey.
        blur: bool (B,): blurred.
        sigma: float32 (B,): standard deviation of the blur, pixels.
        solarise: bool (B,): solarised.
    """

    crop: Tensor
    flip: Tensor
    jitter: Tensor
    order: Tensor
    factors: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor
    solarise: Tensor

    def slice(self, start: int, stop: int) -> "Parameters":
        """Return the parameters of the samples from `start` up to, without, `stop`."""
        return Parameters(*(getattr(self, field.name)[start:stop] for field in fields(self)))


def sample(view: View, count: int, image_size: int, generator: torch.Generator) -> Parameters:
    """Draw the parameters of `count` samples, by a generator on the CPU.

    Distributions are those of torchvision's RandomResizedCrop, RandomHorizontalFlip, ColorJitter,
    RandomGrayscale, GaussianBlur and RandomSolarize. How many numbers are drawn depends on `count`
    alone, so the generator's next state does too. The source images have `image_size` pixels a
    side.
    """

    def occurs(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    low, high = view.blur_sigma
    return Parameters(
        crop=_crop(view, count, image_size, generator),
        flip=occurs(view.flip),
        jitter=occurs(view.jitter),
        order=torch.rand(count, 4, generator=generator).argsort(1),
        factors=_factors(view, count, generator),
        grey=occurs(view.grey),
        blur=occurs(view.blur),
        sigma=torch.rand(count, generator=generator) * (high - low) + low,
        solarise=occurs(view.solarise),
    )


def _crop(view: View, count: int, image_size: int, generator: torch.Generator) -> Tensor:
    """Draw ten boxes a sample and take the first that fits, else the central box."""
    draws = torch.rand(2, count, _CROP_TRIES, generator=generator, dtype=torch.float64)
    low, high = view.crop_scale
    area = (draws[0] * (high - low) + low) * image_size**2
    low, high = map(math.log, view.crop_ratio)
    ratio = (draws[1] * (high - low) + low).exp()
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], 2).round()
    fits = ((sides > 0) & (sides <= image_size)).all(2)
    box = sides[torch.arange(count), fits.int().argmax(1)]

    position = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    corner = (position * (image_size - box + 1)).floor()
    drawn = torch.cat([corner, box], 1).long()
    return torch.where(fits.any(1, keepdim=True), drawn, _central_crop(view, image_size))


def _central_crop(view: View, image_size: int) -> Tensor:
    """Return the largest central box whose ratio is allowed."""
    low, high = view.crop_ratio
    ratio = min(max(1.0, low), high)
    height, width = round(image_size / max(ratio, 1.0)), round(image_size * min(ratio, 1.0))
    return torch.tensor([(image_size - height) // 2, (image_size - width) // 2, height, width])


def _factors(view: View, count: int, generator: torch.Generator) -> Tensor:
    strengths = torch.tensor([view.brightness, view.contrast, view.saturation, view.hue])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    low = centre - strengths
    low[:3].clamp_(min=0)
    return torch.lerp(low, centre + strengths, torch.rand(count, 4, generator=generator))
