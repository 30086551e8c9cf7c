"""Coefficients, p-values and intervals against scipy, published tables and simulation."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, kendalltau, pearsonr, permutation_test, spearmanr

from rankme.analysis import coefficients
from rankme.analysis.coefficients import BCA_RUNS, COEFFICIENTS, Estimate
from rankme.analysis.resampling import RESAMPLES, resample_counts

SCIPY = {"pearson": pearsonr, "spearman": spearmanr, "kendall": kendalltau}
NAMES = list(COEFFICIENTS)


def estimate(name: str, x: object, y: object) -> Estimate:
    """Of one metric and one accuracy: scalars."""
    found = COEFFICIENTS[name](np.array(x, float)[:, None], np.array(y, float)[:, None])
    return Estimate(*(part[0, 0] for part in found))


@st.composite
def tied_pairs(draw: st.DrawFn, most: int) -> tuple[list[int], list[int]]:
    n = draw(st.integers(3, most))
    column = st.lists(st.integers(0, 4), min_size=n, max_size=n).filter(lambda v: len(set(v)) > 1)
    return draw(column), draw(column)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=25)
@given(tied_pairs(most=30))
def test_the_coefficient_is_scipys_also_with_ties_and_of_many_runs_its_p(
    name: str, pair: tuple[list[int], list[int]]
) -> None:
    ours, theirs = estimate(name, *pair), SCIPY[name](*pair)
    assert ours.value == pytest.approx(theirs.statistic)
    assert len(pair[0]) <= coefficients.EXACT_RUNS or ours.p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(tied_pairs(most=6))
def test_p_of_few_runs_is_the_exact_permutation_p(
    name: str, pair: tuple[list[int], list[int]]
) -> None:
    x, y = pair

    def distance(permuted: np.ndarray) -> float:
        return round(abs(float(SCIPY[name](permuted, y).statistic)), 9)

    exact = permutation_test((x,), distance, permutation_type="pairings", alternative="greater")
    assert estimate(name, x, y).p == pytest.approx(exact.pvalue)


@pytest.mark.parametrize(
    ("order", "rho", "significant"),
    [
        ([1, 2, 3, 5, 4], 0.9, False),
        ([1, 2, 3, 4, 5], 1.0, True),
        ([1, 2, 4, 3, 6, 5], 0.886, True),
        ([2, 1, 4, 3, 6, 5], 0.829, False),
        ([1, 3, 2, 4, 7, 6, 5], 0.821, True),
        ([2, 1, 4, 3, 7, 6, 5], 0.786, True),
        ([2, 1, 4, 3, 7, 5, 8, 6], 0.833, True),
        ([1, 3, 2, 6, 5, 4, 8, 7], 0.857, True),
    ],
)
def test_significance_agrees_with_published_critical_values(
    order: list[int], rho: float, significant: bool
) -> None:
    result = estimate("spearman", range(len(order)), order)
    assert result.value == pytest.approx(rho, abs=1e-3)
    assert (result.p <= 0.05) == significant


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [8, 25])
def test_the_interval_is_scipys_bca_interval(name: str, n: int) -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=n)
    y = 0.6 * x + 0.8 * generator.normal(size=n)
    ours = estimate(name, x, y)
    theirs = bootstrap(
        (x, y),
        lambda a, b: SCIPY[name](a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=3000,
        method="BCa",
        rng=0,
    ).confidence_interval
    assert ours.interval == "BCa"
    assert ours.low == pytest.approx(theirs.low, abs=0.06)
    assert ours.high == pytest.approx(theirs.high, abs=0.06)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("n", "rho"), [(5, 0.9), (8, 0.5), (12, 0.0), (20, 0.8), (BCA_RUNS[1] + 20, 0.6)]
)
def test_a_95_percent_interval_covers_about_95_percent(
    name: str, n: int, rho: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An exact p takes a second of each of the 25 and is no part of the interval.
    monkeypatch.setattr(coefficients, "EXACT_RUNS", 0)
    generator = np.random.default_rng(n)
    truth = {
        "pearson": rho,
        "spearman": 6 / np.pi * np.arcsin(rho / 2),
        "kendall": 2 / np.pi * np.arcsin(rho),
    }[name]
    covered = []
    for _ in range(25):
        x = generator.normal(size=(n, 1))
        y = rho * x + np.sqrt(1 - rho**2) * generator.normal(size=(n, 12))
        found = COEFFICIENTS[name](x, y)
        covered += list(((found.low <= truth) & (truth <= found.high)).ravel())
    # 300 trials, of which 12 each share x: two standard errors are about 0.03.
    assert 0.90 <= np.mean(covered) <= 1.0


def test_pearsons_interval_of_many_skewed_runs_still_covers() -> None:
    generator = np.random.default_rng(1)
    z = generator.normal(size=(200_000, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    truth = pearsonr(np.exp(0.7 * z[:, 0]), z[:, 1]).statistic
    covered = []
    for _ in range(300):
        z = generator.normal(size=(150, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
        found = estimate("pearson", np.exp(0.7 * z[:, 0]), z[:, 1])
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) > 0.9


@pytest.mark.parametrize("n", [4, 8, 20])
def test_a_perfect_order_leaves_doubt_that_shrinks_with_n(n: int) -> None:
    found = estimate("spearman", range(n), range(n))
    assert found.interval == "z"
    assert found.high == 1
    assert found.low < {4: -0.5, 8: 0.9, 20: 0.999}[n]
    assert found.low > {4: -1, 8: 0.6, 20: 0.95}[n]


@pytest.mark.parametrize("name", NAMES)
def test_three_runs_have_no_interval(name: str) -> None:
    found = estimate(name, [1, 2, 3], [1, 3, 2])
    assert np.isnan([found.low, found.high]).all()
    assert found.interval == ""


@pytest.mark.parametrize("name", NAMES)
def test_many_columns_at_once_are_each_on_its_own(name: str) -> None:
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(11, 3)), generator.normal(size=(11, 2))
    together = COEFFICIENTS[name](x, y)
    for m, d in np.ndindex(3, 2):
        alone = estimate(name, x[:, m], y[:, d])
        for part in ("value", "low", "high", "p"):
            assert getattr(together, part)[m, d] == pytest.approx(getattr(alone, part))


def test_resamples_hold_n_runs_and_omit_a_third() -> None:
    counts = resample_counts(10)
    assert counts.shape == (RESAMPLES, 10)
    assert (counts.sum(axis=1) == 10).all()
    assert (counts == 0).mean() == pytest.approx(0.9**10, abs=0.005)
    # How often a run is in a resample is binomial.
    assert (counts == 2).mean() == pytest.approx(comb(10, 2) * 0.1**2 * 0.9**8, abs=0.005)
