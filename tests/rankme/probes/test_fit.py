import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rankme.data.splits import stratified_split
from rankme.features import FeatureSplit
from rankme.probes.apply import head_scores
from rankme.probes.fit import Readout, fit_readouts
from rankme.probes.measures import accuracy
from rankme.study.settings import Probe

CPU = torch.device("cpu")
CLASSES, DIMENSION = 5, 12
Arrays = tuple[np.ndarray, np.ndarray]


def blobs(count: int, seed: int = 0, spread: float = 1.5) -> Arrays:
    """Overlapping Gaussian classes around the same centres, shifted and scaled by dimension."""
    centres = np.random.default_rng(99).normal(size=(CLASSES, DIMENSION))
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    features = centres[labels] + spread * generator.normal(size=(count, DIMENSION))
    features = 3 + features * np.geomspace(0.1, 10, DIMENSION)
    return features.astype(np.float32), labels


def quadrants(count: int, seed: int = 0) -> Arrays:
    """Two classes that no line parts: points whose coordinates agree in sign, and the others."""
    features = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    return features, (features.prod(axis=1) > 0).astype(np.int64)


def attributes(count: int, seed: int = 0) -> Arrays:
    """Three classes that occur together, each seen in the features through noise."""
    mixing = np.random.default_rng(99).normal(size=(3, DIMENSION))
    generator = np.random.default_rng(seed)
    labels = (generator.random((count, 3)) < [0.5, 0.3, 0.1]).astype(np.uint8)
    features = labels @ mixing + generator.normal(size=(count, DIMENSION))
    return features.astype(np.float32), labels


ALL = ["linear", "embedding", "knn", "mlp"]
GRID = {"lr": [0.01, 0.03, 0.1, 0.3], "weight_decay": [0.0, 5e-4, 5e-3], "knn_k": [1, 5, 20]}
SHORT = {"epochs": 4, "batch_size": 32, "milestones": [2, 3], "mlp_width": 16, **GRID}
USUAL = {"epochs": 28, "batch_size": 256, "milestones": [8, 16, 24]}
ONE_HEAD = {"lr": [0.1], "weight_decay": [0.0]}


def fit(train: Arrays, classes: int = CLASSES, **settings: Any) -> dict[str, Readout]:
    """The linear read-out of `SHORT`, but for these settings."""
    features, labels = train
    layers = {"representation": features, "embedding": features[:, ::2]}
    probe = Probe(**{"readouts": ["linear"], **SHORT, **settings})
    return fit_readouts(FeatureSplit(layers, labels), classes, probe, CPU)


def fit_linear(train: Arrays, classes: int = CLASSES, **settings: Any) -> Readout:
    return fit(train, classes, **settings)["linear"]


def accuracy_of(readout: Readout, test: Arrays) -> float:
    assert readout.head is not None
    head = {name: tensor.double().numpy() for name, tensor in readout.head.tensors().items()}
    return accuracy(head_scores(head, test[0].astype(np.float64)), test[1])


def logistic_regression_top1(train: Arrays, test: Arrays, inverse_penalty: float = 1.0) -> float:
    regression = LogisticRegression(max_iter=2000, C=inverse_penalty)
    return float(make_pipeline(StandardScaler(), regression).fit(*train).score(*test))


def tuned_logistic_regression_top1(train: Arrays, test: Arrays) -> float:
    fit_part, held_out = (
        (train[0][rows], train[1][rows]) for rows in stratified_split(train[1], 0.2, 0)
    )
    penalties = (0.01, 0.1, 1.0, 10.0)
    best = max(penalties, key=lambda c: logistic_regression_top1(fit_part, held_out, c))
    return logistic_regression_top1(train, test, best)


def test_accuracy_on_overlapping_gaussians_is_that_of_logistic_regression() -> None:
    train, test = blobs(4000, seed=1), blobs(4000, seed=2)
    top1 = accuracy_of(fit_linear(train, **USUAL), test)
    assert top1 == pytest.approx(logistic_regression_top1(train, test), abs=0.01)
    assert 0.4 < top1 < 0.9


def test_a_head_with_steps_enough_reaches_tuned_logistic_regression_on_digits() -> None:
    """The oracle's penalty is chosen on the same split, so that both pay for their selection."""
    images, labels = load_digits(return_X_y=True)
    settings = {"epochs": 280, "batch_size": 256, "milestones": [80, 160, 240]}
    gaps = []
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(labels))
        features, truth = images[order].astype(np.float32), labels[order]
        train, test = (features[:1200], truth[:1200]), (features[1200:], truth[1200:])
        top1 = accuracy_of(fit_linear(train, 10, **settings), test)
        gaps.append(top1 - tuned_logistic_regression_top1(train, test))
    assert np.mean(gaps) == pytest.approx(0, abs=0.01)


def test_mean_average_precision_is_that_of_one_logistic_regression_a_class() -> None:
    train, test = attributes(2000, seed=1), attributes(2000, seed=2)
    readout = fit_linear(train, 3, **USUAL)
    oracle = OneVsRestClassifier(LogisticRegression()).fit(*train)
    expected = accuracy(oracle.predict_proba(test[0]), test[1])
    assert accuracy_of(readout, test) == pytest.approx(expected, abs=0.01)
    assert 0.4 < expected < 0.95
    assert readout.selected is not None
    assert readout.selected.accuracy == pytest.approx(expected, abs=0.06)
    assert readout.train_accuracy == pytest.approx(accuracy_of(readout, train), abs=1e-6)


def test_the_mlp_and_the_neighbours_part_what_no_line_parts() -> None:
    train, test = quadrants(2000, seed=1), quadrants(1000, seed=2)
    readouts = fit(train, 2, **USUAL, readouts=ALL)
    assert list(readouts) == ALL
    assert accuracy_of(readouts["linear"], test) < 0.65
    assert accuracy_of(readouts["mlp"], test) > 0.95
    assert readouts["knn"].train_accuracy > 0.9
    assert readouts["knn"].selected is not None
    assert readouts["knn"].selected.setting["k"] in GRID["knn_k"]


def test_a_readout_is_the_same_whether_others_are_trained_beside_it_or_not() -> None:
    train = blobs(300)
    beside = fit(train, readouts=ALL)
    for name in ("embedding", "mlp"):
        alone = fit(train, readouts=["linear", name])
        tensors = [fitted[name].head.tensors() for fitted in (beside, alone)]
        assert all(torch.equal(tensors[0][n], tensors[1][n]) for n in tensors[0])
        assert beside[name].trials == alone[name].trials
        assert len(tensors[0]["features.mean"]) == DIMENSION // (2 if name == "embedding" else 1)


def test_validation_accuracy_on_random_labels_is_chance_while_the_head_fits_them() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(500, 1000)).astype(np.float32)
    train = features, generator.integers(4, size=500)
    readout = fit_linear(train, 4, **USUAL, **ONE_HEAD)
    assert readout.train_accuracy > 0.99
    assert readout.trials[0].accuracy == pytest.approx(0.25, abs=0.13)


def test_the_neighbours_of_random_labels_say_nothing_of_the_training_images() -> None:
    """Each image is its own nearest neighbour, so counting it would give full marks."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(600, 8)).astype(np.float32)
    train = features, generator.integers(4, size=600)
    readout = fit(train, 4, readouts=["linear", "knn"], knn_k=[1])["knn"]
    assert readout.train_accuracy == pytest.approx(0.25, abs=0.08)
    assert readout.trials[0].accuracy == pytest.approx(0.25, abs=0.16)


def test_the_selected_head_is_fitted_on_all_training_features() -> None:
    """Held-out rows that say the contrary of the others turn the final head, not the trials."""
    features, labels = blobs(300, spread=0.1)
    readout = fit_linear((features, labels), **ONE_HEAD)
    assert readout.head is not None
    mean = features.mean(axis=0, dtype=np.float64)
    assert readout.head.mean.numpy() == pytest.approx(mean, rel=1e-5)
    _, held_out = stratified_split(labels, Probe().validation_fraction, Probe().seed)
    features[held_out] = 2 * mean - features[held_out]
    contrary = fit_linear((features, labels), **ONE_HEAD)
    assert contrary.trials[0].accuracy < 0.5
    assert contrary.train_accuracy < readout.train_accuracy


@pytest.mark.parametrize(
    ("name", "chosen", "grid", "edge"),
    [
        ("linear", [0.1, 0.0], {"lr": [1e-5, 0.1, 100.0], "weight_decay": [0.0, 5.0]}, False),
        ("linear", [0.1, 0.0], {"lr": [1e-5, 0.1], "weight_decay": [0.0]}, True),
        ("linear", [0.1, 1e-4], {"lr": [0.1], "weight_decay": [1e-4, 5.0]}, True),
        ("linear", [0.1, 1e-4], {"lr": [0.1], "weight_decay": [1e-4]}, False),
        ("knn", [1], {"knn_k": [1, 400]}, False),
        ("knn", [40], {"knn_k": [40, 400]}, True),
        ("knn", [40], {"knn_k": [40]}, False),
    ],
)
def test_the_best_trial_is_selected_and_said_to_be_at_the_edge_if_a_longer_list_might_be_better(
    name: str, chosen: list[float], grid: dict[str, list[float]], edge: bool
) -> None:
    """No decay and a single neighbour are natural bounds."""
    train = blobs(600, spread=0.2 if name == "knn" else 1.5)
    readout = fit(train, readouts=["linear", "knn"], **grid)[name]
    assert len(readout.trials) == math.prod(map(len, grid.values()))
    assert readout.selected is not None
    assert list(readout.selected.setting.values()) == chosen
    assert readout.selected.accuracy == max(trial.accuracy for trial in readout.trials)
    assert readout.edge_of_grid is edge


def test_a_seed_gives_the_same_heads_bit_for_bit_and_another_seed_others() -> None:
    names = ["linear", "mlp"]
    first, again, other = (fit(blobs(300), readouts=names, seed=seed) for seed in (0, 0, 1))
    for name in names:
        weights = [fitted[name].head.tensors()["head.weight"] for fitted in (first, again, other)]
        assert torch.equal(weights[0], weights[1])
        assert first[name].trials == again[name].trials
        assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_give_silent_readouts_of_their_layer_alone(
    value: float,
) -> None:
    features, labels = blobs(300)
    features[7, 3] = value
    readouts = fit((features, labels), readouts=ALL)
    assert readouts["embedding"].status == "completed"
    for name in ("linear", "knn", "mlp"):
        readout = readouts[name]
        assert readout.status == "non-finite features"
        assert readout.selected is None
        assert readout.train_accuracy == pytest.approx(0.2, abs=0.1)
        assert readout.head is None or not readout.head.scores(torch.ones(3, DIMENSION)).any()


def test_constant_features_give_the_share_of_the_largest_class() -> None:
    readout = fit_linear((np.ones((150, 4), np.float32), np.array([0, 1, 1] * 50)), 2)
    assert readout.status == "completed"
    assert readout.train_accuracy == pytest.approx(2 / 3)


def test_features_on_disk_are_never_copied_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What numpy allocates is traced; torch gets its batches from numpy."""
    monkeypatch.setattr("rankme.probes.fit._MOST_QUERIES", 200)
    shape = (100_000, 256)
    file = np.lib.format.open_memmap(tmp_path / "features.npy", "w+", np.float32, shape)
    labels = np.arange(len(file)) % 2
    file[:, 0] = labels
    file.flush()
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    settings = {"readouts": ["linear", "knn"], "epochs": 1, "batch_size": 4096, **ONE_HEAD}
    tracemalloc.start()
    readouts = fit((mapped, labels), 2, **settings)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert readouts["linear"].train_accuracy == 1
    assert peak < mapped.nbytes / 2
