import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.metrics import Gram

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.standard_normal((500, 32)) * np.geomspace(1, 1e-3, 32)


def gram_of(*batches) -> Gram:
    gram = Gram(batches[0].shape[1])
    for batch in batches:
        gram.update(batch)
    return gram


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=6))
def test_batches_of_any_size_give_the_spectrum_of_the_whole(cuts):
    gram = gram_of(*np.split(EMBEDDINGS, sorted(cuts)))
    expected = np.linalg.svd(EMBEDDINGS, compute_uv=False)
    assert gram.count == 500
    np.testing.assert_allclose(gram.singular_values(), expected, rtol=1e-9)


def test_shards_add_up_to_the_whole():
    """Integers, so that the sums are exact in float64 whatever their order."""
    integers = RNG.integers(-9, 10, (300, 16))
    total = gram_of(integers[:100]) + gram_of(integers[100:])
    whole = gram_of(integers)
    assert total.count == whole.count == 300
    np.testing.assert_array_equal(total.matrix, whole.matrix)
    np.testing.assert_array_equal(total.singular_values(), whole.singular_values())


def test_adding_shards_leaves_them_as_they_were():
    first, second = gram_of(EMBEDDINGS[:100]), gram_of(EMBEDDINGS[100:])
    before = first.matrix.copy()
    total = first + second
    total.update(EMBEDDINGS)
    np.testing.assert_array_equal(first.matrix, before)
    assert first.count == 100


def test_an_empty_shard_adds_nothing():
    total = Gram(32) + gram_of(EMBEDDINGS)
    np.testing.assert_array_equal(total.matrix, gram_of(EMBEDDINGS).matrix)


def test_updating_leaves_the_batch_as_it_was():
    batch = EMBEDDINGS.copy()
    gram_of(batch, batch)
    np.testing.assert_array_equal(batch, EMBEDDINGS)


def test_updates_of_more_rows_than_a_block_count_every_row():
    rows = RNG.integers(-9, 10, (2_500, 3)).astype(np.float64)
    np.testing.assert_array_equal(gram_of(rows).matrix, rows.T @ rows)


def test_fewer_rows_than_columns_give_one_value_a_row():
    wide = EMBEDDINGS[:10]
    expected = np.linalg.svd(wide, compute_uv=False)
    np.testing.assert_allclose(gram_of(wide).singular_values(), expected, rtol=1e-9)


def test_directions_without_embeddings_have_exactly_no_weight():
    flat = np.zeros((100, 8))
    flat[:, :3] = RNG.standard_normal((100, 3))
    rotation = np.linalg.qr(RNG.standard_normal((8, 8)))[0]
    sigma = gram_of(flat @ rotation).singular_values()
    assert sigma[2] > 1
    assert (sigma[3:] == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_summed_in_float64(dtype):
    tensor = torch.from_numpy(EMBEDDINGS).to(dtype)
    exact = tensor.double().numpy()
    gram = gram_of(tensor)
    assert gram.matrix.dtype == np.float64
    np.testing.assert_allclose(gram.matrix, exact.T @ exact, rtol=1e-12, atol=1e-15)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_tensors_are_summed_on_the_device():
    gram = gram_of(*torch.from_numpy(EMBEDDINGS).cuda().split(100))
    expected = np.linalg.svd(EMBEDDINGS, compute_uv=False)
    assert gram.matrix.is_cuda
    assert gram.matrix.dtype == torch.float64
    np.testing.assert_allclose(gram.singular_values(), expected, rtol=1e-9)


def test_no_rows_have_no_spectrum():
    with pytest.raises(ValueError, match="no embeddings"):
        Gram(4).singular_values()


def test_a_batch_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"\(5, 3\), expected \(rows, 4\)"):
        Gram(4).update(np.ones((5, 3)))


def test_grams_of_different_widths_do_not_add():
    with pytest.raises(ValueError, match="3 and 4 columns"):
        Gram(3) + Gram(4)
