"""Augmentations of a whole batch of images on its device, each sample with its own parameters.

Images are float32 (B, 3, H, W) on the pixel scale 0-1. Parameters are tensors on the CPU with one
row a sample: what they decide about the work (how many rows, how many pixels) is known without
waiting for the device. A name that ends in an underscore changes the images in place.
Values equal those of `torchvision.transforms.v2.functional` on the same float images.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rankme.device import send


class Taps(NamedTuple):
    """Each output pixel of an axis as a weighted sum of K input pixels of that axis.

    `pixel`: int64 (B, m, K), the input pixels; `weight`: float32 (B, m, K), their weights.
    """

    pixel: Tensor
    weight: Tensor


def crop_resize_flip(images: Tensor, crop: Tensor, flip: Tensor, size: int) -> Tensor:
    """Crop, resize to `size` x `size` and mirror left to right, all at once.

    Bilinear with antialiasing: equal to torchvision's `resized_crop` (`antialias=True`), enlarging
    or shrinking, within float32 rounding. Affine grid sampling is slower and differs from it: it
    reads across the border of the crop and, where the crop is larger than the view, it aliases
    (mean error on photographs, in 1/255: 0.2 at 32 px, 1.4 from 64 to 32 px, 2.8 from 96 to 32).

    Args:
        images: float32 (B, 3, H, W); read fastest where it lies in memory as (B, W, 3, H).
        crop: int64 (B, 4) on the CPU: top, left, height, width in pixels.
        flip: bool (B,) on the CPU.
        size: height and width of the result, pixels.
    """
    taps = [math.ceil(2 * max(1.0, extent.max().item() / size)) for extent in crop[:, 2:].unbind(1)]
    top, left, height, width = send(crop, images.device).unbind(1)
    flip = send(flip, images.device)
    columns = _resize_taps(left, width, size, taps[1])
    columns = Taps(*(torch.where(flip.view(-1, 1, 1), tap.flip(1), tap) for tap in columns))
    return _resample(images, columns, _resize_taps(top, height, size, taps[0]))


def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Blur with a Gaussian cut off at `kernel_size` (odd) pixels, reflecting at the border.

    `sigma`: float32 (B,) on the CPU, pixels.
    """
    *_, height, width = images.shape
    sigma = send(sigma, images.device).view(-1, 1, 1)
    offset = torch.arange(kernel_size, device=images.device) - kernel_size // 2
    kernel = (offset / sigma).square().mul(-0.5).softmax(2)

    def taps(extent: int) -> Taps:
        pixel = torch.arange(extent, device=images.device)[:, None] + offset
        pixel = (extent - 1) - ((extent - 1) - pixel.abs()).abs()
        return Taps(pixel.expand(len(images), -1, -1), kernel.expand(-1, extent, -1))

    return _resample(images, taps(width), taps(height))


def colour_jitter(images: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, in each sample's own order.

    Before each of the four turns the batch is sorted by the operation that is due, so that every
    operation works in place on one contiguous block.

    Args:
        images: float32 (B, 3, H, W).
        order: int64 (B, 4) on the CPU, rows are permutations of 0-3 in the order named above.
        factors: float32 (B, 4) on the CPU: three factors, and the shift of hue in turns.
    """
    sample = torch.arange(len(images))
    for turn in range(4):
        due, ranking = order[sample, turn].sort(stable=True)
        sample = sample[ranking]
        images = _take(images, ranking)
        counts = due.bincount(minlength=4).tolist()
        blocks = zip(images.split(counts), sample.split(counts), factors.unbind(1), strict=True)
        for adjust, (block, samples, factor) in zip(ADJUSTMENTS, blocks, strict=True):
            adjust(block, factor[samples])
    return _take(images, sample.argsort())


def brightness_(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply by `factor`, float32 (B,)."""
    return images.mul_(_column(factor, images)).clamp_(max=1)


def contrast_(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance from the image's mean grey by `factor`, float32 (B,)."""
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    factor = _column(factor, images)
    return images.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 1)


def saturation_(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance from the pixel's grey by `factor`, float32 (B,)."""
    return images.lerp_(_grey(images), _column(1 - factor, images)).clamp_(0, 1)


def hue_(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by `shift`, float32 (B,), in turns of the colour circle; HSV's S and V stay.

    No pixel is compared or branched on, which is what makes HSV slow. With m and C the least
    channel and the chroma (greatest minus least), the hue in sixths of a turn lies
    (G + B - R - m) / C + 1 from red, towards green or blue by the sign of G - B. Back again, a
    channel is m + C clamp(2 - d, 0, 1), with d the distance of the hue from that channel's own.
    """
    red, green, blue = images.unbind(1)
    least = images.amin(1)
    chroma = images.amax(1).sub_(least)
    # 1e-12 stands in for the chroma of a grey pixel, whose hue has no effect.
    distance = (green + blue).sub_(red).sub_(least).div_(chroma.clamp_min(1e-12)).add_(1)
    turns = distance.copysign_(green - blue).div_(6).add_(_column(1 + shift, images).squeeze(1))
    sixths = turns.frac_().mul_(6)
    near = (sixths - 3).abs_().sub_(1), 2 - (sixths - 2).abs_(), 2 - (sixths - 4).abs_()
    for channel, closeness in zip((red, green, blue), near, strict=True):
        torch.addcmul(least, chroma, closeness.clamp_(0, 1), out=channel)
    return images


ADJUSTMENTS = (brightness_, contrast_, saturation_, hue_)


def greyscale(images: Tensor) -> Tensor:
    """Replace each channel by the pixel's grey; the result is an expanded view of one channel."""
    return _grey(images).expand_as(images)


def solarise(images: Tensor) -> Tensor:
    """Invert what is at or above 128 of 255."""
    return torch.where(images >= 128 / 255, 1 - images, images)


def apply_to_rows_(
    images: Tensor, chosen: Tensor, operation: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """Replace the rows that `chosen`, bool (B,) on the CPU, marks by the operation's result.

    `parameters` have one row a sample of the whole batch; the operation gets those of its rows.
    """
    rows = chosen.nonzero().squeeze(1)
    if len(rows) == 0:
        return images
    changed = operation(_take(images, rows), *(parameter[rows] for parameter in parameters))
    return images.index_copy_(0, send(rows, images.device), changed)


def _resize_taps(start: Tensor, extent: Tensor, size: int, taps: int) -> Taps:
    """Return the taps that resize `extent` pixels from `start` to `size` pixels.

    A triangle of half-width max(1, extent / size) pixels around the centre of each output pixel,
    cut off at the border of the crop and normalised (PIL's and torch's antialiased bilinear).
    `start`, `extent`: int64 (B,); `taps`: K, enough for the widest triangle of the batch.
    """
    start, extent = start.view(-1, 1, 1), extent.view(-1, 1, 1)
    scale = extent / size
    radius = scale.clamp(min=1)
    centre = scale * (torch.arange(size, device=start.device) + 0.5)[:, None]
    pixel = (centre - radius + 0.5).floor() + torch.arange(taps, device=start.device)
    weight = (1 - (pixel + 0.5 - centre).abs() / radius).clamp_(min=0)
    weight *= (pixel >= 0) & (pixel < extent)
    weight /= weight.sum(2, keepdim=True)
    return Taps(start + pixel.long().clamp_(min=0).minimum(extent - 1), weight)


def _resample(images: Tensor, columns: Taps, rows: Taps) -> Tensor:
    """Resample (B, 3, H, W) to (B, 3, h, w), first along the width, then along the height.

    Measured on one CPU thread, us a view at 32 and 64 px: 4 and 16, half of it the transposition
    between the axes; grid sampling 6 and 32, batched products with dense matrices 5 and 49.
    """
    count, channels, height, width = images.shape
    by_column = images.permute(0, 3, 1, 2).reshape(count, width, channels * height)
    by_column = _weighted_rows(by_column, columns).view(count, -1, channels, height)
    by_row = by_column.permute(0, 2, 3, 1).reshape(count * channels, height, -1)
    rows = Taps(*(tap.repeat_interleave(channels, 0) for tap in rows))
    return _weighted_rows(by_row, rows).view(count, channels, rows.pixel.shape[1], -1)


def _weighted_rows(table: Tensor, taps: Taps) -> Tensor:
    """Return (B, m, F): row i of sample b is the sum over K of weight times a row of (B, n, F).

    A weighted sum of gathered rows is what an embedding bag is, and it is one fused kernel.
    """
    count, length, features = table.shape
    first = torch.arange(0, count * length, length, device=table.device).view(-1, 1, 1)
    bags = F.embedding_bag(
        (taps.pixel + first).flatten(0, 1),
        table.reshape(-1, features),
        mode="sum",
        per_sample_weights=taps.weight.flatten(0, 1),
    )
    return bags.view(count, -1, features)


def _grey(images: Tensor) -> Tensor:
    """Weighted as in ITU-R BT.601, rounded as in torchvision."""
    red, green, blue = images.split(1, 1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _column(values: Tensor, images: Tensor) -> Tensor:
    """Return one value a sample, (B,) on the CPU, on the images' device as (B, 1, 1, 1)."""
    return send(values, images.device).view(-1, 1, 1, 1)


def _take(images: Tensor, rows: Tensor) -> Tensor:
    return images.index_select(0, send(rows, images.device))
