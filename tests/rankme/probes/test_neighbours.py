import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import rankme.probes.neighbours as module
from rankme.probes.neighbours import TEMPERATURE, neighbour_scores

CLASSES, DIMENSION = 4, 9


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(99).normal(size=(CLASSES, DIMENSION))
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    features = centres[labels] + generator.normal(size=(count, DIMENSION))
    return features.astype(np.float32), labels


def oracle(k: int) -> KNeighborsClassifier:
    return KNeighborsClassifier(
        k, metric="cosine", weights=lambda distance: np.exp(-distance / TEMPERATURE)
    )


@pytest.mark.parametrize("block", [7, 100, 4096])
def test_scores_are_those_of_scikit_learn_however_the_features_are_read(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEATURE_ROWS", block)
    (features, labels), (queries, _) = blobs(300, 1), blobs(50, 2)
    ks = [1, 5, 60]
    for k, scores in zip(ks, neighbour_scores(queries, features, labels, CLASSES, ks), strict=True):
        expected = oracle(k).fit(features, labels).predict_proba(queries)
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_scores_of_several_labels_are_those_of_scikit_learn() -> None:
    features, _ = blobs(200, 1)
    queries, _ = blobs(30, 2)
    labels = np.random.default_rng(0).integers(2, size=(200, 3)).astype(np.uint8)
    (scores,) = neighbour_scores(queries, features, labels, 3, [10])
    expected = oracle(10).fit(features, labels).predict_proba(queries)
    np.testing.assert_allclose(scores, np.stack([p[:, 1] for p in expected], 1), atol=1e-4)


def test_neighbours_come_from_the_given_rows_and_never_are_the_query_itself() -> None:
    features, labels = blobs(120, 1)
    rows, own = np.arange(0, 120, 2), np.array([4, 5, 90])
    (scores,) = neighbour_scores(features[own], features, labels, CLASSES, [3], rows, own)
    for row, found in zip(own, scores, strict=True):
        others = np.setdiff1d(rows, [row])
        fitted = oracle(3).fit(features[others], labels[others])
        np.testing.assert_allclose([found], fitted.predict_proba(features[[row]]), atol=1e-4)


def test_more_neighbours_than_there_are_means_all() -> None:
    features, labels = blobs(10, 1)
    many, all_there_are = neighbour_scores(features[:3], features, labels, CLASSES, [500, 10])
    np.testing.assert_array_equal(many, all_there_are)


def test_scaling_a_feature_vector_changes_nothing_and_a_zero_vector_is_no_trouble() -> None:
    features, labels = blobs(50, 1)
    features[7] = 0
    scale = np.random.default_rng(0).uniform(0.1, 10, (50, 1)).astype(np.float32)
    (scores,) = neighbour_scores(features, features, labels, CLASSES, [5])
    (scaled,) = neighbour_scores(features * scale, features * scale, labels, CLASSES, [5])
    rows = np.arange(50) != 7
    np.testing.assert_allclose(scaled[rows], scores[rows], atol=1e-4)
    assert np.isfinite(scores).all()
