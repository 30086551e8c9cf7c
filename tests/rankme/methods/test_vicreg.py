import numpy as np
import pytest
import torch

from rankme.methods import vicreg
from tests.rankme.methods.small import assert_equal_with_gradients, embeddings

TERMS = {"invariance": (1, 0, 0), "variance": (0, 1, 0), "covariance": (0, 0, 1)}


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


@pytest.mark.parametrize("weights", [*TERMS.values(), (25, 25, 4)])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (4, 7)])
def test_vicreg_equals_the_official_convention_in_value_and_gradient(rows, columns, weights):
    assert_equal_with_gradients(vicreg, vicreg_by_loops, embeddings(rows, columns), *weights)


def test_the_covariance_term_equals_numpys_covariance():
    z = [view.detach() for view in embeddings(50, 8)]
    matrices = [np.cov(view.numpy(), rowvar=False) for view in z]
    expected = sum((m**2).sum() - (np.diag(m) ** 2).sum() for m in matrices) / 8
    assert float(vicreg(*z, *TERMS["covariance"])) == pytest.approx(expected, rel=1e-10)


def test_collapsed_embeddings_cost_the_whole_hinge():
    z = torch.full((8, 5), 3.0)
    assert float(vicreg(z, z, 25, 25, 4)) == pytest.approx(25 * (1 - 0.01), rel=1e-6)


def test_decorrelated_equal_views_of_unit_variance_cost_nothing():
    rows = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(vicreg(rows, rows, 25, 25, 4)) == 0
