import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import vicreg

TERMS = {"invariance": (1, 0, 0), "variance": (0, 1, 0), "covariance": (0, 0, 1)}
WEIGHTS = [*TERMS.values(), (25, 25, 4)]


def embeddings(rows: int = 6, columns: int = 4, seed: int = 0, dtype=torch.float64):
    """Deviations on both sides of the hinge."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    z = z * torch.linspace(0.3, 2, columns, dtype=torch.float64) + 1
    return [view.to(dtype).requires_grad_() for view in z]


def vicreg_by_loops(z_a, z_b, invariance, variance, covariance):
    """The official code's convention, written element by element."""
    rows, columns = z_a.shape
    distance = sum((a - b) ** 2 for a, b in zip(z_a.flatten(), z_b.flatten(), strict=True))
    total = invariance * distance / (rows * columns)
    for z in (z_a, z_b):
        centred = [z[:, i] - sum(z[:, i]) / rows for i in range(columns)]
        for i in range(columns):
            deviation = ((centred[i] ** 2).sum() / (rows - 1) + 1e-4) ** 0.5
            total = total + variance * torch.clamp(1 - deviation, min=0) / columns / 2
            for j in range(columns):
                if i != j:
                    entry = (centred[i] * centred[j]).sum() / (rows - 1)
                    total = total + covariance * entry**2 / columns
    return total


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (4, 7)])
def test_vicreg_equals_the_official_convention_in_value_and_gradient(rows, columns, weights):
    z = embeddings(rows, columns)
    loss, expected = vicreg(*z, *weights), vicreg_by_loops(*z, *weights)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    gradients = torch.autograd.grad(loss, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_vicreg_gradient_equals_finite_differences(weights):
    torch.autograd.gradcheck(lambda a, b: vicreg(a, b, *weights), embeddings())


def test_the_covariance_term_equals_numpys_covariance():
    z_a, z_b = (view.detach().numpy() for view in embeddings(50, 8))
    matrices = [np.cov(z, rowvar=False) for z in (z_a, z_b)]
    expected = sum((m**2).sum() - (np.diag(m) ** 2).sum() for m in matrices) / 8
    loss = vicreg(torch.from_numpy(z_a), torch.from_numpy(z_b), *TERMS["covariance"])
    assert float(loss) == pytest.approx(expected, rel=1e-10)


def test_collapsed_embeddings_cost_the_whole_hinge():
    z = torch.full((8, 5), 3.0)
    assert float(vicreg(z, z, 25, 25, 4)) == pytest.approx(25 * (1 - 0.01), rel=1e-6)


def test_decorrelated_equal_views_of_unit_variance_cost_nothing():
    rows = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(vicreg(rows, rows, 25, 25, 4)) == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_vicreg_ignores_order_of_samples_and_dimensions_and_the_names_of_the_views(seed):
    z_a, z_b = embeddings(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(z_a.shape[0], generator=generator)
    columns = torch.randperm(z_a.shape[1], generator=generator)
    expected = vicreg(z_a, z_b, 25, 25, 4)
    for other in (
        vicreg(z_a[rows], z_b[rows], 25, 25, 4),
        vicreg(z_a[:, columns], z_b[:, columns], 25, 25, 4),
        vicreg(z_b, z_a, 25, 25, 4),
        vicreg(z_a + 7, z_b + 7, 25, 25, 4),
    ):
        torch.testing.assert_close(other, expected, rtol=1e-9, atol=1e-12)


def test_only_the_invariance_term_pairs_the_samples():
    z_a, z_b = embeddings()
    shuffled = z_b.roll(1, 0)
    regularisers = (0, 25, 4)
    torch.testing.assert_close(
        vicreg(z_a, shuffled, *regularisers), vicreg(z_a, z_b, *regularisers)
    )
    assert not torch.isclose(vicreg(z_a, shuffled, 1, 0, 0), vicreg(z_a, z_b, 1, 0, 0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_vicreg_of_low_precision_embeddings_is_computed_in_float32(dtype):
    z = embeddings(64, 16, dtype=dtype)
    exact = vicreg(*(view.detach().double() for view in z), 25, 25, 4)
    loss = vicreg(*z, 25, 25, 4)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=0)


def test_vicreg_under_autocast_is_the_float32_loss():
    z = embeddings(64, 32, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = vicreg(*z, 25, 25, 4)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, vicreg(*z, 25, 25, 4))
