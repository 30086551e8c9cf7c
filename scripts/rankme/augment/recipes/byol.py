"""BYOL (Grill et al., NeurIPS 2020, table 6)."""

from dataclasses import replace

from rankme.augment.view import View


def views(image_size: int) -> tuple[View, View]:
    """Two views that differ: the first always blurred, the second seldom blurred and at times
    solarised."""
    view = View(size=image_size, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    return replace(view, blur=1.0), replace(view, blur=0.1, solarise=0.2)
