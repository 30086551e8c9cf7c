import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from rankme.metrics import rankme, rankme_from_singular_values
from rankme.metrics.spectrum import spectrum_of
from tests.rankme.metrics import oracles

K = 2048
RANK_ONE = np.eye(1, K)[0]
FLAT = np.ones(K)
HARMONIC = 1 / np.arange(1, K + 1)

# Spectrum, eps, published value and the number of decimals given there.
GOLDEN = [
    ([2, 1, 1], 0.0, 2.8284271247, 10),
    ([2, 1, 1], 1e-7, 2.8284272565, 10),
    (RANK_ONE, 1e-7, 1.003305, 6),
    (RANK_ONE, 1e-5, 1.265743, 6),
    (FLAT, 0.0, 2048, 9),
    (FLAT, 1e-7, 2050.78, 2),
    (FLAT, 1e-5, 2345.10, 2),
    (HARMONIC, 0.0, 281.3626, 4),
    (HARMONIC, 1e-7, 281.8084, 4),
    # Embeddings of zero have collapsed.
    (np.zeros(20), 0.0, 1, 9),
    (np.zeros(20), 1e-7, 1, 4),
]

GAUSSIAN_GOLDEN = [
    (25_600, 2048, 2027.0),
    (25_600, 512, 510.7),
    (25_600, 128, 127.9),
    (10_000, 2048, 1992.2),
    (5_000, 2048, 1928.1),
    (2_048, 2048, 1648.7),
    (1_024, 2048, 948.3),
]


def gaussian(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns))


def marchenko_pastur_rankme(rows: int, columns: int) -> float:
    """Limit of RankMe (eps 0) of an iid Gaussian matrix, from the law of its squared spectrum."""
    tall, narrow = max(rows, columns), min(rows, columns)
    ratio = narrow / tall

    def mean(function):
        def integrand(angle):
            value = 1 + ratio + 2 * np.sqrt(ratio) * np.cos(angle)
            density = 2 * np.sin(angle) ** 2 / (np.pi * value)
            return function(np.sqrt(value)) * density

        return quad(integrand, 0, np.pi)[0]

    first = mean(lambda sigma: sigma)
    return narrow * first * np.exp(-mean(lambda sigma: sigma * np.log(sigma)) / first)


@pytest.mark.parametrize(("sigma", "eps", "value", "decimals"), GOLDEN)
def test_rankme_of_known_spectra_has_the_published_value(sigma, eps, value, decimals):
    measured = rankme_from_singular_values(sigma, eps)
    assert measured == pytest.approx(value, abs=0.51 * 10.0**-decimals)


def test_rounding_in_the_gram_does_not_raise_the_rank_of_a_rank_one_matrix():
    spectrum = spectrum_of(np.outer(gaussian(2100, 1), gaussian(1, K)))
    for eps, value in ((1e-7, 1.003305), (1e-5, 1.265743)):
        assert rankme(spectrum, eps) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("rows", "columns", "value"), GAUSSIAN_GOLDEN)
def test_gaussian_embeddings_reach_their_limit_the_published_value(rows, columns, value):
    """At a quarter of the published size: the share of the full rank depends on N / K alone."""
    assert marchenko_pastur_rankme(rows, columns) == pytest.approx(value, abs=0.051)
    measured = rankme(gaussian(rows // 4, columns // 4), eps=0)
    tolerance = 1e-3 if rows == 25_600 else 2e-3
    assert measured == pytest.approx(value / 4, rel=tolerance)


@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (64, 64)])
@pytest.mark.parametrize("eps", [0.0, 1e-7, 1e-3])
def test_rankme_equals_the_float64_svd(shape, eps):
    embeddings = gaussian(*shape) * np.geomspace(1, 1e-3, shape[1])
    assert rankme(embeddings, eps) == pytest.approx(oracles.rankme(embeddings, eps), rel=1e-9)


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-6])
def test_rankme_of_nearly_collapsed_embeddings_is_within_its_stated_error(noise):
    embeddings = 1 + noise * gaussian(3000, 512)
    assert rankme(embeddings) == pytest.approx(oracles.rankme(embeddings), rel=4e-3)


def test_large_mean_in_float32_embeddings_costs_no_accuracy():
    """A float32 Gram matrix would be off by percents here."""
    embeddings = (100 + gaussian(3000, 256)).astype(np.float32)
    assert rankme(embeddings) == pytest.approx(oracles.rankme(embeddings, 1e-7), rel=1e-8)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.integers(1, 30),
    columns=st.integers(1, 30),
    decay=st.floats(0, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_rankme_lies_between_one_and_the_smaller_side(rows, columns, decay, seed):
    embeddings = gaussian(rows, columns, seed) * np.arange(1, columns + 1) ** -decay
    assert 1 - 1e-12 <= rankme(embeddings, eps=0) <= min(rows, columns) * (1 + 1e-12)


def test_impossible_singular_values_and_eps_are_refused():
    for sigma in ([], [1, -1], [1, np.nan], [1, np.inf], [[1, 2]]):
        with pytest.raises(ValueError, match="singular values"):
            rankme_from_singular_values(sigma)
    for eps in (-1e-7, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"eps is .* must be finite and not negative"):
            rankme(np.eye(4), eps)


def test_metrics_of_arrays_need_numpy_alone():
    program = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'scipy', 'pydantic', 'pandas'])\n"
        f"sys.path[:] = {sys.path!r}\n"
        "import numpy, rankme\n"
        "rankme.metrics.rankme(numpy.eye(4))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
