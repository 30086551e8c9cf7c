"""VICReg-exp and its transpose VICReg-ctr against their formulas, element by element."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from rankme.methods import vicreg_ctr, vicreg_exp
from tests.rankme.methods.small import assert_equal_with_gradients, embeddings

TERMS = {"invariance": (1, 0, 0), "variance": (0, 1, 0), "covariance": (0, 0, 1)}
# Where float32 has no exp(C / temperature): the covariances are about 1.
OVERFLOWING = 0.005


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
each_loss = pytest.mark.parametrize("loss", FORMULAS)


@each_loss
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("weights", [*TERMS.values(), (2, 3, 5)])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (4, 7)])
def test_the_loss_equals_its_formula_in_value_and_gradient(
    loss, rows, columns, weights, temperature
):
    z = embeddings(rows, columns)
    assert_equal_with_gradients(loss, FORMULAS[loss], z, *weights, temperature)


@each_loss
def test_the_covariance_term_equals_scipys_log_sum_exp_of_numpys_covariance(loss):
    z = [view.detach() for view in embeddings(20, 8)]
    expected = 0.0
    for view in z:
        matrix = np.cov(view.numpy(), rowvar=loss is vicreg_ctr) / 0.1
        np.fill_diagonal(matrix, -np.inf)
        expected += logsumexp(matrix, axis=1).mean()
    measured = loss(*z, *TERMS["covariance"], 0.1)
    assert float(measured) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("loss", "others"), [(vicreg_exp, 4), (vicreg_ctr, 7)])
def test_collapsed_embeddings_cost_the_hinge_and_the_logarithm_of_the_others(loss, others):
    z = torch.full((8, 5), 3.0)
    expected = 3 * (1 - 0.01) + 5 * 2 * math.log(others)
    assert float(loss(z, z, 2, 3, 5, 0.1)) == pytest.approx(expected, rel=1e-6)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_finite_where_exp_overflows(loss, dtype):
    z = embeddings(64, 8, dtype=dtype)
    settings = 1, 1, 1, OVERFLOWING
    value = loss(*z, *settings)
    value.backward()
    assert all(view.grad.isfinite().all() for view in z)
    exact = loss(*(view.detach().double() for view in z), *settings)
    torch.testing.assert_close(value.double(), exact, rtol=1e-4, atol=0)
    assert not exp_by_loops(*(view.float() for view in z), *settings).isfinite()


@each_loss
def test_at_a_low_temperature_the_covariance_term_is_the_highest_and_at_a_high_one_the_mean(loss):
    z = [view.detach() for view in embeddings(7, 5)]
    matrices = [np.cov(view.numpy(), rowvar=loss is vicreg_ctr) for view in z]
    off_diagonal = [m[~np.eye(len(m), dtype=bool)].reshape(len(m), -1) for m in matrices]
    low, high = (float(loss(*z, *TERMS["covariance"], t)) * t for t in (1e-6, 1e6))
    assert low == pytest.approx(sum(m.max(1).mean() for m in off_diagonal), rel=1e-4)
    others = off_diagonal[0].shape[1]
    expected = sum(m.mean() for m in off_diagonal)
    assert high - 2e6 * math.log(others) == pytest.approx(expected, rel=1e-3)
