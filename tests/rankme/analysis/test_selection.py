"""Selection by RankMe, on tables whose answer can be read off."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankme.analysis.groups import MEAN
from rankme.analysis.selection import select
from tests.rankme.analysis.synthetic import study_table

POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75)]


def row_of(results: pd.DataFrame, **key: str) -> pd.Series:
    table = select(results)
    wanted = {"sweep": "all", "dataset": "shapes", "runs": "non-degenerate", **key}
    rows = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_rankme_selects_the_highest_rank_and_the_oracle_the_highest_accuracy() -> None:
    row = row_of(study_table({"SimCLR": POINTS}))
    assert (row["selected_run"], row["selected_rankme"], row["selected_top1"]) == ("run1", 30, 0.6)
    assert (row["best_run"], row["best_rankme"], row["best_top1"]) == ("run2", 20, 0.75)
    assert row["regret"] == pytest.approx(0.15)
    assert row["mean_top1"] == pytest.approx(0.6167, abs=1e-4)
    assert (row["n"], row["tied"]) == (3, 1)


def test_the_source_rank_selects_also_for_the_mean_over_targets() -> None:
    results = study_table({"SimCLR": POINTS}, datasets=("shapes", "digits", "eurosat"))
    better = (results["run"] == "run1") & (results["dataset"] == "eurosat")
    results.loc[better, "top1"] = 0.95
    row = row_of(results, dataset=MEAN)
    assert (row["selected_run"], row["best_run"]) == ("run1", "run1")
    assert row["best_top1"] == pytest.approx((0.60 + 0.95) / 2)
    assert row["regret"] == 0


@pytest.mark.parametrize("top1", [0.1, 0.9])
def test_a_tie_in_rank_is_counted_and_never_broken_by_accuracy(top1: float) -> None:
    row = row_of(study_table({"SimCLR": [(5.0, 0.3), (9.0, 0.5), (9.0, top1)]}))
    assert row["tied"] == 2
    assert row["selected_run"] == "run1"


def test_a_diverged_run_is_selected_only_among_all_runs() -> None:
    results = study_table({"SimCLR": [*POINTS, (99.0, 0.1)]})
    results.loc[results["run"] == "run3", "status"] = "diverged"
    assert row_of(results)["selected_run"] == "run1"
    everything = row_of(results, runs="all")
    assert everything["selected_run"] == "run3"
    assert everything["regret"] == pytest.approx(0.65)


def test_one_run_leaves_nothing_to_regret() -> None:
    row = row_of(study_table({"SimCLR": POINTS[:1]}))
    assert row["selected_run"] == row["best_run"] == "run0"
    assert pd.isna(row["regret"])
    assert row["reason"] == "only one run to choose from"


def test_no_run_is_selected_where_all_collapsed() -> None:
    row = row_of(study_table({"SimCLR": POINTS}, status="collapsed"))
    assert row["n"] == 0
    assert pd.isna(row["selected_run"])
    assert row["reason"] == "no run"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(2, 100), st.floats(0, 1)), min_size=2, max_size=8))
def test_regret_lies_between_zero_and_the_spread(points: list[tuple[float, float]]) -> None:
    row = row_of(study_table({"SimCLR": points}))
    accuracies = [top1 for _, top1 in points]
    assert 0 <= row["regret"] <= max(accuracies) - min(accuracies)
