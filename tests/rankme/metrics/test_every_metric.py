"""What holds for every metric: its formula in float64, invariances, what it takes and refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from rankme import metrics
from rankme.metrics import METRICS
from tests.rankme.metrics import oracles
from tests.rankme.metrics.oracles import OF_ROWS, OF_SPECTRUM, OF_VIEWS, embeddings, views

NOT_MOVED = ["alpha_req", "idest", "lidar", "nesum", "participation_ratio"]
"""By a shift of all rows."""

SEEDS = st.integers(0, 2**32 - 1)
WIDTHS = st.integers(14, 20) | st.integers(80, 90)
"""Far from the 30 to 60 rows: a nearly square matrix may be nearly singular, and coherence then ill
conditioned."""


def of(name: str):
    return getattr(metrics, name)


def sample(name: str, seed: int = 0) -> np.ndarray:
    return (views if METRICS[name].needs_views else embeddings)(seed=seed)


@pytest.mark.parametrize("name", OF_SPECTRUM)
@pytest.mark.parametrize("shape", [(300, 120), (150, 149), (120, 120), (40, 300)])
def test_each_metric_of_the_spectrum_equals_its_formula_in_float64(name, shape):
    """Of a wide matrix, from the smaller Gram matrix."""
    z, error = embeddings(*shape), 1e-9 if shape == (40, 300) else 1e-7
    assert of(name)(z) == pytest.approx(getattr(oracles, name)(z), rel=error)


@pytest.mark.parametrize("name", ["coherence", "self_cluster", "uniformity"])
@pytest.mark.parametrize("shape", [(120, 12), (12, 40), (30, 30)])
def test_each_metric_of_rows_equals_its_formula_in_float64(name, shape):
    z = embeddings(*shape)
    assert of(name)(z) == pytest.approx(getattr(oracles, name)(z), rel=1e-8)


@pytest.mark.parametrize(("rows", "subset"), [(16, 16), (100, 58), (100, 2048), (333, 174)])
def test_idest_equals_its_formula_in_float64(rows, subset):
    z = embeddings(rows, 5)
    assert metrics.idest(z, subset) == pytest.approx(oracles.idest(z, subset), rel=1e-9)


@pytest.mark.parametrize("name", OF_VIEWS)
@pytest.mark.parametrize("shape", [(40, 5, 8), (6, 3, 20), (200, 2, 4)])
def test_each_metric_of_views_equals_its_formula_in_float64(name, shape):
    v = views(*shape)
    assert of(name)(v) == pytest.approx(getattr(oracles, name)(v), rel=1e-6)


def test_blocks_change_nothing(monkeypatch):
    names = [*OF_ROWS, *OF_VIEWS]
    expected = [of(name)(sample(name)) for name in names]
    monkeypatch.setattr("rankme.metrics.rows.BLOCK_BYTES", 1500)
    assert [of(name)(sample(name)) for name in names] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(30, 60), columns=WIDTHS, scale=st.floats(1e-20, 1e20), seed=SEEDS)
def test_rotation_scale_and_order_of_rows_change_no_metric(rows, columns, scale, seed):
    z, order = embeddings(rows, columns, seed), np.random.default_rng(seed).permutation(rows)
    rotation = ortho_group.rvs(columns, random_state=seed)
    for name in (*OF_SPECTRUM, *OF_ROWS):
        expected = pytest.approx(of(name)(z), rel=1e-6, abs=1e-9)
        assert of(name)(z @ rotation) == expected
        assert of(name)(z * scale) == expected
        # IdEst's smaller trees see some of the rows.
        assert name == "idest" or of(name)(z[order]) == expected


@settings(max_examples=20, deadline=None)
@given(images=st.integers(2, 20), q=st.integers(2, 6), seed=SEEDS)
def test_rotation_and_the_order_of_images_and_views_change_no_metric_of_views(images, q, seed):
    v, generator = views(images, q, 8, seed), np.random.default_rng(seed)
    rotation = ortho_group.rvs(8, random_state=seed)
    for name in OF_VIEWS:
        expected = pytest.approx(of(name)(v), rel=1e-6)
        assert of(name)(v @ rotation) == expected
        assert of(name)(v[generator.permutation(images)][:, generator.permutation(q)]) == expected


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_shift_of_all_rows_moves_all_metrics_but_the_centred_ones(seed):
    for name in METRICS:
        z = sample(name, seed)
        shifted = z + 5 * np.random.default_rng(seed).standard_normal(z.shape[-1])
        same = of(name)(shifted) == pytest.approx(of(name)(z), rel=1e-6)
        assert same == (name in NOT_MOVED), name


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_arrays_and_lists_of_the_same_values_measure_alike(name, dtype):
    tensor = torch.from_numpy(sample(name)).to(dtype).requires_grad_()
    array = tensor.detach().double().numpy()
    assert of(name)(tensor) == of(name)(array) == of(name)(array.tolist())


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("bad", [[1.0, 2.0], [[[[1.0]]]], np.ones((0, 3, 3)), np.ones((3, 0))])
def test_another_shape_and_nothing_at_all_are_refused(name, bad):
    with pytest.raises(ValueError, match=r"expected (N x K|n x q x K)"):
        of(name)(bad)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name, bad):
    z = sample(name)
    z[3, ..., 4] = bad
    with pytest.raises(ValueError, match=r"NaN(, | or )infinite"):
        of(name)(z)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("shape", [(120, 12), (12, 40)])
def test_cuda_tensors_measure_as_arrays_do(name, shape):
    z = views() if name in OF_VIEWS else embeddings(*shape)
    on_device = of(name)(torch.from_numpy(z).cuda())
    assert on_device == pytest.approx(of(name)(z), rel=1e-7, nan_ok=True)
