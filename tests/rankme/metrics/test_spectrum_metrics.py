"""Metrics of the spectrum alone: closed forms, plain formulas, invariances, streaming."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from rankme.metrics import (
    Gram,
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
from tests.rankme.metrics import oracles

SPECTRAL = [
    effective_rank,
    alpha_req,
    nesum,
    participation_ratio,
    stable_rank,
    condition_number,
]
"""Their oracles have the same names."""

CENTRED = [alpha_req, nesum, participation_ratio]
RAW = [rankme, effective_rank, stable_rank, condition_number]


def embeddings(rows: int = 300, columns: int = 120, seed: int = 0) -> np.ndarray:
    """A decaying spectrum, and a mean that counts."""
    generator = np.random.default_rng(seed)
    scale = np.arange(1, columns + 1) ** -0.6
    return generator.standard_normal((rows, columns)) * scale + 0.1 * generator.random(columns)


def with_covariance(eigenvalues: np.ndarray, rows: int) -> np.ndarray:
    """Rows whose covariance has exactly these eigenvalues: orthonormal columns of mean zero."""
    raw = np.random.default_rng(0).standard_normal((rows, len(eigenvalues)))
    columns = np.linalg.qr(raw - raw.mean(0))[0]
    return columns * np.sqrt((rows - 1) * eigenvalues)


@pytest.mark.parametrize("metric", SPECTRAL)
@pytest.mark.parametrize("shape", [(300, 120), (150, 149), (120, 120)])
def test_each_equals_its_formula_in_float64(metric, shape):
    z = embeddings(*shape)
    assert metric(z) == pytest.approx(getattr(oracles, metric.__name__)(z), rel=1e-7)


@pytest.mark.parametrize("metric", [effective_rank, nesum, participation_ratio, stable_rank])
def test_a_wide_matrix_equals_its_formula_from_the_smaller_gram(metric):
    z = embeddings(40, 300)
    assert metric(z) == pytest.approx(getattr(oracles, metric.__name__)(z), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7])
def test_alpha_of_a_power_law_is_its_exponent(alpha):
    z = with_covariance(np.arange(1, 121.0) ** -alpha, 400)
    assert alpha_req(z) == pytest.approx(alpha, rel=1e-9)


def test_alpha_sees_the_ranks_of_its_range_alone():
    ranks = np.arange(1, 121.0)
    eigenvalues = np.where((ranks < 10) | (ranks > 100), 1.0, 0.5) * ranks**-1.3
    eigenvalues = np.sort(eigenvalues)[::-1]
    power_law = with_covariance(ranks**-1.3, 400)
    assert alpha_req(power_law, (20, 60)) == pytest.approx(1.3, rel=1e-9)
    changed = with_covariance(eigenvalues, 400)
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


def test_a_flat_covariance_gives_its_dimension():
    z = with_covariance(np.ones(24), 100)
    assert nesum(z) == pytest.approx(24, rel=1e-12)
    assert participation_ratio(z) == pytest.approx(24, rel=1e-12)


def test_a_known_covariance_gives_the_known_ratios():
    z = with_covariance(np.array([4.0, 2.0, 1.0, 1.0]), 50)
    assert nesum(z) == pytest.approx(2.0, rel=1e-12)
    assert participation_ratio(z) == pytest.approx(64 / 22, rel=1e-12)


def test_known_singular_values_give_the_known_ratios():
    z = np.linalg.qr(embeddings(50, 4))[0] * np.array([4.0, 2.0, 2.0, 1.0])
    assert stable_rank(z) == pytest.approx(25 / 16, rel=1e-12)
    assert condition_number(z) == pytest.approx(4.0, rel=1e-12)
    assert effective_rank(z) == pytest.approx(rankme(z, eps=0), rel=1e-15)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(30, 60),
    columns=st.integers(14, 25),
    scale=st.floats(1e-20, 1e20),
    seed=st.integers(0, 2**32 - 1),
)
def test_rotation_scale_and_order_of_rows_change_none(rows, columns, scale, seed):
    z = embeddings(rows, columns, seed)
    rotation = ortho_group.rvs(columns, random_state=seed)
    order = np.random.default_rng(seed).permutation(rows)
    for metric in SPECTRAL:
        expected = pytest.approx(metric(z), rel=1e-6)
        assert metric(z @ rotation) == expected
        assert metric(z * scale) == expected
        assert metric(z[order]) == expected


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_shift_of_all_rows_changes_the_raw_metrics_and_not_the_centred_ones(seed):
    z = embeddings(60, 20, seed)
    shifted = z + 5 * np.random.default_rng(seed).standard_normal(20)
    for metric in CENTRED:
        assert metric(shifted) == pytest.approx(metric(z), rel=1e-6)
    for metric in RAW:
        assert metric(shifted) != pytest.approx(metric(z), rel=1e-7)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), split=st.integers(0, 300))
def test_streamed_in_any_batches_and_shards_each_is_that_of_the_whole(cuts, split):
    z = embeddings().astype(np.float32)
    shards = [Gram(120), Gram(120)]
    for batch in np.split(z, sorted({*cuts, split})):
        shards[len(batch) % 2].update(batch)
    spectrum = (shards[0] + shards[1]).spectrum()
    for metric in [*SPECTRAL, rankme]:
        assert metric(spectrum) == pytest.approx(metric(z), rel=1e-9)


def test_a_spectrum_stays_what_it_was_when_more_rows_come():
    z, gram = embeddings(), Gram(120)
    gram.update(z)
    spectrum = gram.spectrum()
    gram.update(3 + z[:, ::-1])
    assert nesum(spectrum) == pytest.approx(nesum(z), rel=1e-12)
    assert rankme(spectrum) == pytest.approx(rankme(z), rel=1e-12)


def test_the_covariance_of_fewer_rows_than_columns_has_one_eigenvalue_less_than_rows():
    z, gram = embeddings(10, 40), Gram(40)
    gram.update(z)
    expected = oracles.covariance_eigenvalues(z)[:9]
    for spectrum in (gram.spectrum(), spectrum_of(z)):
        np.testing.assert_allclose(spectrum.covariance_eigenvalues, expected, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_a_large_mean_costs_the_covariance_no_accuracy_that_counts(offset):
    z = embeddings(1000, 60)
    found = spectrum_of(offset + z).covariance_eigenvalues
    np.testing.assert_allclose(found, oracles.covariance_eigenvalues(z), rtol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_arrays_and_lists_of_the_same_values_measure_alike(dtype):
    tensor = torch.from_numpy(embeddings(60, 20)).to(dtype).requires_grad_()
    array = tensor.detach().double().numpy()
    for metric in [*SPECTRAL, rankme]:
        assert metric(tensor) == metric(array) == metric(array.tolist())


@pytest.mark.parametrize("metric", [*SPECTRAL, rankme])
@pytest.mark.parametrize("bad", [[1.0, 2.0], [[[1.0]]], np.ones((0, 3)), np.ones((3, 0))])
def test_anything_but_a_matrix_is_refused(metric, bad):
    with pytest.raises(ValueError, match="expected N x K"):
        metric(bad)


@pytest.mark.parametrize("metric", [*SPECTRAL, rankme])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(metric, bad):
    z = embeddings(30, 20)
    z[3, 4] = bad
    with pytest.raises(ValueError, match="NaN, infinite"):
        metric(z)


def test_collapse_is_measured_as_a_single_direction():
    for z in (np.zeros((50, 20)), np.ones((50, 20)) * np.arange(20)):
        for metric in (effective_rank, nesum, participation_ratio, stable_rank):
            assert metric(z) == pytest.approx(1.0, abs=1e-9)
        assert condition_number(z) == float("inf")
        assert np.isnan(alpha_req(z))


def test_a_matrix_without_full_rank_has_an_infinite_condition_number():
    z = embeddings(50, 10)
    z[:, 3] = z[:, 2]
    assert condition_number(z) == float("inf")
    assert condition_number(z[:1]) == pytest.approx(1.0)
