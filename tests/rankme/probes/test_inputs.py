import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rankme.data.dataset import Split
from rankme.extraction import frozen
from rankme.models.pretrained import PretrainedModel
from rankme.probes.inputs import AugmentedImages, CachedFeatures
from rankme.study.settings import Layer
from tests.rankme.frozen_models import NORMALISATION, DriftingBatchNorm, model_of

CPU = torch.device("cpu")
COUNT, SIZE = 20, 8


def split() -> Split:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
    return Split(images, np.arange(COUNT) % 2)


def augmented(
    model: PretrainedModel, crop_scale: tuple[float, float] = (0.3, 1.0), seed: int = 0
) -> AugmentedImages:
    return AugmentedImages(model, split(), crop_scale, seed, CPU)


def one_epoch(inputs: AugmentedImages, epoch: int) -> Tensor:
    batches = inputs.batches(torch.arange(COUNT), batch_size=6, epoch=epoch)
    return torch.cat([features["representation"] for _, features in batches])


def test_cached_batches_are_the_rows_of_the_arrays() -> None:
    generator = np.random.default_rng(0)
    wide = generator.normal(size=(50, 8)).astype(np.float32)
    arrays: dict[Layer, np.ndarray] = {"representation": wide[:, :5], "embedding": wide[:, 5:]}
    order = torch.randperm(50)[:40]
    seen = []
    for rows, features in CachedFeatures(arrays, CPU).batches(order, batch_size=16, epoch=0):
        seen.append(rows)
        for layer, array in arrays.items():
            assert np.array_equal(features[layer].numpy(), array[rows.numpy()])
    assert torch.equal(torch.cat(seen), order)
    assert [len(rows) for rows in seen] == [16, 16, 8]


def test_images_cropped_whole_are_the_normalised_images_or_their_mirror_images() -> None:
    inputs = augmented(model_of(nn.Flatten()), crop_scale=(1.0, 1.0))
    views = one_epoch(inputs, 0).view(COUNT, 3, SIZE, SIZE)
    mean, std = NORMALISATION["mean"], NORMALISATION["std"]
    plain = torch.from_numpy((split().images / 255 - mean) / std).permute(0, 3, 1, 2).float()
    mirrored = [not torch.allclose(v, p, atol=1e-4) for v, p in zip(views, plain, strict=True)]
    assert 3 < sum(mirrored) < COUNT - 3
    expected = torch.stack([p.flip(2) if m else p for p, m in zip(plain, mirrored, strict=True)])
    torch.testing.assert_close(views, expected, rtol=0, atol=1e-4)


def test_every_epoch_crops_anew_to_the_model_s_size_and_a_seed_repeats_all() -> None:
    model = model_of(nn.Flatten(), image_size=12)
    first, second = (one_epoch(augmented(model), epoch) for epoch in (0, 1))
    assert first.shape == (COUNT, 3 * 12 * 12)
    assert torch.equal(first, one_epoch(augmented(model), 0))
    assert not torch.equal(first, second)
    assert not torch.equal(first, one_epoch(augmented(model, seed=1), 0))


def test_a_model_runs_in_evaluation_mode_without_gradients_and_is_noticed_if_it_does_not() -> None:
    model = model_of(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten()))
    model.encoder.train()
    with frozen(model, CPU):
        assert not one_epoch(augmented(model), 0).requires_grad
    model = model_of(nn.Sequential(DriftingBatchNorm(3), nn.Flatten()))
    with pytest.raises(RuntimeError, match="frozen encoder changed"), frozen(model, CPU):
        one_epoch(augmented(model), 0)
