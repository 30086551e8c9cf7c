from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from rankme.artefacts import PretrainedModel, weights_digest
from rankme.augment import Augmenter, recipe
from rankme.data.dataset import Dataset, Split
from rankme.errors import UserError
from rankme.features import VIEWS_BLOCK, ViewCount, extract, load_features

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
CPU = torch.device("cpu")


def make_model(encoder: nn.Module, projector: nn.Module, image_size: int = 8) -> PretrainedModel:
    """A model that is, by its own account, frozen."""
    parts = {"encoder": encoder, "projector": projector}
    weights = {f"{p}.{n}": t for p, module in parts.items() for n, t in module.state_dict().items()}
    metadata = {
        "run": {"augmentation": {"recipe": "byol", "crop_scale": [0.2, 1.0]}},
        "image_size": image_size,
        "normalisation": {"mean": MEAN, "std": STD},
        "status": "completed",
    }
    return PretrainedModel(encoder.eval(), projector.eval(), metadata, weights_digest(weights))


def small_model() -> PretrainedModel:
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return make_model(encoder, nn.Linear(5, 4))


def make_dataset(size: int = 8, count: int = 21) -> Dataset:
    generator = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        return Split(images, generator.integers(0, 3, count))

    splits = {"train": split(count), "test": split(7)}
    other = {"mean": [0.0] * 3, "std": [9.0] * 3}
    return Dataset("noise", ["a", "b", "c"], size, other, "digest", splits)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    extract(small_model(), make_dataset(), tmp_path / "FEATURES", CPU, batch_size=8)
    return tmp_path / "FEATURES"


def test_features_are_the_model_s_outputs_on_images_normalised_as_its_source(folder: Path) -> None:
    model, dataset = small_model(), make_dataset()
    features = load_features(folder)
    for name, split in dataset.splits.items():
        images = (split.images.astype(np.float64) / 255 - MEAN) / STD
        batch = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
        with torch.no_grad():
            representation = model.encoder(batch)
            embedding = model.projector(representation)
        stored = features.splits[name]
        assert stored.representation.dtype == stored.embedding.dtype == np.float32
        np.testing.assert_allclose(stored.representation, representation, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(stored.embedding, embedding, rtol=1e-4, atol=1e-6)
        assert np.array_equal(stored.labels, split.labels)


def test_features_say_what_they_belong_to(folder: Path) -> None:
    features = load_features(folder)
    assert (features.dataset, features.dataset_digest) == ("noise", "digest")
    assert features.encoder_sha256 == small_model().digest
    assert features.classes == ["a", "b", "c"]
    assert features.status == "completed"


@pytest.mark.parametrize("size", [5, 8, 19])
def test_images_are_resized_to_the_model_s_size_as_pil_does(tmp_path: Path, size: int) -> None:
    dataset = make_dataset(size)
    extract(make_model(nn.Flatten(), nn.Identity()), dataset, tmp_path, CPU, batch_size=8)
    stored = load_features(tmp_path).splits["test"].representation.reshape(-1, 3, 8, 8)
    for image, features in zip(dataset.splits["test"].images, stored, strict=True):
        for channel in range(3):
            plane = Image.fromarray(image[:, :, channel].astype(np.float32))
            pixels = np.asarray(plane.resize((8, 8), Image.Resampling.BILINEAR))
            expected = (pixels / 255 - MEAN[channel]) / STD[channel]
            np.testing.assert_allclose(features[channel], expected, atol=1e-4)


class DriftingBatchNorm(nn.BatchNorm2d):
    """The classic mistake: running statistics that move in a frozen encoder."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            images, self.running_mean, self.running_var, training=True, momentum=0.1
        )


def test_an_encoder_whose_statistics_move_is_noticed_and_leaves_no_whole_folder(
    folder: Path,
) -> None:
    encoder = nn.Sequential(DriftingBatchNorm(3), nn.Flatten())
    with pytest.raises(RuntimeError, match="frozen encoder changed"):
        extract(make_model(encoder, nn.Identity()), make_dataset(), folder, CPU, batch_size=8)
    with pytest.raises(UserError, match=r"features\.json"):
        load_features(folder)


def test_a_model_left_in_training_mode_is_run_in_evaluation_mode(
    tmp_path: Path, folder: Path
) -> None:
    model = small_model()
    model.encoder.train()
    extract(model, make_dataset(), tmp_path / "again", CPU, batch_size=8)
    again, first = load_features(tmp_path / "again"), load_features(folder)
    assert np.array_equal(
        again.splits["train"].representation, first.splits["train"].representation
    )


@pytest.mark.parametrize("part", ["representation", "embedding", "labels"])
@pytest.mark.parametrize("kept", [0, 40, 150])
def test_a_truncated_array_is_a_users_error(folder: Path, part: str, kept: int) -> None:
    file = folder / f"train_{part}.npy"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=f"train_{part}.npy"):
        load_features(folder)


def test_a_missing_array_is_a_users_error(folder: Path) -> None:
    (folder / "test_embedding.npy").unlink()
    with pytest.raises(UserError, match=r"test_embedding\.npy"):
        load_features(folder)


def test_an_array_of_other_length_is_a_users_error(folder: Path) -> None:
    np.save(folder / "test_labels.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="holds 3 rows"):
        load_features(folder)


def views_of(folder: Path, size: int = 8, batch_size: int = 8, count: int = 12) -> np.ndarray:
    """Pixels of three views of each image, as the features of a model that does nothing."""
    model = make_model(nn.Flatten(), nn.Identity())
    extract(model, make_dataset(size), folder, CPU, batch_size, ViewCount(count, 3))
    features = load_features(folder).views
    assert np.array_equal(features["representation"], features["embedding"])
    return features["embedding"]


@pytest.mark.parametrize("size", [8, 19])
def test_views_are_made_by_the_augmentation_of_the_run(tmp_path: Path, size: int) -> None:
    """At the size and with the normalisation of the model; of two kinds of view, in turns."""
    views = views_of(tmp_path, size)
    images = make_dataset(size).splits["train"].images
    rows = np.sort(np.random.default_rng(0).permutation(21)[:12])
    first, second = recipe("byol", 8, (0.2, 1.0))
    augmenter = Augmenter((first, second, first), MEAN, STD)
    expected = augmenter(torch.from_numpy(images[rows]), torch.Generator().manual_seed(0))
    assert len(rows) < VIEWS_BLOCK
    assert views.dtype == np.float32
    assert views.shape == (12, 3, 3 * 8 * 8)
    for column, view in enumerate(expected):
        np.testing.assert_allclose(views[:, column], view.flatten(1), atol=1e-6)


def test_views_are_the_same_each_time_and_in_batches_of_any_size(tmp_path: Path) -> None:
    first = np.array(views_of(tmp_path / "first", count=21))
    assert np.array_equal(first, views_of(tmp_path / "again", count=21))
    for batch_size in (1, 7, 100):
        assert np.array_equal(
            views_of(tmp_path / str(batch_size), batch_size=batch_size, count=21), first
        )


def test_views_are_made_of_all_images_where_there_are_fewer_than_asked_for(tmp_path: Path) -> None:
    assert views_of(tmp_path, count=1000).shape[:2] == (21, 3)


def test_features_without_views_have_none(folder: Path) -> None:
    assert load_features(folder).views == {}


def test_views_that_are_torn_or_of_another_extraction_are_a_users_error(tmp_path: Path) -> None:
    views = np.array(views_of(tmp_path))
    np.save(tmp_path / "views_embedding.npy", views[:5])
    with pytest.raises(UserError, match=r"views_embedding\.npy: has the shape \(5, 3, 192\)"):
        load_features(tmp_path)
    (tmp_path / "views_embedding.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"views_embedding\.npy: is missing or not whole"):
        load_features(tmp_path)
