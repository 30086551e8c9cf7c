"""What is true of the loss of every method of two views, whatever its formula."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.methods import _METHODS
from rankme.methods.base import TwoViews
from rankme.study.choices import methods
from tests.rankme.methods.small import embeddings

LOSSES = {
    name: partial(method.criterion, **dict(methods()[name].hyperparameters()))
    for name, method in _METHODS.items()
    if issubclass(method, TwoViews)
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@every_loss
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_loss_ignores_order_of_samples_and_dimensions_and_the_names_of_the_views(loss, seed):
    z_a, z_b = embeddings(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(z_a), generator=generator)
    columns = torch.randperm(z_a.shape[1], generator=generator)
    for other in ((z_a[rows], z_b[rows]), (z_a[:, columns], z_b[:, columns]), (z_b, z_a)):
        torch.testing.assert_close(loss(*other), loss(z_a, z_b), rtol=1e-9, atol=1e-12)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_loss_of_low_precision_embeddings_is_computed_in_float32(loss, dtype):
    z = embeddings(64, 16, dtype=dtype)
    value = loss(*z)
    assert value.dtype == torch.float32
    exact = loss(*(view.detach().double() for view in z))
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(*z), value)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_collapsed_embeddings_have_a_finite_loss_and_gradient(loss, dtype):
    z = torch.full((8, 5), 3.0, dtype=dtype, requires_grad=True)
    value = loss(z, z)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()
