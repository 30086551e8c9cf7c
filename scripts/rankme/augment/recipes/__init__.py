"""Augmentation recipes, one file each: what the views of an image are drawn from.

A file offers `views(image_size) -> tuple[View, ...]`; its name is the recipe's. Adding a recipe is
adding a file.
"""

from dataclasses import replace
from importlib import import_module

from rankme.augment.view import View
from rankme.errors import UserError, unknown
from rankme.plugins import files
from rankme.study.settings import Augmentation


def recipe(augmentation: Augmentation, image_size: int) -> tuple[View, ...]:
    """The views of a recipe, in the order in which a method receives them.

    Args:
        augmentation: names the recipe, and says what share of an image's area is cropped.
        image_size: height and width of the images, pixels; the views have the same size.

    Raises:
        UserError: there is no recipe of that name.
    """
    name = augmentation.recipe
    if name not in (known := files("augment/recipes")):
        raise UserError(unknown("augmentation.recipe", name, known))
    views = import_module(f"{__name__}.{name}").views(image_size)
    return tuple(replace(view, crop_scale=augmentation.crop_scale) for view in views)
