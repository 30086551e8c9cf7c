"""Tables of correlations, on studies whose answer can be worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from rankme.analysis.groups import KEYS, MEAN
from rankme.analysis.statistics import correlate, holm
from rankme.analysis.tables import Label, read_table, write_table
from tests.rankme.analysis.synthetic import row_of, study_table

LABEL = Label("made-up", "0123456789ab")
RISING = [(10.0, 0.2), (20.0, 0.3), (30.0, 0.4)]
FALLING = [(110.0, 0.9), (120.0, 0.8), (130.0, 0.7), (140.0, 0.6)]


def test_each_metric_of_each_layer_is_a_row_in_which_higher_promises_more() -> None:
    results = study_table({"SimCLR": RISING}).assign(alpha_req=[1.9, 1.9, 1.5, 1.5, 1.1, 1.1])
    results["rankme_representation"] = -results["rankme"]
    table = correlate(results)
    assert row_of(table)["spearman"] == pytest.approx(1)
    assert row_of(table, metric="alpha_req")["spearman"] == pytest.approx(1)
    assert row_of(table, layer="representation")["spearman"] == pytest.approx(-1)


def test_holm_is_the_step_down_method() -> None:
    # Worked by hand: .005 * 4, .01 * 3, .03 * 2, then no smaller than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, np.nan, 0.5]) == pytest.approx([1, np.nan, 1], nan_ok=True)


def test_holm_counts_the_metrics_of_the_same_runs_and_dataset() -> None:
    results = study_table({"SimCLR": [*RISING, (40.0, 0.5), (50.0, 0.6)]})
    results["nesum"] = results["rankme"]
    row = row_of(correlate(results), metric="nesum")
    assert row["spearman_p"] == pytest.approx(2 / 120)
    assert row["spearman_p_holm"] == pytest.approx(4 / 120)


def test_the_partial_correlation_is_that_of_residuals_of_a_regression_on_seeds() -> None:
    generator = np.random.default_rng(0)
    x, seeds = generator.normal(size=12), np.repeat([0, 1, 2], 4)
    y = x + generator.normal(size=12) + 3 * seeds
    results = study_table({"SimCLR": list(zip(10 + x, 0.5 + y / 100, strict=True))}, ("shapes",))
    results["seed"] = seeds
    dummies = np.eye(3)[seeds]

    def residuals(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values)
        return ranks - dummies @ np.linalg.lstsq(dummies, ranks, rcond=None)[0]

    expected = np.corrcoef(residuals(x), residuals(y))[0, 1]
    assert row_of(correlate(results))["spearman_given_seed"] == pytest.approx(expected)


def test_a_run_without_a_metric_counts_for_the_others() -> None:
    results = study_table({"SimCLR": [*RISING, (40.0, 0.5)]})
    results["lidar"] = results["rankme"].where(results["run"] != "run3")
    table = correlate(results)
    assert row_of(table, metric="lidar")["n"] == 3
    assert row_of(table, metric="rankme")["n"] == 4


def test_a_dataset_without_labels_has_no_rows() -> None:
    results = study_table({"SimCLR": RISING}, datasets=("shapes", "digits"))
    results.loc[results["dataset"] == "digits", "top1"] = np.nan
    assert set(correlate(results)["dataset"]) == {"shapes"}
    assert correlate(results.assign(top1=np.nan)).empty


@pytest.mark.parametrize(
    ("points", "status", "reason"),
    [
        ([(5.0, 0.1), (6.0, 0.2)], "completed", "fewer than 3 runs"),
        (RISING, "collapsed", "fewer than 3 runs"),
        ([(5.0, 0.1), (5.0, 0.2), (5.0, 0.3)], "completed", "the metric is the same in all runs"),
        ([(5.0, 0.1), (6.0, 0.1), (7.0, 0.1)], "completed", "accuracy is the same in all runs"),
    ],
)
def test_no_correlation_is_claimed_without_grounds(
    tmp_path: Path, points: list[tuple[float, float]], status: str, reason: str
) -> None:
    path = tmp_path / "correlations.csv"
    write_table(path, correlate(study_table({"SimCLR": points}, status=status)), *LABEL)
    row = row_of(read_table(path, KEYS))
    assert row["reason"] == reason
    assert row["n"] == (len(points) if status == "completed" else 0)
    assert pd.isna(row["spearman"])
    assert "nan" not in path.read_text()


def test_methods_are_never_pooled_and_controls_are_no_runs_under_study() -> None:
    results = study_table({"SimCLR": RISING, "VICReg": FALLING, "RandomInit": [(5.0, 0.1)]})
    table = correlate(results.assign(control=results["method"] == "RandomInit"))
    assert set(table["method"]) == {"SimCLR", "VICReg"}
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
