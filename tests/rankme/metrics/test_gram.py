"""Embeddings that were never in memory together: batches, shards, devices, rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme import metrics
from rankme.metrics import Gram, nesum, rankme
from rankme.metrics.spectrum import spectrum_of
from tests.rankme.metrics import oracles
from tests.rankme.metrics.oracles import OF_SPECTRUM, embeddings

RNG = np.random.default_rng(0)
EMBEDDINGS = embeddings(500, 32)


def gram_of(*batches) -> Gram:
    gram = Gram(batches[0].shape[1])
    for batch in batches:
        gram.update(batch)
    return gram


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), split=st.integers(0, 300))
def test_streamed_in_any_batches_and_shards_each_metric_is_that_of_the_whole(cuts, split):
    z = embeddings(300, 120).astype(np.float32)
    shards = [Gram(120), Gram(120)]
    for batch in np.split(z, sorted({*cuts, split})):
        shards[len(batch) % 2].update(batch)
    spectrum = (shards[0] + shards[1]).spectrum()
    assert spectrum.count == 300
    for name in OF_SPECTRUM:
        metric = getattr(metrics, name)
        assert metric(spectrum) == pytest.approx(metric(z), rel=1e-9)


def test_shards_add_up_to_the_whole_and_stay_as_they_were():
    """Integers, so that the sums are exact in float64 whatever their order."""
    integers = RNG.integers(-9, 10, (300, 16))
    first, second, whole = gram_of(integers[:100]), gram_of(integers[100:]), gram_of(integers)
    before = first.matrix.copy()
    total = Gram(16) + first + second
    np.testing.assert_array_equal(total.matrix, whole.matrix)
    np.testing.assert_array_equal(total.singular_values(), whole.singular_values())
    total.update(integers)
    np.testing.assert_array_equal(first.matrix, before)
    assert (first.count, total.count) == (100, 600)


def test_updating_leaves_the_batch_and_a_spectrum_as_they_were():
    batch, gram = EMBEDDINGS.copy(), gram_of(EMBEDDINGS)
    spectrum = gram.spectrum()
    gram.update(batch)
    gram.update(3 + batch[:, ::-1])
    np.testing.assert_array_equal(batch, EMBEDDINGS)
    assert nesum(spectrum) == pytest.approx(nesum(batch), rel=1e-12)
    assert rankme(spectrum) == pytest.approx(rankme(batch), rel=1e-12)


def test_updates_of_more_rows_than_a_block_count_every_row():
    rows = RNG.integers(-9, 10, (2_500, 3)).astype(np.float64)
    np.testing.assert_array_equal(gram_of(rows).matrix, rows.T @ rows)


def test_fewer_rows_than_columns_have_one_singular_value_a_row_and_one_eigenvalue_less():
    z = embeddings(10, 40)
    for spectrum in (gram_of(z).spectrum(), spectrum_of(z)):
        np.testing.assert_allclose(spectrum.singular_values, oracles.spectrum(z), rtol=1e-9)
        expected = oracles.covariance_eigenvalues(z)[:9]
        np.testing.assert_allclose(spectrum.covariance_eigenvalues, expected, rtol=1e-9)


def test_directions_without_embeddings_have_exactly_no_weight():
    flat = np.zeros((100, 8))
    flat[:, :3] = RNG.standard_normal((100, 3))
    rotation = np.linalg.qr(RNG.standard_normal((8, 8)))[0]
    sigma = gram_of(flat @ rotation).singular_values()
    assert sigma[2] > 1
    assert (sigma[3:] == 0).all()


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_a_large_mean_costs_the_covariance_no_accuracy_that_counts(offset):
    z = RNG.standard_normal((1000, 60)) * np.arange(1, 61) ** -0.6
    found = spectrum_of(offset + z).covariance_eigenvalues
    np.testing.assert_allclose(found, oracles.covariance_eigenvalues(z), rtol=1e-7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_tensors_are_summed_on_the_device():
    gram = gram_of(*torch.from_numpy(EMBEDDINGS).cuda().split(100))
    assert gram.matrix.is_cuda
    assert gram.matrix.dtype == torch.float64
    np.testing.assert_allclose(gram.singular_values(), oracles.spectrum(EMBEDDINGS), rtol=1e-9)


def test_no_rows_and_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no embeddings"):
        Gram(4).singular_values()
    with pytest.raises(ValueError, match=r"\(5, 3\), expected \(rows, 4\)"):
        Gram(4).update(np.ones((5, 3)))
    with pytest.raises(ValueError, match="3 and 4 columns"):
        Gram(3) + Gram(4)
