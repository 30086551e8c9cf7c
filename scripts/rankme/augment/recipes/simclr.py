"""SimCLR (Chen et al., ICML 2020, appendices A and B.9)."""

from rankme.augment.view import View

SMALL_IMAGE_SIZE = 32
"""Up to this size, in pixels, the recipe is that of the paper's CIFAR-10 appendix."""


def views(image_size: int) -> tuple[View, View]:
    """Two views alike: jitter of strength 1 and blur in every second view; up to 32 pixels jitter
    of strength 0.5 and no blur."""
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
