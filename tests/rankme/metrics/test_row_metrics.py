"""Metrics that need the rows: closed forms, plain formulas, invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive
from scipy.stats import ortho_group

from rankme.metrics import alignment, coherence, idest, lidar, self_cluster, uniformity
from rankme.metrics.idest import spanning_tree_length
from tests.rankme.metrics import oracles

RNG = np.random.default_rng(0)
OF_ROWS = [coherence, self_cluster, uniformity, idest]
OF_VIEWS = [lidar, alignment]


def embeddings(rows: int = 120, columns: int = 12, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 0.2 + generator.standard_normal((rows, columns)) / np.arange(1, columns + 1)


def views(images: int = 40, q: int = 5, columns: int = 8, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    own = generator.standard_normal((images, 1, columns)) / np.arange(1, columns + 1)
    return own + 0.3 * generator.standard_normal((images, q, columns))


def sphere(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Uniform on the sphere of that dimension, in one more."""
    points = np.random.default_rng(seed).standard_normal((rows, dimension + 1))
    return oracles.directions(points)


@pytest.mark.parametrize("metric", [coherence, self_cluster, uniformity])
@pytest.mark.parametrize("shape", [(120, 12), (12, 40), (30, 30)])
def test_each_equals_its_formula_in_float64(metric, shape):
    z = embeddings(*shape)
    assert metric(z) == pytest.approx(getattr(oracles, metric.__name__)(z), rel=1e-8)


@pytest.mark.parametrize("metric", OF_VIEWS)
@pytest.mark.parametrize("shape", [(40, 5, 8), (6, 3, 20), (200, 2, 4)])
def test_each_metric_of_views_equals_its_formula_in_float64(metric, shape):
    v = views(*shape)
    assert metric(v) == pytest.approx(getattr(oracles, metric.__name__)(v), rel=1e-6)


def test_blocks_change_nothing(monkeypatch):
    z, v = embeddings(), views()
    expected = [metric(z) for metric in OF_ROWS] + [metric(v) for metric in OF_VIEWS]
    monkeypatch.setattr("rankme.metrics.rows.BLOCK_BYTES", 1500)
    found = [metric(z) for metric in OF_ROWS] + [metric(v) for metric in OF_VIEWS]
    assert found == pytest.approx(expected, rel=1e-12)


def test_rows_that_all_count_alike_have_coherence_one():
    hadamard = np.array([[1, 1], [1, -1]])
    for _ in range(4):
        hadamard = np.kron(hadamard, [[1, 1], [1, -1]])
    assert coherence(hadamard[:, :5]) == pytest.approx(1.0, rel=1e-12)


def test_a_row_with_a_direction_of_its_own_has_the_highest_coherence():
    z = np.zeros((50, 4))
    z[:, :3] = RNG.standard_normal((50, 3))
    z[7] = [0, 0, 0, 2]
    assert coherence(z) == pytest.approx(50 / 4, rel=1e-9)


@pytest.mark.parametrize("columns", [6, 60])
def test_coherence_counts_the_directions_there_are(columns):
    """Of rank 3, in however many columns."""
    z = RNG.standard_normal((40, 3)) @ RNG.standard_normal((3, columns))
    assert coherence(z) == pytest.approx(oracles.coherence(z), rel=1e-6)


def test_self_cluster_is_one_for_one_direction_and_zero_for_independent_ones():
    assert self_cluster(np.outer(RNG.random(30) + 1, RNG.standard_normal(9))) == pytest.approx(1)
    spread = [self_cluster(sphere(2000, 9, seed)) for seed in range(4)]
    assert np.mean(spread) == pytest.approx(0, abs=1e-3)
    orthonormal = np.eye(10)  # S = 10, E = 10 + 9
    assert self_cluster(orthonormal) == pytest.approx(-9 / 81)


def test_uniformity_of_two_opposite_points_is_minus_four_t():
    assert uniformity([[1.0, 0.0], [-3.0, 0.0]]) == pytest.approx(-8)
    assert uniformity([[1.0, 0.0], [-3.0, 0.0]], t=0.5) == pytest.approx(-2)
    assert uniformity(np.ones((20, 4))) == pytest.approx(0, abs=1e-12)


def test_uniformity_of_the_circle_is_its_integral():
    """E exp(-4 (1 - cos x)) = e^-4 I_0(4)."""
    angles = 2 * np.pi * np.arange(2000) / 2000
    points = np.stack([np.cos(angles), np.sin(angles)], 1)
    pairs = (ive(0, 4.0) * 2000 - 1) / 1999  # a point is no pair with itself
    assert uniformity(points) == pytest.approx(np.log(pairs), rel=1e-9)


def test_uniformity_looks_at_a_fixed_subset_of_many_rows():
    z = embeddings(500)
    assert uniformity(z, rows=100) == uniformity(z, rows=100)
    assert uniformity(z, rows=100) == pytest.approx(uniformity(z), abs=0.2)
    assert uniformity(z, rows=100) != uniformity(z)


def test_alignment_is_zero_for_equal_directions_and_four_for_opposite_ones():
    one = np.array([1.0, 2.0, 2.0])
    assert alignment([[one, 2 * one, 5 * one]] * 3) == pytest.approx(0, abs=1e-15)
    assert alignment([[one, -one]]) == pytest.approx(4)
    assert alignment([[[1, 0], [0, 1]], [[1, 0], [1, 0]]]) == pytest.approx(1)


def test_lidar_counts_the_directions_that_tell_images_apart():
    """Four directions tell 5,000 images apart; the others hold the same noise in all."""
    v = np.zeros((5000, 10, 12))
    v[:, :, :4] = RNG.standard_normal((5000, 1, 4))
    v += 0.01 * RNG.standard_normal(v.shape)
    assert lidar(v) == pytest.approx(4, rel=1e-2)


def test_lidar_of_equally_spread_classes_without_noise_is_their_dimension():
    """The corners of a cross polytope: equal variance in all 6 directions, none within."""
    corners = np.concatenate([np.eye(6), -np.eye(6)])
    v = np.repeat(corners[:, None], 3, axis=1)
    assert lidar(v, eps=0) == pytest.approx(6, rel=1e-12)


def test_lidar_finds_no_more_directions_than_images_less_one():
    assert lidar(views(5, 20, 30), eps=0) <= 4 + 1e-9


def test_lidar_of_one_point_is_that_of_a_single_direction():
    assert lidar(np.ones((10, 4, 8))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("solid", [sphere, lambda n, d, s: np.random.default_rng(s).random((n, d))])
def test_idest_of_spheres_and_cubes_is_their_dimension(dimension, solid):
    found = np.mean([idest(solid(2048, dimension, seed)) for seed in range(3)])
    assert found == pytest.approx(dimension, rel=0.08)


def test_idest_ignores_the_dimension_of_the_space_around():
    flat = np.zeros((1500, 50))
    flat[:, :2] = np.random.default_rng(3).random((1500, 2))
    assert idest(flat @ ortho_group.rvs(50, random_state=0)) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("shape", [(2, 3), (60, 1), (200, 7)])
def test_the_spanning_tree_is_as_long_as_scipys(shape):
    points = np.random.default_rng(5).standard_normal(shape)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    expected = oracles.spanning_tree_length(points)
    assert spanning_tree_length(distances) == pytest.approx(expected, rel=1e-12)


def test_equal_points_are_joined_for_nothing():
    points = np.repeat(np.random.default_rng(5).standard_normal((30, 4)), 3, axis=0)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    expected = oracles.spanning_tree_length(points[::3])
    assert spanning_tree_length(distances) == pytest.approx(expected, rel=1e-12)


def test_a_large_mean_costs_idest_no_accuracy():
    points = np.random.default_rng(6).random((300, 3))
    assert idest(1e4 + points) == pytest.approx(idest(points), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(30, 60),
    columns=st.integers(3, 40),
    scale=st.floats(1e-20, 1e20),
    seed=st.integers(0, 2**32 - 1),
)
def test_rotation_and_scale_change_no_metric_of_rows(rows, columns, scale, seed):
    z = embeddings(rows, columns, seed)
    rotation = ortho_group.rvs(columns, random_state=seed)
    for metric in OF_ROWS:
        assert metric(z @ rotation) == pytest.approx(metric(z), rel=1e-6, abs=1e-9)
        assert metric(z * scale) == pytest.approx(metric(z), rel=1e-6, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(30, 60), columns=st.integers(3, 40), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_none_that_sees_all_rows(rows, columns, seed):
    """IdEst's smaller trees see some of the rows, so it is left out here."""
    z = embeddings(rows, columns, seed)
    order = np.random.default_rng(seed).permutation(rows)
    for metric in (coherence, self_cluster, uniformity):
        assert metric(z[order]) == pytest.approx(metric(z), rel=1e-6, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(images=st.integers(2, 20), q=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_rotation_and_the_order_of_images_and_views_change_no_metric_of_views(images, q, seed):
    v, generator = views(images, q, 8, seed), np.random.default_rng(seed)
    rotation = ortho_group.rvs(8, random_state=seed)
    for metric in OF_VIEWS:
        expected = pytest.approx(metric(v), rel=1e-6)
        assert metric(v @ rotation) == expected
        assert metric(v[generator.permutation(images)][:, generator.permutation(q)]) == expected


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 2**32 - 1))
def test_the_scale_of_single_rows_changes_no_metric_of_directions(scale, seed):
    z, v, generator = embeddings(seed=seed), views(seed=seed), np.random.default_rng(seed)
    scaled = z * (scale * (0.5 + generator.random((120, 1))))
    assert self_cluster(scaled) == pytest.approx(self_cluster(z), rel=1e-9)
    assert uniformity(scaled) == pytest.approx(uniformity(z), rel=1e-9)
    assert alignment(v * scale * (0.5 + generator.random((40, 5, 1)))) == pytest.approx(
        alignment(v), rel=1e-9
    )
    assert coherence(scaled) != pytest.approx(coherence(z), rel=1e-6)


def test_lidar_changes_with_scale_as_its_delta_does_not():
    v = views()
    assert lidar(10 * v, delta=1e-2) == pytest.approx(lidar(v, delta=1e-4), rel=1e-9)
    assert lidar(v / 100) != pytest.approx(lidar(v), rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tensors_arrays_and_lists_of_the_same_values_measure_alike(dtype):
    for metrics, made in ((OF_ROWS, embeddings()), (OF_VIEWS, views())):
        tensor = torch.from_numpy(made).to(dtype).requires_grad_()
        array = tensor.detach().double().numpy()
        for metric in metrics:
            assert metric(tensor) == metric(array) == metric(array.tolist())


@pytest.mark.parametrize("metric", [*OF_ROWS, *OF_VIEWS])
def test_what_has_another_shape_or_no_numbers_is_refused(metric):
    good = embeddings(20, 4) if metric in OF_ROWS else views(20, 3, 4)
    for bad in (good[0, ..., 0], np.empty((0, *good.shape[1:]))):
        with pytest.raises(ValueError, match="expected"):
            metric(bad)
    good[1, ..., 1] = np.inf
    with pytest.raises(ValueError, match="NaN"):
        metric(good)


@pytest.mark.parametrize("metric", OF_VIEWS)
def test_a_single_view_of_an_image_is_refused(metric):
    with pytest.raises(ValueError, match="at least 2 views"):
        metric(np.ones((5, 1, 3)))


def test_what_is_not_defined_is_not_a_number():
    zero_row = embeddings(20, 4)
    zero_row[3] = 0
    zero_view = views(20, 3, 4)
    zero_view[3, 1] = 0
    assert np.isnan([self_cluster(zero_row), uniformity(zero_row), alignment(zero_view)]).all()
    assert np.isnan([self_cluster(zero_row[:1]), uniformity(zero_row[:1])]).all()
    assert np.isnan([self_cluster(np.ones((9, 1))), coherence(np.zeros((9, 3)))]).all()
    assert np.isnan([idest(np.ones((50, 3))), idest(embeddings(15))]).all()
