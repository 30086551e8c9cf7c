from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from rankme.data.batches import epoch_order
from rankme.errors import UserError
from rankme.probes.linear import (
    GridPoint,
    Probe,
    ProbeSettings,
    fit_probe,
    stratified_split,
    train_heads,
)

SETTINGS = ProbeSettings(
    epochs=28,
    batch_size=256,
    lr=[0.01, 0.03, 0.1, 0.3],
    weight_decay=[0.0, 5e-4, 5e-3],
    milestones=[8, 16, 24],
    validation_fraction=0.2,
    seed=0,
)
SHORT = replace(SETTINGS, epochs=4, batch_size=32, milestones=[2, 3])
CLASSES, DIMENSION = 5, 12


def blobs(count: int, seed: int = 0, spread: float = 1.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping Gaussian classes around the same centres, shifted and scaled by dimension."""
    centres = np.random.default_rng(99).normal(size=(CLASSES, DIMENSION))
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    features = centres[labels] + spread * generator.normal(size=(count, DIMENSION))
    features = 3 + features * np.geomspace(0.1, 10, DIMENSION)
    return torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels)


def logistic_regression_top1(train: tuple, test: tuple, inverse_penalty: float = 1.0) -> float:
    scaler = StandardScaler().fit(train[0])
    model = LogisticRegression(max_iter=2000, C=inverse_penalty)
    model.fit(scaler.transform(train[0]), train[1])
    return model.score(scaler.transform(test[0]), test[1])


def tuned_logistic_regression_top1(train: tuple, test: tuple) -> float:
    fit, held_out = (
        (train[0][rows], train[1][rows]) for rows in stratified_split(train[1], 0.2, 0)
    )
    best = max((0.01, 0.1, 1.0, 10.0), key=lambda c: logistic_regression_top1(fit, held_out, c))
    return logistic_regression_top1(train, test, best)


def test_heads_trained_together_equal_each_head_trained_alone() -> None:
    features, labels = blobs(300)
    grid = SHORT.grid()
    together = train_heads(features, labels, CLASSES, grid, SHORT)
    for index, point in enumerate(grid):
        alone = train_heads(features, labels, CLASSES, [point], SHORT)
        torch.testing.assert_close(together.weight[index], alone.weight[0], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(together.bias[index], alone.bias[0], rtol=1e-4, atol=1e-6)


def test_a_head_equals_sgd_of_torch_on_batch_normalised_features() -> None:
    features, labels = blobs(300)
    point = GridPoint(lr=0.1, weight_decay=5e-3)
    heads = train_heads(features, labels, CLASSES, [point], SHORT)

    inputs = torch.nn.BatchNorm1d(DIMENSION, affine=False)(features)
    head = torch.nn.Linear(DIMENSION, CLASSES)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD(
        head.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-3
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, SHORT.milestones, gamma=0.1)
    for epoch in range(SHORT.epochs):
        for rows in epoch_order(len(features), SHORT.seed, epoch).split(SHORT.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(inputs[rows]), labels[rows]).backward()
            optimizer.step()
        schedule.step()

    torch.testing.assert_close(heads.weight[0], head.weight.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(heads.bias[0], head.bias.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(heads.logits(features)[:, 0], head(inputs).detach())


def test_accuracy_on_overlapping_gaussians_is_that_of_logistic_regression() -> None:
    train, test = blobs(4000, seed=1), blobs(4000, seed=2)
    (top1,) = fit_probe(*train, CLASSES, SETTINGS).head.top1(*test)
    assert top1 == pytest.approx(logistic_regression_top1(train, test), abs=0.01)
    assert 0.4 < top1 < 0.9


def test_a_head_with_steps_enough_reaches_tuned_logistic_regression_on_digits() -> None:
    """The oracle's penalty is chosen on the same split, so that both pay for their selection."""
    images, labels = load_digits(return_X_y=True)
    settings = replace(SETTINGS, epochs=280, milestones=[80, 160, 240])
    gaps = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(labels))
        features, truth = images[order].astype(np.float32), labels[order]
        train, test = (features[:1200], truth[:1200]), (features[1200:], truth[1200:])
        probe = fit_probe(*map(torch.from_numpy, train), 10, settings)
        (top1,) = probe.head.top1(*map(torch.from_numpy, test))
        gaps.append(top1 - tuned_logistic_regression_top1(train, test))
    assert np.mean(gaps) == pytest.approx(0, abs=0.01)


def test_validation_accuracy_on_random_labels_is_chance_while_the_head_fits_them() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 1000, generator=generator)
    labels = torch.randint(4, (500,), generator=generator)
    probe = fit_probe(features, labels, 4, replace(SETTINGS, lr=[0.1], weight_decay=[0.0]))
    assert probe.train_top1 > 0.99
    assert probe.trials[0].validation_top1 == pytest.approx(0.25, abs=0.13)


def test_the_selected_trial_is_the_best_on_the_held_out_part() -> None:
    probe = fit_probe(*blobs(600), CLASSES, replace(SHORT, lr=[1e-5, 0.1], weight_decay=[0.0, 5.0]))
    assert len(probe.trials) == 4
    assert probe.selected is not None
    assert probe.selected.point == GridPoint(0.1, 0.0)
    assert probe.selected.validation_top1 == max(t.validation_top1 for t in probe.trials)


def test_the_selected_head_is_fitted_on_all_training_features() -> None:
    features, labels = blobs(300)
    settings = replace(SHORT, lr=[0.1], weight_decay=[0.0])
    probe = fit_probe(features, labels, CLASSES, settings)
    whole = train_heads(features, labels, CLASSES, settings.grid(), settings)
    assert torch.equal(probe.head.weight, whole.weight)
    torch.testing.assert_close(
        probe.head.mean.double(), features.double().mean(0), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize(
    ("lr", "weight_decay", "edge"),
    [
        ([1e-5, 0.1, 100.0], [0.0], False),
        ([1e-5, 0.1], [0.0], True),
        ([0.1], [0.0, 5.0], False),
        ([0.1], [1e-4, 5.0], True),
        ([0.1], [1e-4], False),
    ],
)
def test_the_edge_of_the_grid_is_reported_where_a_longer_list_might_be_better(
    lr: list[float], weight_decay: list[float], edge: bool
) -> None:
    settings = replace(SHORT, lr=lr, weight_decay=weight_decay)
    probe = fit_probe(*blobs(600), CLASSES, settings)
    assert probe.selected is not None
    assert probe.selected.point.lr == 0.1
    assert probe.edge_of_grid is edge


def fit_with_seed(seed: int) -> Probe:
    return fit_probe(*blobs(300), CLASSES, replace(SHORT, seed=seed))


def test_a_seed_gives_the_same_head_bit_for_bit_and_another_seed_another() -> None:
    first, again, other = fit_with_seed(0), fit_with_seed(0), fit_with_seed(1)
    assert torch.equal(first.head.weight, again.head.weight)
    assert first.trials == again.trials
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_features_that_are_not_finite_give_a_zero_head_and_say_so(value: float) -> None:
    features, labels = blobs(300)
    features[7, 3] = value
    probe = fit_probe(features, labels, CLASSES, SHORT)
    assert probe.status == "non-finite features"
    assert not probe.head.weight.any()
    assert probe.selected is None


def test_constant_features_give_the_share_of_the_largest_class() -> None:
    labels = torch.tensor([0, 1, 1] * 50)
    probe = fit_probe(torch.ones(150, 4), labels, 2, SHORT)
    assert probe.status == "completed"
    assert probe.train_top1 == pytest.approx(2 / 3)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_split_parts_every_class(
    labels: list[int], fraction: float, seed: int
) -> None:
    array = np.array(labels)
    if np.bincount(array).max() < 2:
        with pytest.raises(UserError, match="only one"):
            stratified_split(array, fraction, seed)
        return
    fit, held_out = stratified_split(array, fraction, seed)
    assert sorted([*fit, *held_out]) == list(range(len(array)))
    for label in set(labels):
        count, held = (array == label).sum(), (array[held_out] == label).sum()
        assert held < count
        assert held >= (count > 1)
        assert abs(held - fraction * count) <= 1


@pytest.mark.parametrize("text", ["{", "[1]", '{"epochs": 28}'])
def test_settings_that_are_not_whole_are_a_users_error(text: str) -> None:
    with pytest.raises(UserError, match="--probe"):
        ProbeSettings.from_json(text)
