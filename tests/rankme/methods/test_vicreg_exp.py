"""VICReg-exp and its transpose VICReg-ctr against their formulas, element by element."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from rankme.methods import vicreg, vicreg_ctr, vicreg_exp

TERMS = {"invariance": (1, 0, 0), "variance": (0, 1, 0), "covariance": (0, 0, 1)}
WEIGHTS = [*TERMS.values(), (2, 3, 5)]
LOSSES = [vicreg_exp, vicreg_ctr]
# Where float32 has no exp(C / temperature): the covariances are about 1.
OVERFLOWING = 0.005


def embeddings(rows: int = 6, columns: int = 4, seed: int = 0, dtype=torch.float64):
    """Deviations on both sides of the hinge, over samples and over dimensions."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    scales = torch.outer(torch.linspace(0.5, 1.5, rows), torch.linspace(0.4, 2, columns))
    return [view.to(dtype).requires_grad_() for view in z * scales + 0.3]


def exp_by_loops(z_a, z_b, invariance, variance, covariance, temperature):
    """Equation by equation; exp and sum as they stand, without a stable logarithm."""
    rows, columns = z_a.shape
    distance = sum((a - b) ** 2 for a, b in zip(z_a.flatten(), z_b.flatten(), strict=True))
    total = invariance * distance / (rows * columns)
    for z in (z_a, z_b):
        centred = [z[:, i] - sum(z[:, i]) / rows for i in range(columns)]

        def entry(i, j, centred=centred):
            return (centred[i] * centred[j]).sum() / (rows - 1)

        for i in range(columns):
            deviation = (entry(i, i) + 1e-4) ** 0.5
            total = total + variance * torch.clamp(1 - deviation, min=0) / columns / 2
            others = [torch.exp(entry(i, j) / temperature) for j in range(columns) if j != i]
            total = total + covariance * torch.log(sum(others)) / columns
    return total


def ctr_by_loops(z_a, z_b, *settings):
    """The published definition: variance and covariance of the transposed matrix."""
    return exp_by_loops(z_a.T, z_b.T, *settings)


FORMULAS = {vicreg_exp: exp_by_loops, vicreg_ctr: ctr_by_loops}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (4, 7)])
def test_the_loss_equals_its_formula_in_value_and_gradient(
    loss, rows, columns, weights, temperature
):
    z = embeddings(rows, columns)
    value, expected = loss(*z, *weights, temperature), FORMULAS[loss](*z, *weights, temperature)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad(value, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_gradient_equals_finite_differences(loss, weights):
    torch.autograd.gradcheck(lambda a, b: loss(a, b, *weights, 0.1), embeddings())


@pytest.mark.parametrize(("loss", "by_column"), [(vicreg_exp, True), (vicreg_ctr, False)])
def test_the_covariance_term_equals_scipys_log_sum_exp_of_numpys_covariance(loss, by_column):
    z = [view.detach().numpy() for view in embeddings(20, 8)]
    expected = 0.0
    for view in z:
        matrix = np.cov(view, rowvar=not by_column) / 0.1
        np.fill_diagonal(matrix, -np.inf)
        expected += logsumexp(matrix, axis=1).mean()
    measured = loss(*map(torch.from_numpy, z), *TERMS["covariance"], 0.1)
    assert float(measured) == pytest.approx(expected, rel=1e-10)


def test_vicreg_exp_has_vicregs_invariance_and_variance():
    z = embeddings()
    torch.testing.assert_close(vicreg_exp(*z, 2, 3, 0, 0.1), vicreg(*z, 2, 3, 0))


@pytest.mark.parametrize(("loss", "others"), [(vicreg_exp, 4), (vicreg_ctr, 7)])
def test_collapsed_embeddings_cost_the_hinge_and_the_logarithm_of_the_others(loss, others):
    z = torch.full((8, 5), 3.0)
    expected = 3 * (1 - 0.01) + 5 * 2 * math.log(others)
    assert float(loss(z, z, 2, 3, 5, 0.1)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_loss_ignores_order_of_samples_and_dimensions_and_the_names_of_the_views(loss, seed):
    z_a, z_b = embeddings(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(z_a), generator=generator)
    columns = torch.randperm(z_a.shape[1], generator=generator)
    expected = loss(z_a, z_b, 2, 3, 5, 0.1)
    for other in (
        loss(z_a[rows], z_b[rows], 2, 3, 5, 0.1),
        loss(z_a[:, columns], z_b[:, columns], 2, 3, 5, 0.1),
        loss(z_b, z_a, 2, 3, 5, 0.1),
        loss(-z_a, -z_b, 2, 3, 5, 0.1),
    ):
        torch.testing.assert_close(other, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_the_covariance_term_ignores_scale_where_the_temperature_has_its_square(seed, scale):
    z_a, z_b = embeddings(seed=seed)
    for loss in LOSSES:
        torch.testing.assert_close(
            loss(scale * z_a, scale * z_b, *TERMS["covariance"], 0.1 * scale**2),
            loss(z_a, z_b, *TERMS["covariance"], 0.1),
            rtol=1e-9,
            atol=1e-9,
        )


def test_a_shift_of_a_dimension_is_nothing_to_exp_and_a_shift_of_a_sample_nothing_to_ctr():
    z_a, z_b = embeddings()
    row, column = torch.randn(6, 1, dtype=z_a.dtype), torch.randn(1, 4, dtype=z_a.dtype)
    for loss, free, felt in ((vicreg_exp, column, row), (vicreg_ctr, row, column)):
        expected = loss(z_a, z_b, 2, 3, 5, 0.1)
        torch.testing.assert_close(loss(z_a + free, z_b + free, 2, 3, 5, 0.1), expected)
        assert not torch.isclose(loss(z_a + felt, z_b + felt, 2, 3, 5, 0.1), expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_finite_where_exp_overflows(loss, dtype):
    z = embeddings(64, 8, dtype=dtype)
    value = loss(*z, 1, 1, 1, OVERFLOWING)
    value.backward()
    assert all(view.grad.isfinite().all() for view in z)
    doubles = [view.detach().double() for view in z]
    torch.testing.assert_close(
        value.double(), loss(*doubles, 1, 1, 1, OVERFLOWING), rtol=1e-4, atol=0
    )
    assert not loss_without_care(*z, OVERFLOWING).isfinite()


def loss_without_care(z_a, z_b, temperature):
    return exp_by_loops(z_a.float(), z_b.float(), 1, 1, 1, temperature)


@pytest.mark.parametrize("loss", LOSSES)
def test_at_a_low_temperature_the_covariance_term_is_the_highest_and_at_a_high_one_the_mean(loss):
    z = [view.detach() for view in embeddings(7, 5)]
    transposed = loss is vicreg_ctr
    matrices = [np.cov(view.numpy(), rowvar=transposed) for view in z]
    off_diagonal = [m[~np.eye(len(m), dtype=bool)].reshape(len(m), -1) for m in matrices]
    low, high = (float(loss(*z, *TERMS["covariance"], t)) * t for t in (1e-6, 1e6))
    assert low == pytest.approx(sum(m.max(1).mean() for m in off_diagonal), rel=1e-4)
    others = off_diagonal[0].shape[1]
    expected = sum(m.mean() for m in off_diagonal)
    assert high - 2e6 * math.log(others) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_under_autocast_the_loss_is_the_float32_loss(loss):
    z = embeddings(64, 32, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(*z, 1, 1, 1, 0.1)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss(*z, 1, 1, 1, 0.1))
