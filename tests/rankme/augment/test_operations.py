"""Batched operations, each sample with its own parameters, against torchvision one by one."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from rankme.augment.operations import (
    ADJUSTMENTS,
    apply_to_rows_,
    brightness_,
    colour_jitter,
    crop_resize_flip,
    gaussian_blur,
    greyscale,
    hue_,
    solarise,
)

COUNT, SIZE = 24, 32
TOLERANCE = 2e-6
ORACLES = tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue


def noise(seed: int = 0) -> Tensor:
    return torch.rand(COUNT, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def photographs() -> Tensor:
    """Return patches of scikit-learn's two photographs, with white, black and grey ones added."""
    patches = [
        torch.tensor(image)[y : y + 8 * SIZE : 8, x : x + 8 * SIZE : 8]
        for image in load_sample_images().images
        for y in (0, 60, 140)
        for x in (0, 120, 240, 360)
    ]
    images = torch.stack(patches).permute(0, 3, 1, 2).float().div(255).contiguous()
    images[0], images[1], images[2] = 1.0, 0.0, images[2].mean(0)
    return images


@pytest.fixture(params=[noise, photographs], ids=["noise", "photographs"])
def images(request: pytest.FixtureRequest) -> Tensor:
    return request.param()


def uniform(low: float, high: float, seed: int = 0) -> Tensor:
    return torch.empty(COUNT).uniform_(low, high, generator=torch.Generator().manual_seed(seed))


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("number", "low", "high"), [(0, 0, 2), (1, 0, 2), (2, 0, 2), (3, -0.5, 0.5)]
)
def test_adjustments_equal_torchvision(
    images: Tensor, number: int, low: float, high: float
) -> None:
    factor = uniform(low, high)
    factor[:3] = torch.tensor([low, 1 if number < 3 else 0, high])
    theirs = [ORACLES[number](x, f.item()) for x, f in zip(images, factor, strict=True)]
    assert_close(ADJUSTMENTS[number](images, factor), torch.stack(theirs), 5e-6)


def test_jitter_follows_each_samples_own_order(images: Tensor) -> None:
    order = torch.tensor(list(permutations(range(4))))
    factors = torch.stack([*(uniform(0.2, 1.8, seed) for seed in range(3)), uniform(-0.2, 0.2)], 1)
    theirs = []
    for image, turns, factor in zip(images, order.tolist(), factors, strict=True):
        for turn in turns:
            image = ORACLES[turn](image, factor[turn].item())
        theirs.append(image)
    assert_close(colour_jitter(images, order, factors), torch.stack(theirs), 2e-5)


def test_greyscale_equals_torchvision(images: Tensor) -> None:
    assert_close(greyscale(images), tv.rgb_to_grayscale(images, num_output_channels=3))


def test_solarise_equals_torchvision_at_128_of_255() -> None:
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    theirs = tv.solarize(levels, threshold=128).float() / 255
    assert_close(solarise(levels.float() / 255), theirs)


@pytest.mark.parametrize("kernel_size", [3, 7, 23])
def test_blur_equals_torchvision(images: Tensor, kernel_size: int) -> None:
    sigma = uniform(0.1, 2.0)
    theirs = [
        tv.gaussian_blur(x, [kernel_size] * 2, [s.item()])
        for x, s in zip(images, sigma, strict=True)
    ]
    assert_close(gaussian_blur(images, sigma, kernel_size), torch.stack(theirs))


def boxes(size: int) -> Tensor:
    """Return boxes of all kinds in a `size` x `size` image: whole, one pixel, corners, any."""
    generator = torch.Generator().manual_seed(2)
    extent = torch.randint(1, size + 1, (COUNT, 2), generator=generator)
    extent[0], extent[1] = size, 1
    corner = torch.rand(COUNT, 2, generator=generator).mul(size - extent + 1).long()
    corner[2], corner[3] = 0, size - extent[3]
    return torch.cat([corner, extent], 1)


@pytest.mark.parametrize("size", [12, SIZE, 50], ids=lambda size: f"to-{size}")
def test_crop_resize_flip_equals_torchvision_with_antialiasing(images: Tensor, size: int) -> None:
    crop, flip = boxes(SIZE), torch.arange(COUNT) % 3 == 0
    theirs = []
    for image, box, mirrored in zip(images, crop.tolist(), flip, strict=True):
        view = tv.resized_crop(
            image, *box, [size, size], InterpolationMode.BILINEAR, antialias=True
        )
        theirs.append(tv.horizontal_flip(view) if mirrored else view)
    assert_close(crop_resize_flip(images, crop, flip, size), torch.stack(theirs), 5e-6)


def test_crop_does_not_depend_on_the_memory_layout(images: Tensor) -> None:
    crop, flip = boxes(SIZE), torch.arange(COUNT) % 2 == 0
    by_column = images.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    ours = [crop_resize_flip(x, crop, flip, SIZE) for x in (images, by_column)]
    assert torch.equal(*ours)


def test_whole_crop_of_the_same_size_is_the_identity(images: Tensor) -> None:
    crop = torch.tensor([0, 0, SIZE, SIZE]).expand(COUNT, 4)
    flip = torch.zeros(COUNT, dtype=torch.bool)
    assert torch.equal(crop_resize_flip(images, crop, flip, SIZE), images)
    assert torch.equal(crop_resize_flip(images, crop, ~flip, SIZE), images.flip(3))


PIXEL = st.tuples(*[st.floats(0, 1, width=32)] * 3)


@settings(deadline=None)
@given(st.lists(PIXEL, min_size=1, max_size=20), st.floats(-0.5, 0.5))
def test_hue_keeps_least_and_greatest_channel_and_turns_back(
    pixels: list[tuple[float, float, float]], shift: float
) -> None:
    image = torch.tensor(pixels).t().reshape(1, 3, 1, -1)
    turned = hue_(image.clone(), torch.tensor([shift]))
    assert_close(turned.amin(1), image.amin(1), 1e-6)
    assert_close(turned.amax(1), image.amax(1), 1e-6)
    assert_close(hue_(turned, torch.tensor([-shift])), image, 5e-6)


def test_only_chosen_rows_change_with_their_own_parameters() -> None:
    images, factor = noise(), uniform(0.2, 0.8)
    chosen = torch.arange(COUNT) % 3 == 1
    changed = apply_to_rows_(images.clone(), chosen, brightness_, factor)
    assert torch.equal(changed[~chosen], images[~chosen])
    assert_close(changed[chosen], images[chosen] * factor[chosen].view(-1, 1, 1, 1))
    assert apply_to_rows_(images, chosen & ~chosen, pytest.fail) is images
