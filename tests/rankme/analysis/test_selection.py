"""Selection by RankMe, on tables whose answer can be read off."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.analysis.groups import MEAN
from rankme.analysis.resampling import resample_counts
from rankme.analysis.selection import first, plateau_run, select
from tests.rankme.analysis.synthetic import row_of, study_table

POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75)]


def chosen(results: pd.DataFrame, **key: str) -> pd.Series:
    return row_of(select(results), **{"rule": "highest", **key})


def test_rankme_selects_the_highest_rank_which_is_compared_with_oracle_random_and_default() -> None:
    row = chosen(study_table({"SimCLR": [*POINTS, (25.0, 0.55)]}))
    assert (row["selected_run"], row["selected_value"], row["selected_top1"]) == ("run1", 30, 0.6)
    assert (row["best_run"], row["best_value"], row["best_top1"]) == ("run2", 20, 0.75)
    assert row["random_top1"] == pytest.approx(0.6)
    assert (row["n"], row["tied"]) == (4, 1)
    gains = (row["regret"], row["over_random"], row["over_default"])
    assert gains == pytest.approx((0.75 - 0.60, 0.60 - 0.60, 0.60 - 0.50))


def test_the_source_rank_selects_also_for_the_mean_over_targets() -> None:
    results = study_table({"SimCLR": POINTS}, datasets=("shapes", "digits", "eurosat"))
    better = (results["run"] == "run1") & (results["dataset"] == "eurosat")
    results.loc[better, "top1"] = 0.95
    row = chosen(results, dataset=MEAN)
    assert (row["selected_run"], row["best_run"]) == ("run1", "run1")
    assert row["best_top1"] == pytest.approx((0.60 + 0.95) / 2)
    assert row["regret"] == 0


@pytest.mark.parametrize("top1", [0.1, 0.9])
def test_a_tie_in_rank_is_counted_and_never_broken_by_accuracy(top1: float) -> None:
    row = chosen(study_table({"SimCLR": [(5.0, 0.3), (9.0, 0.5), (9.0, top1)]}))
    assert row["tied"] == 2
    assert row["selected_run"] == "run1"


def test_a_diverged_run_is_selected_only_among_all_runs() -> None:
    results = study_table({"SimCLR": [*POINTS, (99.0, 0.1)]})
    results.loc[results["run"] == "run3", "status"] = "diverged"
    assert chosen(results)["selected_run"] == "run1"
    everything = chosen(results, runs="all")
    assert everything["selected_run"] == "run3"
    assert everything["regret"] == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("points", "status", "n", "selected", "reason"),
    [
        (POINTS[:1], "completed", 1, ["run0", "run0"], "only one run to choose from"),
        (POINTS, "collapsed", 0, [], "no run"),
    ],
)
def test_one_run_or_none_leaves_nothing_to_regret(
    points: list[tuple[float, float]], status: str, n: int, selected: list[str], reason: str
) -> None:
    row = chosen(study_table({"SimCLR": points}, status=status))
    assert (row["n"], row["reason"]) == (n, reason)
    assert row[["selected_run", "best_run"]].dropna().tolist() == selected
    assert pd.isna(row["regret"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(2, 100), st.floats(0, 1)), min_size=2, max_size=8))
def test_regret_lies_between_zero_and_the_spread(points: list[tuple[float, float]]) -> None:
    row = chosen(study_table({"SimCLR": points}))
    accuracies = [top1 for _, top1 in points]
    assert 0 <= row["regret"] <= max(accuracies) - min(accuracies)


def test_intervals_are_percentiles_of_choices_made_anew_in_each_resample() -> None:
    generator = np.random.default_rng(0)
    points = list(zip(generator.uniform(5, 50, 12), generator.uniform(0.3, 0.8, 12), strict=True))
    row = chosen(study_table({"SimCLR": points}))
    rank, top1 = np.array(points).T
    regrets = [
        top1[drawn].max() - top1[drawn][rank[drawn].argmax()]
        for drawn in generator.integers(12, size=(4000, 12))
    ]
    low, high = np.quantile(regrets, [0.025, 0.975])
    assert row["regret_low"] == pytest.approx(low, abs=0.02)
    assert row["regret_high"] == pytest.approx(high, abs=0.02)


def test_the_first_run_of_an_order_in_each_resample() -> None:
    counts = resample_counts(60)[:200]
    order = np.random.default_rng(0).permutation(60)
    expected = [next(run for run in order if held[run]) for held in counts]
    assert first(counts, order).tolist() == expected


@pytest.mark.parametrize(
    ("ranks", "noise", "chosen"),
    [
        ([10, 20, 30, 31, 30.5], 0.02, 2),  # rises to a plateau: its smallest value
        ([30.5, 31, 30, 20, 10], 0.02, 2),  # falls from one: its largest
        ([10, 20, 30, 31, 30.5], 0.0, 3),  # no noise: the highest
        ([10, 20, 30, 31, 30.5], np.nan, 3),  # unknown noise: the highest
    ],
)
def test_the_plateau_rule_takes_the_end_of_the_plateau_towards_low_rank(
    ranks: list[float], noise: float, chosen: int
) -> None:
    runs = pd.DataFrame({"rankme": ranks, "covariance": [0.1, 0.5, 1, 4, 16]})
    assert plateau_run(runs, "covariance", noise) == chosen


def test_the_plateau_rule_needs_an_ordered_hyperparameter() -> None:
    runs = pd.DataFrame({"rankme": [1.0, 2.0], "optimizer": ["sgd", "lars"]})
    assert plateau_run(runs, "optimizer", 0.1) is None
    assert plateau_run(runs, "all", 0.1) is None


def test_the_plateau_rule_has_its_row_with_noise_measured_from_seeds() -> None:
    points = [(30.0, 0.5), (29.0, 0.4), (31.0, 0.6), (10.0, 0.2)]
    results = study_table({"SimCLR": points}, ("shapes",))
    results["temperature"] = [0.2, 0.2, 0.3, 0.05]
    results["seed"] = [0, 1, 0, 0]
    results.loc[1, "sweep"] = "default"
    row = chosen(results, sweep="temperature", rule="plateau")
    assert row["selected_run"] == "run0"
    assert chosen(results, sweep="temperature")["selected_run"] == "run2"
