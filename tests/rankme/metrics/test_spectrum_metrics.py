"""Metrics of the spectrum alone: closed forms."""

import numpy as np
import pytest

from rankme.metrics import (
    alpha_req,
    condition_number,
    effective_rank,
    nesum,
    participation_ratio,
    rankme,
    stable_rank,
)
from rankme.metrics.alpha_req import fitted_ranks
from rankme.metrics.spectrum import spectrum_of
from tests.rankme.metrics.oracles import embeddings


def with_covariance(eigenvalues: np.ndarray, rows: int) -> np.ndarray:
    """Rows whose covariance has exactly these eigenvalues: orthonormal columns of mean zero."""
    raw = np.random.default_rng(0).standard_normal((rows, len(eigenvalues)))
    columns = np.linalg.qr(raw - raw.mean(0))[0]
    return columns * np.sqrt((rows - 1) * eigenvalues)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7])
def test_alpha_of_a_power_law_is_its_exponent(alpha):
    z = with_covariance(np.arange(1, 121.0) ** -alpha, 400)
    assert alpha_req(z) == pytest.approx(alpha, rel=1e-9)
    assert alpha_req(z, (20, 60)) == pytest.approx(alpha, rel=1e-9)


def test_alpha_sees_the_ranks_of_its_range_alone():
    ranks = np.arange(1, 121.0)
    factor = np.where(ranks < 10, 2.0, np.where(ranks > 100, 0.1, 0.5))
    changed = with_covariance(factor * ranks**-1.3, 400)
    assert alpha_req(changed) == pytest.approx(1.3, rel=1e-9)
    assert alpha_req(changed, (1, 120)) != pytest.approx(1.3, rel=1e-7)


def test_alpha_fits_up_to_the_last_eigenvalue_and_says_so():
    z = with_covariance(np.arange(1, 31.0) ** -0.9, 200)
    assert fitted_ranks(spectrum_of(z), (10, 100)) == {"first_rank": 10, "last_rank": 30}
    assert alpha_req(z) == pytest.approx(0.9, rel=1e-9)


@pytest.mark.parametrize("rank", [1, 9, 11])
def test_alpha_of_too_few_eigenvalues_is_not_defined(rank):
    z = np.zeros((100, 40))
    z[:, :rank] = with_covariance(np.ones(rank), 100)
    assert np.isnan(alpha_req(z))


@pytest.mark.parametrize(
    ("eigenvalues", "sum_over_largest", "ratio"),
    [(np.ones(24), 24, 24), (np.array([4.0, 2.0, 1.0, 1.0]), 2, 64 / 22)],
)
def test_a_known_covariance_gives_the_known_ratios(eigenvalues, sum_over_largest, ratio):
    z = with_covariance(eigenvalues, 100)
    assert nesum(z) == pytest.approx(sum_over_largest, rel=1e-12)
    assert participation_ratio(z) == pytest.approx(ratio, rel=1e-12)


def test_known_singular_values_give_the_known_ratios():
    z = np.linalg.qr(embeddings(50, 4))[0] * np.array([4.0, 2.0, 2.0, 1.0])
    assert stable_rank(z) == pytest.approx(25 / 16, rel=1e-12)
    assert condition_number(z) == pytest.approx(4.0, rel=1e-12)
    assert effective_rank(z) == pytest.approx(rankme(z, eps=0), rel=1e-15)


def test_collapse_is_a_single_direction_and_without_full_rank_the_condition_is_infinite():
    for z in (np.zeros((50, 20)), np.ones((50, 20)) * np.arange(20)):
        for metric in (effective_rank, nesum, participation_ratio, stable_rank):
            assert metric(z) == pytest.approx(1.0, abs=1e-9)
        assert condition_number(z) == float("inf")
        assert np.isnan(alpha_req(z))
    z = embeddings(50, 10)
    z[:, 3] = z[:, 2]
    assert condition_number(z) == float("inf")
    assert condition_number(z[:1]) == pytest.approx(1.0)
