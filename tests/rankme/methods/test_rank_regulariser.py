"""The rank regulariser against float64 singular values, RankMe, and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods.rank_regulariser import log_effective_rank, rank_penalty
from rankme.metrics import rankme


def embeddings(rows: int = 9, columns: int = 5, seed: int = 0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64).to(dtype)


def with_singular_values(sigma: list[float], rows: int = 6, seed: int = 0) -> torch.Tensor:
    """A matrix (rows, len(sigma)) that has these singular values."""
    u = torch.linalg.qr(embeddings(rows, len(sigma), seed))[0]
    v = torch.linalg.qr(embeddings(len(sigma), len(sigma), seed + 1))[0]
    return u * torch.tensor(sigma, dtype=torch.float64) @ v.T


def entropy_of_singular_values(z: np.ndarray) -> float:
    sigma = np.linalg.svd(z, compute_uv=False)
    shares = sigma[sigma > 0] / sigma.sum()
    return float(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize(("rows", "columns"), [(9, 5), (5, 9), (40, 40), (200, 64)])
def test_the_rank_is_the_entropy_of_numpys_singular_values(rows, columns):
    z = embeddings(rows, columns)
    expected = entropy_of_singular_values(z.numpy())
    assert float(log_effective_rank(z)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_rank_is_rankme(dtype):
    z = embeddings(300, 64, dtype=dtype)
    measured = math.exp(log_effective_rank(z))
    assert measured == pytest.approx(rankme(z.float().numpy()), rel=1e-4)


@pytest.mark.parametrize(
    ("sigma", "rank"),
    [([1, 1, 1, 1], 4), ([2, 1, 1], 2.8284271247), ([5, 5, 0, 0], 2), ([3, 0, 0], 1)],
)
def test_ranks_of_known_spectra(sigma, rank):
    measured = math.exp(log_effective_rank(with_singular_values(sigma)))
    assert measured == pytest.approx(rank, rel=2e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_the_rank_ignores_scale_order_and_rotation(seed, scale):
    z = embeddings(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(z), generator=generator)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    for other in (scale * z, z[order], z @ rotation, z.T):
        torch.testing.assert_close(log_effective_rank(other), log_effective_rank(z))


@pytest.mark.parametrize(("rows", "columns"), [(9, 5), (4, 7)])
@pytest.mark.parametrize("target", [1.0, 2.5, 4.0])
def test_the_penaltys_gradient_equals_finite_differences(rows, columns, target):
    views = [embeddings(rows, columns, seed).requires_grad_() for seed in (0, 1)]
    torch.autograd.gradcheck(lambda *z: rank_penalty(z, target), views)


@pytest.mark.parametrize("sigma", [[1, 1, 1, 1], [3, 2, 2, 1], [5, 5, 5, 1e-3]])
def test_the_gradient_is_right_where_singular_values_are_equal(sigma):
    z = with_singular_values(sigma).requires_grad_()
    torch.autograd.gradcheck(lambda z: rank_penalty([z], 2.5), [z])


@pytest.mark.parametrize("sigma", [[2, 1, 0, 0], [1, 1, 0, 0]])
def test_where_singular_values_are_zero_the_gradient_is_that_of_the_others(sigma):
    """A matrix of the same singular values without the zeros, in the directions that it has."""
    z = with_singular_values(sigma).requires_grad_()
    directions = torch.linalg.svd(z.detach())[2][:2]
    thin = (z.detach() @ directions.T).requires_grad_()
    rank_penalty([z], 2.5).backward()
    rank_penalty([thin], 2.5).backward()
    torch.testing.assert_close(z.grad, thin.grad @ directions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "z", [torch.zeros(6, 4), torch.ones(6, 4), torch.full((6, 4), 1e-20), torch.eye(4)]
)
def test_the_gradient_is_finite_for_collapsed_and_for_whitened_embeddings(z):
    z = z.clone().requires_grad_()
    penalty = rank_penalty([z], 3.0)
    penalty.backward()
    assert penalty.isfinite()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_the_penalty_of_embeddings_that_diverge_is_nan_and_no_error(value):
    z = embeddings()
    z[2, 1] = value
    penalty = rank_penalty([z.requires_grad_()], 3.0)
    penalty.backward()
    assert penalty.isnan()


def test_the_penalty_is_zero_at_its_target_and_the_same_above_and_below():
    z = with_singular_values([1, 1, 1, 1])
    assert float(rank_penalty([z], 4.0)) < 1e-8
    above, below = (float(rank_penalty([z], target)) for target in (2.0, 8.0))
    assert above == pytest.approx(math.log(2) ** 2, rel=1e-4)
    assert below == pytest.approx(above, rel=1e-4)


@pytest.mark.parametrize("target", [2.0, 7.5])
def test_descent_takes_the_rank_to_its_target(target):
    z = embeddings(30, 8).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        rank_penalty([z], target).backward()
        optimizer.step()
    assert rankme(z.detach().numpy()) == pytest.approx(target, rel=0.02)
