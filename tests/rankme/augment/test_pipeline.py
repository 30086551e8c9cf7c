"""The whole augmentation against a torchvision pipeline with the same parameters."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from rankme.augment import Augmenter, View, evaluation_batch, pipeline, recipe
from rankme.augment.parameters import Parameters, sample
from rankme.augment.pipeline import augment
from rankme.study.choices import recipes
from rankme.study.settings import Augmentation

COUNT, SIZE = 40, 32
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def batch(count: int = COUNT) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)


def views(images: Tensor, name: str = "byol", seed: int = 0, **share: Any) -> list[Tensor]:
    augmenter = Augmenter(recipe(Augmentation(recipe=name), SIZE), MEAN, STD)
    return augmenter(images, torch.Generator().manual_seed(seed), **share)


def torchvision_view(image: Tensor, view: View, row: Parameters) -> Tensor:
    """Return the view of one image, float (3, H, W), by torchvision; `row` has one sample."""
    image = tv.resized_crop(image, *row.crop[0].tolist(), [view.size] * 2, antialias=True)
    image = tv.horizontal_flip(image) if row.flip else image
    adjust = tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue
    for turn in row.order[0].tolist() if row.jitter else ():
        image = adjust[turn](image, row.factors[0, turn].item())
    if row.grey:
        image = tv.rgb_to_grayscale(image, 3)
    if row.blur:
        image = tv.gaussian_blur(image, [view.blur_kernel_size] * 2, [row.sigma.item()])
    return tv.solarize(image, 128 / 255) if row.solarise else image


@pytest.mark.parametrize("size", [20, SIZE, 64])
def test_a_view_equals_the_torchvision_pipeline(size: int) -> None:
    view = replace(recipe(Augmentation(recipe="byol"), size)[1], blur=0.5)
    images = batch().permute(0, 3, 1, 2).float() / 255
    parameters = sample(view, COUNT, SIZE, torch.Generator().manual_seed(1))
    ours = augment(images, view, parameters)
    theirs = torch.stack(
        [torchvision_view(x, view, parameters.slice(i, i + 1)) for i, x in enumerate(images)]
    )
    # A pixel within rounding of the threshold may be solarised by one and not by the other.
    difference = (ours - theirs).abs()
    assert (difference > 1e-4).float().mean() < 1e-5
    assert difference.mean() < 1e-5


def test_augmenting_is_normalising_the_views() -> None:
    view, _ = recipe(Augmentation(recipe="simclr"), SIZE)
    parameters = sample(view, COUNT, SIZE, torch.Generator().manual_seed(0))
    unit = augment(batch().permute(0, 3, 1, 2).float() / 255, view, parameters)
    expected = tv.normalize(unit, list(MEAN), list(STD))
    torch.testing.assert_close(views(batch(), "simclr")[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", recipes())
def test_views_are_float32_channels_last_and_differ(name: str) -> None:
    first, second = views(batch(), name)
    for view in (first, second):
        assert view.shape == (COUNT, 3, SIZE, SIZE)
        assert view.dtype == torch.float32
        assert view.is_contiguous(memory_format=torch.channels_last)
        assert bool(view.isfinite().all())
    assert not torch.equal(first, second)


def test_a_seed_repeats_bit_for_bit_and_leaves_the_images_alone() -> None:
    images = batch()
    first, again, other = views(images), views(images), views(images, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert torch.equal(images, batch())


def test_processes_with_rows_of_a_batch_make_the_views_of_one_process() -> None:
    images = batch()
    whole = views(images)
    parts = [
        views(images[start:stop], rows=slice(start, stop), total=COUNT)
        for start, stop in ((0, 13), (13, COUNT))
    ]
    for number, view in enumerate(whole):
        together = torch.cat([part[number] for part in parts])
        torch.testing.assert_close(together, view, rtol=0, atol=1e-5)


def test_views_do_not_depend_on_the_blocks_a_cpu_works_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = views(batch())
    monkeypatch.setattr(pipeline, "CPU_BLOCK_BYTES", 7 * SIZE * SIZE * 3 * 4)
    torch.testing.assert_close(whole, views(batch()), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "total"), [(slice(0, 5), None), (slice(0, COUNT), 10), (slice(5, 10), 80)]
)
def test_rows_that_are_not_the_images_are_refused(rows: slice, total: int | None) -> None:
    with pytest.raises(ValueError, match=f"{COUNT} images cannot be"):
        views(batch(), rows=rows, total=total)


def test_autocast_does_not_change_the_views() -> None:
    plain = views(batch())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = views(batch())
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))


def test_views_of_several_sizes_are_made_in_one_call() -> None:
    large, small = View(SIZE, (0.4, 1.0)), View(12, (0.05, 0.4))
    made = Augmenter((large, large, small), MEAN, STD)(batch(), torch.Generator().manual_seed(0))
    assert [view.shape[-1] for view in made] == [SIZE, SIZE, 12]


def test_evaluation_equals_torchvision_scaling_and_normalisation() -> None:
    unit = tv.to_dtype(batch().permute(0, 3, 1, 2), torch.float32, scale=True)
    evaluated = evaluation_batch(batch(), MEAN, STD)
    expected = tv.normalize(unit, list(MEAN), list(STD))
    torch.testing.assert_close(evaluated, expected, rtol=0, atol=1e-6)
    assert evaluated.is_contiguous(memory_format=torch.channels_last)


def test_an_image_that_nothing_changes_is_the_evaluation_image() -> None:
    still = View(SIZE, (1.0, 1.0), (1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0)
    (view,) = Augmenter((still,), MEAN, STD)(batch(), torch.Generator().manual_seed(0))
    assert torch.equal(view, evaluation_batch(batch(), MEAN, STD))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_makes_the_views_of_the_cpu_without_waiting_for_the_device() -> None:
    images = batch().cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = views(images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for cuda, cpu in zip(made, views(batch()), strict=True):
        torch.testing.assert_close(cuda.cpu(), cpu, rtol=0, atol=1e-4)
