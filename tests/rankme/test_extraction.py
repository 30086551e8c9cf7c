import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rankme.augment import Augmenter, recipe
from rankme.data.dataset import Dataset, Split
from rankme.errors import UserError
from rankme.extraction import VIEWS_BLOCK, Extractor, extract_dataset, frozen, temporary_folder
from rankme.features import load_features
from rankme.models.pretrained import PretrainedModel
from tests.rankme.frozen_models import AUGMENTATION, NORMALISATION, DriftingBatchNorm, model_of

MEAN, STD = NORMALISATION["mean"], NORMALISATION["std"]
CPU = torch.device("cpu")


def small_model() -> PretrainedModel:
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return model_of(encoder, nn.Linear(5, 4))


def images_of(size: int = 8, count: int = 21) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def make_dataset() -> Dataset:
    counts = {"train": 21, "test": 7}
    splits = {name: Split(images_of(count=n), np.arange(n) % 3) for name, n in counts.items()}
    other = {"mean": [0.0] * 3, "std": [9.0] * 3}
    return Dataset("noise", ["a", "b", "c"], 8, other, "digest", splits)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("rankme.extraction.BATCH_SIZE", 8)
    extract_dataset(small_model(), make_dataset(), tmp_path / "FEATURES", CPU)
    return tmp_path / "FEATURES"


def test_features_are_the_model_s_outputs_on_images_normalised_as_its_source(folder: Path) -> None:
    model, features = small_model(), load_features(folder)
    assert (features.dataset, features.dataset_digest) == ("noise", "digest")
    assert features.encoder_sha256 == model.digest
    assert features.classes == ["a", "b", "c"]
    for name, split in make_dataset().splits.items():
        images = (split.images.astype(np.float64) / 255 - MEAN) / STD
        batch = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
        with torch.no_grad():
            representation = model.encoder(batch)
            embedding = model.projector(representation)
        expected = {"representation": representation, "embedding": embedding}
        for layer, array in features.splits[name].layers.items():
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, expected[layer], rtol=1e-4, atol=1e-6)
        assert np.array_equal(features.splits[name].labels, split.labels)


@pytest.mark.parametrize("size", [5, 8, 19])
def test_images_are_resized_to_the_model_s_size_as_pil_does(tmp_path: Path, size: int) -> None:
    images, rows = images_of(size), np.array([0, 3, 4])
    made = Extractor(model_of(nn.Flatten()), CPU, tmp_path).images(images, rows, "some")
    assert np.array_equal(made["representation"], made["embedding"])
    for image, features in zip(images[rows], made["embedding"].reshape(-1, 3, 8, 8), strict=True):
        for channel in range(3):
            plane = Image.fromarray(image[:, :, channel].astype(np.float32))
            pixels = np.asarray(plane.resize((8, 8), Image.Resampling.BILINEAR))
            expected = (pixels / 255 - MEAN[channel]) / STD[channel]
            np.testing.assert_allclose(features[channel], expected, atol=1e-4)


def test_an_encoder_whose_statistics_move_is_noticed_and_leaves_no_whole_folder(
    folder: Path,
) -> None:
    encoder = nn.Sequential(DriftingBatchNorm(3), nn.Flatten())
    with pytest.raises(RuntimeError, match="frozen encoder changed"):
        extract_dataset(model_of(encoder), make_dataset(), folder, CPU)
    with pytest.raises(UserError, match=r"features\.json"):
        load_features(folder)


def test_a_model_left_in_training_mode_is_run_in_evaluation_mode(folder: Path) -> None:
    before = np.load(folder / "train_embedding.npy")
    model = small_model()
    model.encoder.train()
    extract_dataset(model, make_dataset(), folder, CPU)
    assert np.array_equal(np.load(folder / "train_embedding.npy"), before)


def views_of(folder: Path, images: np.ndarray) -> np.ndarray:
    """Pixels of three views of every third image, as the features of a model that does nothing."""
    extractor = Extractor(model_of(nn.Flatten()), CPU, folder)
    with frozen(extractor.model, CPU):
        return extractor.views(images, np.arange(0, len(images), 3), 3)["embedding"]


@pytest.mark.parametrize("size", [8, 19])
def test_views_are_made_by_the_augmentation_of_the_run(tmp_path: Path, size: int) -> None:
    """At the size and with the normalisation of the model; of two kinds of view, in turns."""
    images = images_of(size)
    views = views_of(tmp_path, images)
    first, second = recipe(AUGMENTATION, 8)
    augmenter = Augmenter((first, second, first), MEAN, STD)
    expected = augmenter(torch.from_numpy(images[::3]), torch.Generator().manual_seed(0))
    assert views.dtype == np.float32
    assert views.shape == (7, 3, 3 * 8 * 8)
    for column, view in enumerate(expected):
        np.testing.assert_allclose(views[:, column], view.flatten(1), atol=1e-6)


def test_views_are_the_same_each_time_and_in_batches_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(count=63)
    assert len(images) / 3 > VIEWS_BLOCK
    first = np.array(views_of(tmp_path, images))
    for batch_size in (256, 1, 7, 100):
        monkeypatch.setattr("rankme.extraction.BATCH_SIZE", batch_size)
        assert np.array_equal(views_of(tmp_path, images), first)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_temporary_folder_is_removed_whatever_happens(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)

    def interrupted() -> None:
        with temporary_folder(tmp_path) as folder:
            (folder / "train_embedding.npy").write_bytes(b"features")
            assert folder.parent == tmp_path
            os.kill(os.getpid(), number)

    with pytest.raises((SystemExit, KeyboardInterrupt)):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is before
