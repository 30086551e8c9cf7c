"""What the generated data sets share: random numbers by image, coordinates, smooth noise.

Image i of a split is made from its own stream of random numbers, seeded by (data set, seed, split,
i), so it is the same however many are made and whatever the batches are.
"""

from collections.abc import Callable
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field

from rankme.data.raw import RawDataset, RawSplit
from rankme.study.settings import List, Rising, Settings, key

Level = Annotated[float, Field(ge=0, le=1)]
LevelRange = Annotated[tuple[Level, Level], List, Rising]
TrainCount = Annotated[int, Field(ge=20, description="Training images, the ten classes in turn.")]

_BATCH = 256


class Generated(Settings):
    """Options of a reader that makes its images."""

    train_count: TrainCount
    test_count: int = key(
        1024, "Test images, from streams of random numbers that training never uses.", ge=10
    )
    seed: int = key(0, "Seed of the images.", ge=0)


_Own = TypeVar("_Own", bound=Generated)
Render = Callable[["Draws", np.ndarray, int, _Own], np.ndarray]


class Draws:
    """Uniform random numbers in [0, 1) of a batch of images, handed out from the front.

    Each request advances all images of the batch alike.
    """

    def __init__(self, place: tuple[int, ...], indices: np.ndarray) -> None:
        """One stream for each of `indices` (B,) of the images at a place: data set, seed, split."""
        self._streams = [np.random.default_rng((*place, int(index))) for index in indices]

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """float32 (B, *shape) in [low, high)."""
        draws = np.stack([stream.random(shape, dtype=np.float32) for stream in self._streams])
        return np.float32(low) + np.float32(high - low) * draws


def render_dataset(
    name: str, classes: list[str], render: Render[_Own], size: int, options: _Own
) -> RawDataset:
    """Render the splits; image i is of class i modulo their number.

    Args:
        name: datasets of different names share no stream.
        classes: names in label order.
        render: (draws, labels (B,), size, options) -> float32 (B, size, size, 3), clipped to 0-1
            here.
        size: pixels.
        options: of the reader; the streams of train and of test differ for any seed.
    """
    splits = {}
    counts = {"train": options.train_count, "test": options.test_count}
    for number, (split, count) in enumerate(counts.items()):
        place = int.from_bytes(name.encode()), options.seed, number
        labels = np.arange(count, dtype=np.int64) % len(classes)
        images = np.empty((count, size, size, 3), np.uint8)
        for start in range(0, count, _BATCH):
            rows = np.arange(start, min(start + _BATCH, count))
            rendered = render(Draws(place, rows), labels[rows], size, options)
            images[rows] = np.rint(255 * rendered.clip(0, 1))
        splits[split] = RawSplit(images, labels)
    return RawDataset(classes, splits)


def pixel_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixel centres, float32 (size, size), from -0.5 to 0.5."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x, y


def rotate(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (B, H, W) in axes that are turned by `angle` (B, 1, 1), in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def smooth_noise(draws: Draws, cells: int, size: int) -> np.ndarray:
    """Value noise in [0, 1), (B, size, size): a random grid of `cells` by `cells`, interpolated."""
    grid = draws.uniform(cells + 1, cells + 1)
    place = (np.arange(size, dtype=np.float32) + 0.5) / size * cells
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells + 1, dtype=np.float32)))
    return weights @ grid @ weights.T


def two_colours(
    draws: Draws, contrast: tuple[float, float], saturation: float
) -> tuple[np.ndarray, np.ndarray]:
    """A random dark and a random bright colour, each (B, 1, 1, 3).

    Args:
        draws: of the batch.
        contrast: smallest and largest difference in brightness.
        saturation: how far each channel may lie from its colour's brightness.
    """
    brightness = draws.uniform(1, 1, 1, high=1 - contrast[1])
    step = draws.uniform(1, 1, 1, low=contrast[0], high=contrast[1])
    dark, bright = (
        level + draws.uniform(1, 1, 3, low=-saturation, high=saturation)
        for level in (brightness, brightness + step)
    )
    return dark, bright
