"""Batched augmentation on the device.

Example::

    views = recipe(Augmentation(recipe="simclr"), image_size=32)
    augmenter = Augmenter(views, mean, std)
    view_a, view_b = augmenter(images, torch.Generator().manual_seed(0))
"""

from rankme.augment.pipeline import Augmenter, evaluation_batch
from rankme.augment.recipes import recipe
from rankme.augment.view import View

__all__ = ["Augmenter", "View", "evaluation_batch", "recipe"]
