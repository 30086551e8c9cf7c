import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import nt_xent
from tests.rankme.methods.small import assert_equal_with_gradients, embeddings


def nt_xent_by_loops(z_a, z_b, temperature):
    """Equation 1 of the paper, anchor by anchor."""
    z = [*z_a, *z_b]

    def similarity(i, j):
        return z[i] @ z[j] / (z[i].norm() * z[j].norm()) / temperature

    total = 0
    for i in range(len(z)):
        positive = (i + len(z_a)) % len(z)
        others = [similarity(i, j).exp() for j in range(len(z)) if j != i]
        total = total - torch.log(similarity(i, positive).exp() / sum(others))
    return total / len(z)


@pytest.mark.parametrize("temperature", [0.05, 0.15, 1.0])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 4), (5, 16)])
def test_nt_xent_equals_the_papers_equation_in_value_and_gradient(rows, columns, temperature):
    z = embeddings(rows, columns)
    assert_equal_with_gradients(nt_xent, nt_xent_by_loops, z, temperature)


@pytest.mark.parametrize("pairs", [1, 4, 9])
def test_nt_xent_of_collapsed_embeddings_is_the_log_of_the_candidates(pairs):
    z = torch.ones(pairs, 3)
    assert float(nt_xent(z, z, 0.2)) == pytest.approx(math.log(2 * pairs - 1), abs=1e-6)


def test_nt_xent_of_orthogonal_pairs_has_its_closed_form():
    """Positives at similarity 1 / tau, the 2N - 2 negatives at 0."""
    z, temperature = torch.eye(5), 0.5
    expected = math.log(1 + 8 * math.exp(-1 / temperature))
    assert float(nt_xent(z, z, temperature)) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_nt_xent_ignores_scale_and_rotation(seed, scale):
    z_a, z_b = embeddings(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=z_a.dtype))[0]
    for other in ((scale * z_a, z_b), (z_a @ rotation, z_b @ rotation)):
        torch.testing.assert_close(
            nt_xent(*other, 0.15), nt_xent(z_a, z_b, 0.15), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nt_xent_is_finite_where_exp_overflows(dtype):
    """exp(1 / 0.005) is beyond float32."""
    z = embeddings(64, 8, dtype=dtype)
    loss = nt_xent(*z, 0.005)
    loss.backward()
    assert all(view.grad.isfinite().all() for view in z)
    exact = nt_xent(*(view.detach().double() for view in z), 0.005)
    torch.testing.assert_close(loss.double(), exact, rtol=1e-4, atol=0)
