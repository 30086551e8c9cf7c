"""The generated data sets: shapes and textures."""

import numpy as np
import pytest

from rankme.data.declarations import load_reader, resolve
from rankme.data.raw import RawDataset

GENERATED = ("shapes", "textures")


def render(reader: str, size: int = 32, **options: object) -> RawDataset:
    small = {"train_count": 40, "test_count": 40, **options}
    resolved = resolve("x", {"reader": reader, "size": size, "options": small})
    raw: RawDataset = load_reader(reader).read(None, size, **resolved["options"])
    return raw


@pytest.mark.parametrize("reader", GENERATED)
def test_images_are_uint8_squares_of_ten_classes_in_equal_numbers(reader: str) -> None:
    raw = render(reader, size=24)
    assert len(raw.classes) == len(set(raw.classes)) == 10
    for split in raw.splits.values():
        assert isinstance(split.images, np.ndarray)
        assert split.images.shape == (40, 24, 24, 3)
        assert split.images.dtype == np.uint8
        assert np.bincount(split.labels).tolist() == [4] * 10


@pytest.mark.parametrize("reader", GENERATED)
def test_an_image_does_not_depend_on_how_many_are_rendered(reader: str) -> None:
    few, many = render(reader), render(reader, train_count=300, test_count=30)
    np.testing.assert_array_equal(few.splits["train"].images, many.splits["train"].images[:40])
    np.testing.assert_array_equal(few.splits["test"].images[:30], many.splits["test"].images)


@pytest.mark.parametrize("reader", GENERATED)
def test_seeds_and_splits_share_no_image(reader: str) -> None:
    parts = [
        split.images.reshape(40, -1).astype(float)
        for seed in (0, 1)
        for split in render(reader, seed=seed).splits.values()
    ]
    for index, one in enumerate(parts):
        for other in parts[index + 1 :]:
            assert np.abs(one[:, None] - other[None]).mean(-1).min() > 5


def test_shapes_and_textures_share_no_random_numbers() -> None:
    backgrounds = [
        render(reader, noise=0).splits["train"].images.mean((1, 2)) for reader in GENERATED
    ]
    correlation = np.corrcoef(backgrounds[0].ravel(), backgrounds[1].ravel())[0, 1]
    assert abs(correlation) < 0.3


@pytest.mark.parametrize("reader", GENERATED)
def test_mean_colour_tells_nothing_about_the_class(reader: str) -> None:
    raw = render(reader, train_count=3000)
    colour = raw.splits["train"].images.mean((1, 2))
    labels = raw.splits["train"].labels
    means = np.stack([colour[labels == label].mean(0) for label in range(10)])
    # 300 images a class: a standard error of sigma / 17.
    assert (means.std(0) < 3.5 * colour.std(0) / np.sqrt(300)).all()
