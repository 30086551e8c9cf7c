"""From image files of any kind to uint8 RGB squares of one size."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


@dataclass
class Chunk:
    """Some successive images of a split.

    Attributes:
        images: those that could be decoded, uint8 (n, size, size, 3).
        bad: the place in the chunk of each that could not, and what is wrong with it.
        histogram: int64 (3, 256), how often each level occurs in each channel.
    """

    images: np.ndarray
    bad: dict[int, str] = field(default_factory=dict)
    histogram: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        channels = (self.images[..., channel].ravel() for channel in range(3))
        self.histogram = np.stack([np.bincount(values, minlength=256) for values in channels])

    def __len__(self) -> int:
        return len(self.images) + len(self.bad)


def decode_chunk(items: Sequence[str] | np.ndarray, size: int) -> Chunk:
    """Decode a few images.

    Args:
        items: paths of files, or uint8 (n, H, W, 3).
        size: height and width of the result in pixels.
    """
    if isinstance(items, np.ndarray):
        if items.shape[1:3] == (size, size):
            return Chunk(np.ascontiguousarray(items))
        return Chunk(np.stack([fit(Image.fromarray(image), size) for image in items]))
    images = np.empty((len(items), size, size, 3), dtype=np.uint8)
    bad: dict[int, str] = {}
    for row, file in enumerate(items):
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        try:
            images[row - len(bad)] = decode(file, size)
        except Exception as error:
            bad[row] = _reason(file, error)
    return Chunk(images[: len(items) - len(bad)], bad)


def decode(file: str, size: int) -> np.ndarray:
    """The image in a file as uint8 (size, size, 3).

    The shorter side is resized (bicubic, antialiased) and the centre cropped. Tags about
    orientation are ignored, as torchvision's loaders do.
    """
    with Image.open(file) as image:
        return fit(to_rgb(image), size)


def fit(image: Image.Image, size: int) -> np.ndarray:
    """Resize and centre-crop an RGB image in one resampling."""
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))


def to_rgb(image: Image.Image) -> Image.Image:
    """Any image as RGB: grey in three equal channels, transparent parts on white, 16 bits as 8.

    Raises:
        ValueError: float pixels, or integers beyond 16 bits, whose range nobody knows.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        # Pillow's own conversion of 16-bit grey clips at 255 instead of scaling.
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
            raise ValueError(f"pixels of mode {image.mode}; convert it to 8 or 16 bits a channel")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, "white")
        return Image.alpha_composite(white, opaque).convert("RGB")
    return image.convert("RGB")


def _reason(file: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if os.path.exists(file) and os.path.getsize(file) == 0:
        return "empty file (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a format that Pillow does not know"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
