import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from rankme.probes.heads import Heads, standardisation
from rankme.study.settings import GridPoint

CLASSES, DIMENSION, COUNT = 5, 12, 300
GRID = [GridPoint(lr, decay) for lr in (0.01, 0.1) for decay in (0.0, 5e-3)]
SHAPES = [[CLASSES], [7, 6, CLASSES]]


def data(several_labels: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = 3 + 10 * torch.randn(COUNT, DIMENSION, generator=generator)
    if several_labels:
        return features, torch.randint(2, (COUNT, CLASSES), generator=generator).float()
    return features, torch.randint(CLASSES, (COUNT,), generator=generator)


def untrained(widths: list[int], grid: list[GridPoint], features: Tensor) -> Heads:
    both = standardisation(features.numpy(), np.arange(len(features)))
    return Heads(*map(torch.from_numpy, both), widths, grid, seed=0)


def trained(widths: list[int], grid: list[GridPoint], several_labels: bool = False) -> Heads:
    features, labels = data(several_labels)
    heads = untrained(widths, grid, features)
    for lr_factor in (1.0, 0.1):
        for batch, truth in zip(features.split(32), labels.split(32), strict=True):
            heads.step(batch, truth, lr_factor)
    return heads


@pytest.mark.parametrize("widths", SHAPES)
def test_heads_trained_beside_others_even_one_that_diverges_equal_each_trained_alone(
    widths: list[int],
) -> None:
    features, _ = data()
    together = trained(widths, [*GRID, GridPoint(1e30, 1.0)]).scores(features)
    assert not together[:, -1].isfinite().all()
    for index, point in enumerate(GRID):
        alone = trained(widths, [point]).scores(features)
        torch.testing.assert_close(together[:, index], alone[:, 0], rtol=1e-4, atol=1e-5)


def sequential(heads: Heads) -> nn.Sequential:
    """The one untrained head as torch's own modules."""
    layers: list[nn.Module] = []
    for weight, bias in heads.layers:
        layer = nn.Linear(weight.shape[2], weight.shape[1])
        layer.load_state_dict({"weight": weight[0].detach(), "bias": bias[0].detach()})
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("several_labels", [False, True])
@pytest.mark.parametrize("widths", SHAPES)
def test_a_head_equals_sgd_of_torch_on_batch_normalised_features(
    widths: list[int], several_labels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankme.probes.heads.MLP_GRADIENT_NORM", 0.05)
    features, labels = data(several_labels)
    point = GridPoint(lr=0.1, weight_decay=5e-3)
    network = sequential(untrained(widths, [point], features))
    inputs = nn.BatchNorm1d(DIMENSION, affine=False)(features)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-3
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1], gamma=0.1)
    for _ in range(2):
        for batch, truth in zip(inputs.split(32), labels.split(32), strict=True):
            optimizer.zero_grad()
            if several_labels:
                loss = CLASSES * binary_cross_entropy_with_logits(network(batch), truth)
            else:
                loss = cross_entropy(network(batch), truth)
            loss.backward()
            if len(widths) > 1:
                nn.utils.clip_grad_norm_(network.parameters(), 0.05)
            optimizer.step()
        schedule.step()

    scores = trained(widths, [point], several_labels).scores(features)
    torch.testing.assert_close(scores[:, 0], network(inputs), rtol=1e-4, atol=1e-5)
    assert scores.std() > 0.01


def test_hidden_layers_start_as_those_of_torch_do_and_the_last_at_zero() -> None:
    features, _ = data()
    heads = untrained([400, 300, CLASSES], GRID, features)
    for weight, bias in heads.layers[:-1]:
        reference = nn.Linear(weight.shape[2], weight.shape[1])
        assert weight.std().item() == pytest.approx(reference.weight.std().item(), rel=0.05)
        assert weight.abs().max().item() == pytest.approx(
            reference.weight.abs().max().item(), rel=0.02
        )
        assert bias.std().item() == pytest.approx(reference.bias.std().item(), rel=0.2)
    assert not heads.scores(features).any()


def test_standardisation_is_that_of_float64_however_many_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankme.probes.heads._ROWS", 37)
    features = (1e4 + np.random.default_rng(0).normal(size=(200, 6))).astype(np.float32)
    rows = np.arange(0, 200, 3)
    mean, std = standardisation(features, rows)
    exact = features[rows].astype(np.float64)
    assert mean == pytest.approx(exact.mean(axis=0), rel=1e-6)
    assert std == pytest.approx(np.sqrt(exact.var(axis=0) + 1e-5), rel=1e-6)
