"""Correlations against scipy, published critical values and tables worked out by hand."""

import sys
from math import factorial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, rankdata, spearmanr

import analyse
from rankme.analysis.groups import KEYS, MEAN
from rankme.analysis.statistics import correlate, spearman
from rankme.analysis.tables import read_table, write_table
from tests.rankme.analysis.synthetic import study_table

RISING = [(10.0, 0.2), (20.0, 0.3), (30.0, 0.4)]
FALLING = [(110.0, 0.9), (120.0, 0.8), (130.0, 0.7), (140.0, 0.6)]


def row_of(table: pd.DataFrame, **key: str) -> pd.Series:
    wanted = {"sweep": "all", "dataset": "shapes", "runs": "non-degenerate", **key}
    rows = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


@st.composite
def tied_pairs(draw: st.DrawFn, most: int) -> tuple[list[int], list[int]]:
    n = draw(st.integers(3, most))
    column = st.lists(st.integers(0, 4), min_size=n, max_size=n).filter(lambda v: len(set(v)) > 1)
    return draw(column), draw(column)


@settings(deadline=None)
@given(tied_pairs(most=30))
def test_rho_is_scipys_also_with_ties(pair: tuple[list[int], list[int]]) -> None:
    x, y = pair
    assert spearman(x, y)["spearman"] == pytest.approx(spearmanr(x, y).statistic)


@settings(max_examples=25, deadline=None)
@given(tied_pairs(most=6))
def test_p_of_few_runs_is_the_exact_permutation_p(pair: tuple[list[int], list[int]]) -> None:
    x, y = (rankdata(values) for values in pair)

    def distance(permuted: np.ndarray) -> float:
        return round(abs(float((permuted - x.mean()) @ (y - y.mean()))), 9)

    exact = permutation_test((x,), distance, permutation_type="pairings", alternative="greater")
    result = spearman(x, y)
    assert result["p_method"] == "exact"
    assert result["p"] == pytest.approx(exact.pvalue)


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
    ],
)
def test_significance_agrees_with_published_critical_values(
    order: list[int], rho: float, significant: bool
) -> None:
    result = spearman(range(len(order)), order)
    assert result["spearman"] == pytest.approx(rho, abs=1e-3)
    assert (result["p"] <= 0.05) == significant


def test_p_of_a_perfect_order_is_never_zero() -> None:
    result = spearman(range(12), range(12))
    assert result["p_method"] == "t"
    assert result["p"] == 2 / factorial(12)


def test_p_of_many_runs_is_scipys() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 40))
    assert spearman(x, y)["p"] == pytest.approx(spearmanr(x, y).pvalue)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([(5.0, 0.1), (6.0, 0.2)], "fewer than 3 runs"),
        ([(5.0, 0.1), (5.0, 0.2), (5.0, 0.3)], "RankMe is the same in all runs"),
        ([(5.0, 0.1), (6.0, 0.1), (7.0, 0.1)], "accuracy is the same in all runs"),
    ],
)
def test_no_correlation_is_claimed_without_grounds(
    tmp_path: Path, points: list[tuple[float, float]], reason: str
) -> None:
    path = tmp_path / "correlations.csv"
    write_table(path, correlate(study_table({"SimCLR": points})))
    row = row_of(read_table(path, KEYS))
    assert row["reason"] == reason
    assert row["n"] == len(points)
    assert pd.isna(row["spearman"])
    assert "nan" not in path.read_text()


def test_methods_are_never_pooled() -> None:
    table = correlate(study_table({"SimCLR": RISING, "VICReg": FALLING}))
    assert row_of(table, method="SimCLR")["spearman"] == pytest.approx(1)
    assert row_of(table, method="VICReg")["spearman"] == pytest.approx(-1)
    assert table["n"].max() == max(len(RISING), len(FALLING))


def test_a_sweep_holds_its_own_runs_and_the_default() -> None:
    results = study_table({"SimCLR": [*RISING, (40.0, 0.1), (50.0, 0.0)]})
    results.loc[results["run"].isin(["run3", "run4"]), "sweep"] = "lr"
    table = correlate(results)
    assert row_of(table, sweep="temperature")["spearman"] == pytest.approx(1)
    assert row_of(table, sweep="lr")["spearman"] == pytest.approx(-1)
    assert list(table["sweep"].unique()) == ["all", "temperature", "lr"]
    assert row_of(table, sweep="all")["n"] == 5


@pytest.mark.parametrize("change", [{"status": "diverged"}, {"rankme": 1.9}])
def test_degenerate_runs_count_only_among_all_runs(change: dict[str, object]) -> None:
    results = study_table({"SimCLR": [*RISING, (9.0, 0.9)]})
    results.loc[results["run"] == "run3", list(change)] = list(change.values())
    table = correlate(results)
    assert row_of(table)["n"] == 3
    assert row_of(table)["spearman"] == pytest.approx(1)
    everything = row_of(table, runs="all")
    assert everything["n"] == 4
    assert everything["spearman"] == pytest.approx(-0.2)


def test_a_method_whose_runs_all_collapsed_has_a_reason() -> None:
    row = row_of(correlate(study_table({"SimCLR": RISING}, status="collapsed")))
    assert (row["n"], row["reason"]) == (0, "fewer than 3 runs")


def test_the_mean_over_targets_averages_accuracies_not_correlations() -> None:
    results = study_table({"SimCLR": RISING}, datasets=("shapes", "digits", "eurosat"))
    falling = {"run0": 0.9, "run1": 0.5, "run2": 0.1}
    eurosat = results["dataset"] == "eurosat"
    results.loc[eurosat, "top1"] = results.loc[eurosat, "run"].map(falling)
    table = correlate(results)
    assert row_of(table, dataset="digits")["spearman"] == pytest.approx(1)
    assert row_of(table, dataset="eurosat")["spearman"] == pytest.approx(-1)
    # Means are .55, .40, .25: the wider spread of eurosat decides.
    assert row_of(table, dataset=MEAN, role="mean")["spearman"] == pytest.approx(-1)


def test_the_program_writes_both_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: tmp_path / f"{name}.csv" for name in ("results", "correlations", "selection")}
    write_table(files["results"], study_table({"SimCLR": RISING}))
    arguments = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    monkeypatch.setattr(sys, "argv", ["analyse.py", *arguments])
    analyse.main()
    assert row_of(read_table(files["correlations"], KEYS))["p"] == pytest.approx(2 / 6)
    assert row_of(read_table(files["selection"], KEYS))["regret"] == 0
