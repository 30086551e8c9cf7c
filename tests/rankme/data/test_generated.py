"""The generated data sets: shapes and textures."""

import numpy as np
import pytest

from rankme.data.raw import RawDataset
from tests.rankme.data.pictures import read

GENERATED = ("shapes", "textures")


def render(reader: str, size: int = 32, **options: object) -> RawDataset:
    return read(reader, None, size, **{"train_count": 40, "test_count": 40, **options})


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
def test_raw_pixels_classify_better_than_chance_and_far_from_perfectly(reader: str) -> None:
    from sklearn.linear_model import LogisticRegression

    raw = render(reader, size=16, train_count=1000, test_count=1000)
    train, test = (
        split.images.reshape(1000, -1) / 255 - 0.5  # type: ignore[union-attr]
        for split in raw.splits.values()
    )
    classifier = LogisticRegression(C=0.01).fit(train, raw.splits["train"].labels)
    accuracy = classifier.score(test, raw.splits["test"].labels)
    # Chance is 0.1 with a standard error of 0.0095.
    assert 0.13 < accuracy < 0.7


def test_a_shape_covers_the_area_of_its_outline() -> None:
    options = {"radius": [0.4, 0.4], "contrast": [0.8, 0.8], "saturation": 0, "clutter": 0}
    raw = render("shapes", size=64, noise=0, train_count=200, **options)
    split = raw.splits["train"]
    images = split.images[..., 0].astype(float)  # type: ignore[call-overload]
    dark, bright = images.min((1, 2), keepdims=True), images.max((1, 2), keepdims=True)
    area = ((images - dark) / (bright - dark)).mean((1, 2)) / 0.4**2
    expected = {
        "circle": np.pi * 0.85**2,
        "triangle": 3 * np.sqrt(3) / 4,
        "square": 2,
        "pentagon": 2.5 * np.sin(2 * np.pi / 5),
        "bar": 4 * 0.95 * 0.4,
        "star": 10 * 0.5 * 0.42 * np.sin(np.pi / 5),
        "cross": 8 * 0.93 * 0.32 - 4 * 0.32**2,
        "ring": np.pi * (0.92**2 - 0.52**2),
    }
    for name, value in expected.items():
        rows = split.labels == raw.classes.index(name)
        assert area[rows] == pytest.approx(value, rel=0.03), name


@pytest.mark.parametrize(
    ("name", "slope"), [("white noise", 0), ("pink noise", -2), ("brown noise", -4)]
)
def test_a_coloured_noise_has_its_power_spectrum(name: str, slope: float) -> None:
    raw = render("textures", 64, noise=0, saturation=0, contrast=[0.9, 0.9], train_count=600)
    split = raw.splits["train"]
    rows = split.labels == raw.classes.index(name)
    images = split.images[rows][..., 0].astype(float)  # type: ignore[call-overload]
    power = (np.abs(np.fft.rfft2(images)) ** 2).mean(0)
    down, across = np.abs(np.fft.fftfreq(64)[:, None]), np.fft.rfftfreq(64)
    frequency = np.hypot(down, across)
    # Off the axes, where the power of the lighting's gradient is.
    band = (frequency > 6 / 64) & (frequency < 20 / 64) & (np.minimum(down, across) > 2 / 64)
    found = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert found == pytest.approx(slope, abs=0.4)
