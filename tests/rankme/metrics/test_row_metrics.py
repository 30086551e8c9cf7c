"""Metrics that need the rows: closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive
from scipy.stats import ortho_group

from rankme.metrics import alignment, coherence, idest, lidar, self_cluster, uniformity
from rankme.metrics.idest import spanning_tree_length
from tests.rankme.metrics import oracles
from tests.rankme.metrics.oracles import embeddings, views

RNG = np.random.default_rng(0)


def sphere(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Uniform on the sphere of that dimension, in one more."""
    points = np.random.default_rng(seed).standard_normal((rows, dimension + 1))
    return oracles.directions(points)


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


def test_lidar_finds_no_more_directions_than_images_less_one_and_one_in_a_point():
    assert lidar(views(5, 20, 30), eps=0) <= 4 + 1e-9
    assert lidar(np.ones((10, 4, 8))) == pytest.approx(1, abs=1e-5)


def test_lidar_changes_with_scale_as_its_delta_does_not():
    v = views()
    assert lidar(10 * v, delta=1e-2) == pytest.approx(lidar(v, delta=1e-4), rel=1e-9)
    assert lidar(v / 100) != pytest.approx(lidar(v), rel=1e-7)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("solid", [sphere, lambda n, d, s: np.random.default_rng(s).random((n, d))])
def test_idest_of_spheres_and_cubes_is_their_dimension_whatever_the_space_around(dimension, solid):
    rotation = ortho_group.rvs(50, random_state=0)[:, : solid(1, dimension, 0).shape[1]].T
    found = np.mean([idest(solid(2048, dimension, seed) @ rotation) for seed in range(3)])
    assert found == pytest.approx(dimension, rel=0.08)


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3), (60, 1), (200, 7)])
def test_the_spanning_tree_is_as_long_as_scipys_and_equal_points_are_joined_for_nothing(
    shape, copies
):
    points = np.random.default_rng(5).standard_normal(shape)
    expected = pytest.approx(oracles.spanning_tree_length(points), rel=1e-12)
    points = np.repeat(points, copies, axis=0)
    assert spanning_tree_length(np.linalg.norm(points[:, None] - points, axis=-1)) == expected


def test_a_large_mean_costs_idest_no_accuracy():
    points = np.random.default_rng(6).random((300, 3))
    assert idest(1e6 + points) == pytest.approx(idest(points), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 2**32 - 1))
def test_the_scale_of_single_rows_changes_no_metric_of_directions(scale, seed):
    z, v, generator = embeddings(seed=seed), views(seed=seed), np.random.default_rng(seed)
    scaled = z * (scale * (0.5 + generator.random((len(z), 1))))
    assert self_cluster(scaled) == pytest.approx(self_cluster(z), rel=1e-9)
    assert uniformity(1e200 * scaled) == pytest.approx(uniformity(z), rel=1e-9)
    scaled_views = v * scale * (0.5 + generator.random((*v.shape[:2], 1)))
    assert alignment(scaled_views) == pytest.approx(alignment(v), rel=1e-9)
    assert coherence(scaled) != pytest.approx(coherence(z), rel=1e-6)


def test_a_single_view_of_an_image_is_refused():
    for metric in (alignment, lidar):
        with pytest.raises(ValueError, match="at least 2 views"):
            metric(np.ones((5, 1, 3)))


def test_what_is_not_defined_is_not_a_number():
    zero_row, zero_view = embeddings(20, 4), views(20, 3, 4)
    zero_row[3], zero_view[3, 1] = 0, 0
    assert np.isnan([self_cluster(zero_row), uniformity(zero_row), alignment(zero_view)]).all()
    assert np.isnan([self_cluster(zero_row[:1]), uniformity(zero_row[:1])]).all()
    assert np.isnan([self_cluster(np.ones((9, 1))), coherence(np.zeros((9, 3)))]).all()
    assert np.isnan([idest(np.ones((50, 3))), idest(embeddings(15))]).all()
