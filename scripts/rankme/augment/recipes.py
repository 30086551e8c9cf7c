"""Augmentation recipes: what each view of an image is drawn from, as plain numbers."""

from dataclasses import dataclass, replace

from rankme.errors import UserError

RECIPES = ("simclr", "byol")

SMALL_IMAGE_SIZE = 32
"""Up to this size, in pixels, `simclr` follows the CIFAR-10 appendix of its paper."""


@dataclass(frozen=True)
class View:
    """The distribution of one augmented view.

    `flip`, `jitter`, `grey`, `blur` and `solarise` are probabilities. `brightness`, `contrast` and
    `saturation` are half-widths of the range of the factor around 1; `hue` is one in turns of the
    colour circle around 0 (torchvision's `ColorJitter`). Operations act in the order of the fields.

    Attributes:
        size: height and width of the view, pixels.
        crop_scale: least and greatest share of the image's area that is cropped.
        crop_ratio: least and greatest width over height of the crop.
        blur_sigma: least and greatest standard deviation of the blur, pixels.
    """

    size: int
    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0

    @property
    def blur_kernel_size(self) -> int:
        """Width of the blur in pixels: odd, about a tenth of the view, at least 3 (23 at 224)."""
        return max(3, self.size // 20 * 2 + 1)


def recipe(
    name: str, image_size: int, crop_scale: tuple[float, float] | None = None
) -> tuple[View, ...]:
    """Return the views of a recipe, in the order in which a method receives them.

    Args:
        name: one of `RECIPES`.
        image_size: height and width of the images, pixels; the views have the same size.
        crop_scale: replaces the recipe's own range of the cropped share of the area.

    Raises:
        UserError: the recipe or its crop scale is not one that exists.
    """
    builders = {"simclr": _simclr, "byol": _byol}
    if name not in builders:
        raise UserError(
            f"augmentation recipe {name!r} does not exist; choose one of {', '.join(RECIPES)}"
        )
    views = builders[name](image_size)
    if crop_scale is None:
        return views
    low, high = crop_scale
    if not 0 < low <= high <= 1:
        raise UserError(
            f"augmentation crop_scale {[low, high]} is not a range of shares of the image's area;"
            " give two numbers, the lower first, above 0 and at most 1"
        )
    return tuple(replace(view, crop_scale=(low, high)) for view in views)


def _simclr(image_size: int) -> tuple[View, ...]:
    """Two views alike: jitter of strength 1 and blur in every second view; up to 32 pixels jitter
    of strength 0.5 and no blur (Chen et al., ICML 2020, appendices A and B.9)."""
    small = image_size <= SMALL_IMAGE_SIZE
    strength = 0.5 if small else 1.0
    view = View(
        size=image_size,
        brightness=0.8 * strength,
        contrast=0.8 * strength,
        saturation=0.8 * strength,
        hue=0.2 * strength,
        blur=0.0 if small else 0.5,
    )
    return view, view


def _byol(image_size: int) -> tuple[View, ...]:
    """Two views that differ: the first always blurred, the second seldom blurred and at times
    solarised (Grill et al., NeurIPS 2020, table 6)."""
    view = View(size=image_size, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    return replace(view, blur=1.0), replace(view, blur=0.1, solarise=0.2)
