import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from rankme.probes.measures import (
    accuracy,
    average_precisions,
    bootstrap_interval,
    truth_ranks,
    wilson_interval,
)


@given(n=st.integers(1, 100_000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95]))
def test_the_wilson_interval_is_that_of_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, n, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60), levels=st.sampled_from([2, 5, 10**6]))
def test_average_precision_is_that_of_scikit_learn_ties_and_weights_included(
    seed: int, n: int, levels: int
) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(levels, size=(n, 3)).astype(float)
    labels = generator.integers(2, size=(n, 3)).astype(np.uint8)
    labels[0] = 1
    weights = generator.integers(4, size=(n, 2))
    weights[0] = 1
    expected = average_precision_score(labels, scores, average=None)
    assert average_precisions(scores, labels) == pytest.approx(expected)
    for row, found in zip(weights.T, average_precisions(scores, labels, weights), strict=True):
        expected = average_precision_score(labels, scores, average=None, sample_weight=row)
        assert found == pytest.approx(expected)


def test_a_class_without_positives_has_no_average_precision_and_does_not_count() -> None:
    labels = np.array([[1, 0], [0, 0], [1, 0]], np.uint8)
    scores = np.array([[0.9, 0.1], [0.5, 0.2], [0.1, 0.3]])
    precisions = average_precisions(scores, labels)
    assert precisions[0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(precisions[1])
    assert accuracy(scores, labels) == precisions[0]


def test_equal_scores_go_in_the_order_of_the_classes_and_no_number_comes_last() -> None:
    scores = np.array([[1.0, 1.0, 0.0], [np.nan, -5.0, np.nan], [np.inf, np.nan, np.inf]])
    ranks = [truth_ranks(scores, np.full(3, label)).tolist() for label in range(3)]
    assert ranks == [[0, 1, 0], [1, 0, 2], [2, 2, 1]]
    assert accuracy(scores, np.array([0, 1, 0])) == 1


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of n images and two classes."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((n, 2)) < 0.3).astype(np.uint8)
    return labels + generator.normal(size=(n, 2)), labels


def test_the_bootstrap_interval_covers_the_true_precision_about_as_often_as_it_says() -> None:
    """The truth is the precision on a sample so large that its own error does not matter."""
    truth = accuracy(*sample(400_000, 0))
    covered = [
        low <= truth <= high
        for low, high in (bootstrap_interval(*sample(300, seed), 0.8) for seed in range(1, 101))
    ]
    # Within four standard errors of 0.8.
    assert 0.64 < np.mean(covered) < 0.96


def test_a_bootstrap_interval_repeats_and_narrows_with_confidence() -> None:
    scores, labels = sample(200, 0)
    low, high = bootstrap_interval(scores, labels, 0.95)
    assert (low, high) == bootstrap_interval(scores, labels, 0.95)
    inner_low, inner_high = bootstrap_interval(scores, labels, 0.5)
    assert low < inner_low < accuracy(scores, labels) < inner_high < high
