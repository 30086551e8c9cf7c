import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import barlow_twins
from tests.rankme.methods.learning import gains
from tests.rankme.methods.small import assert_equal_with_gradients, embeddings


def barlow_twins_by_loops(z_a, z_b, redundancy):
    """Equations 1 and 2 of the paper, entry by entry, with BatchNorm's epsilon."""
    columns = z_a.shape[1]
    total = 0
    for i in range(columns):
        for j in range(columns):
            a, b = z_a[:, i] - z_a[:, i].mean(), z_b[:, j] - z_b[:, j].mean()
            spread = ((a**2).mean() + 1e-5) ** 0.5 * ((b**2).mean() + 1e-5) ** 0.5
            correlation = (a * b).mean() / spread
            total = total + ((1 - correlation) ** 2 if i == j else redundancy * correlation**2)
    return total


@pytest.mark.parametrize("redundancy", [0.0, 0.0051, 1.0])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (4, 7)])
def test_the_loss_equals_the_papers_equations_in_value_and_gradient(rows, columns, redundancy):
    z = embeddings(rows, columns)
    assert_equal_with_gradients(barlow_twins, barlow_twins_by_loops, z, redundancy)


def test_the_correlations_are_numpys():
    z = [30 * view.detach() for view in embeddings(200, 5)]
    matrix = np.corrcoef(*(view.numpy() for view in z), rowvar=False)[:5, 5:]
    own = np.diag(matrix)
    expected = ((own - 1) ** 2).sum() + 0.1 * ((matrix**2).sum() - (own**2).sum())
    assert barlow_twins(*z, 0.1).item() == pytest.approx(expected, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 1e3))
def test_the_loss_ignores_scale_and_shift(seed, scale):
    z_a, z_b = embeddings(40, seed=seed)
    other = barlow_twins(scale * z_a + 7, z_b, 0.1)
    # The epsilon of the standardisation is all that knows the scale.
    torch.testing.assert_close(other, barlow_twins(z_a, z_b, 0.1), rtol=1e-3, atol=1e-3)


def test_collapsed_embeddings_cost_one_a_dimension():
    z = torch.full((8, 5), 3.0)
    assert barlow_twins(z, z, 0.0051).item() == 5


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_method_learns_and_does_not_collapse(shapes, textures, tmp_path):
    """The default weight is meant for 8,192 dimensions, here are 64."""
    settings = {"lr": 0.02, "batch_size": 64}
    (gain,) = gains("BarlowTwins", shapes, [textures], tmp_path, {"redundancy": 0.02}, **settings)
    assert gain > 0.1
