"""Recipes against the numbers of their papers."""

from dataclasses import astuple

import pytest

from rankme.augment import View, recipe
from rankme.augment.recipes import byol, simclr
from rankme.errors import UserError
from rankme.study.choices import recipes
from rankme.study.settings import Augmentation


def colour(view: View) -> tuple[float, ...]:
    return view.brightness, view.contrast, view.saturation, view.hue


def test_simclr_has_two_views_alike_with_jitter_of_strength_one_and_half_blurred() -> None:
    first, second = simclr.views(224)
    assert first == second
    assert colour(first) == (0.8, 0.8, 0.8, 0.2)
    assert (first.flip, first.jitter, first.grey, first.blur) == (0.5, 0.8, 0.2, 0.5)
    assert (first.crop_scale, first.solarise) == ((0.08, 1.0), 0.0)


@pytest.mark.parametrize(("image_size", "blur", "hue"), [(32, 0.0, 0.1), (33, 0.5, 0.2)])
def test_simclr_is_weaker_and_without_blur_up_to_32_pixels(
    image_size: int, blur: float, hue: float
) -> None:
    view, _ = simclr.views(image_size)
    assert (view.blur, view.hue, view.brightness) == (blur, hue, 4 * hue)


def test_byol_blurs_and_solarises_its_views_unequally() -> None:
    first, second = byol.views(64)
    assert colour(first) == colour(second) == (0.4, 0.4, 0.2, 0.1)
    assert (first.blur, second.blur) == (1.0, 0.1)
    assert (first.solarise, second.solarise) == (0.0, 0.2)


@pytest.mark.parametrize(("size", "kernel"), [(8, 3), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_blur_kernel_is_odd_and_about_a_tenth_of_the_view(size: int, kernel: int) -> None:
    assert View(size).blur_kernel_size == kernel


@pytest.mark.parametrize("name", recipes())
def test_crop_scale_replaces_that_of_every_view_and_nothing_else(name: str) -> None:
    usual, changed = (
        recipe(Augmentation(recipe=name, crop_scale=scale), 32) for scale in ((0.08, 1), (0.2, 0.9))
    )
    assert all(view.crop_scale == (0.2, 0.9) for view in changed)
    assert [astuple(view)[2:] for view in changed] == [astuple(view)[2:] for view in usual]


def test_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'simclrr' is not known, did you mean 'simclr'.* byol, "):
        recipe(Augmentation(recipe="simclrr"), 32)
