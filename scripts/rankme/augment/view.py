"""The distribution of a view, as plain numbers."""

from dataclasses import dataclass


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
