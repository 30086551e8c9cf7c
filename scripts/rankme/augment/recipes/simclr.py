"""SimCLR (Chen et al., ICML 2020, appendices A and B.9)."""

from rankme.augment.view import View


def views(image_size: int) -> tuple[View, View]:
    """Two views alike: jitter of strength 1 and blur in every second view; up to 32 pixels jitter
    of strength 0.5 and no blur."""
    # At the size of CIFAR-10 the recipe is that of the paper's appendix about it.
    small = image_size <= 32
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
