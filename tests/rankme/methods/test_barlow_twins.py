import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import barlow_twins
from tests.rankme.methods.learning import gains
from tests.rankme.methods.small import build


def embeddings(rows: int = 6, columns: int = 4, seed: int = 0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    z[1] += z[0]
    return [view.to(dtype).requires_grad_() for view in 3 * z + 1]


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
    loss, expected = barlow_twins(*z, redundancy), barlow_twins_by_loops(*z, redundancy)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad(loss, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-10)


def test_the_gradient_equals_finite_differences():
    torch.autograd.gradcheck(lambda a, b: barlow_twins(a, b, 0.0051), embeddings())


def test_the_correlations_are_numpys():
    z = embeddings(200, 5)
    matrix = np.corrcoef(*(view.detach().numpy() for view in z), rowvar=False)[:5, 5:]
    expected = ((np.diag(matrix) - 1) ** 2).sum() + 0.1 * (
        (matrix**2).sum() - (np.diag(matrix) ** 2).sum()
    )
    assert barlow_twins(*z, 0.1).item() == pytest.approx(expected, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 1e3))
def test_the_loss_ignores_order_scale_and_shift(seed, scale):
    z_a, z_b = embeddings(40, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(40, generator=generator)
    columns = torch.randperm(4, generator=generator)
    expected = barlow_twins(z_a, z_b, 0.1)
    for other in (
        barlow_twins(z_a[rows], z_b[rows], 0.1),
        barlow_twins(z_a[:, columns], z_b[:, columns], 0.1),
        barlow_twins(z_b, z_a, 0.1),
        barlow_twins(scale * z_a + 7, z_b, 0.1),
    ):
        # The epsilon of the standardisation is all that knows the scale.
        torch.testing.assert_close(other, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_collapsed_embeddings_have_a_finite_loss_and_gradient(dtype):
    z = torch.full((8, 5), 3.0, dtype=dtype, requires_grad=True)
    loss = barlow_twins(z, z, 0.0051)
    loss.backward()
    assert loss.item() == 5
    assert z.grad.isfinite().all()


def test_the_method_is_the_loss_of_its_embeddings_and_needs_nothing_but_its_file():
    method = build("BarlowTwins", redundancy=0.02)
    images = torch.randn(2, 6, 3, 8, 8)
    z_a, z_b = method.projector(method.encoder(images.flatten(0, 1))).split(6)
    loss = method.loss(list(images), torch.zeros(6, dtype=torch.int64))
    torch.testing.assert_close(loss, barlow_twins(z_a, z_b, 0.02))


@pytest.mark.usefixtures("one_thread")
def test_the_method_learns_and_does_not_collapse(shapes, textures, tmp_path):
    """The default weight is meant for 8,192 dimensions, here are 64."""
    settings = {"lr": 0.02, "batch_size": 64}
    (gain,) = gains("BarlowTwins", shapes, [textures], tmp_path, {"redundancy": 0.02}, **settings)
    assert gain > 0.1
