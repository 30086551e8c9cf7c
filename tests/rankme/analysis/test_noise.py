"""Configurations against seeds, on a published example and on tables worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from rankme.analysis.noise import configurations, seed_noise, spread
from tests.rankme.analysis.synthetic import study_table

# Table 2 of Shrout & Fleiss 1979: six targets, four ratings each.
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def repeated(values: list[list[float]]) -> pd.DataFrame:
    """A study of these accuracies: each row is a configuration, each column a seed."""
    points = [(10.0 + seed, value) for row in values for seed, value in enumerate(row)]
    results = study_table({"SimCLR": points}, ("shapes",))
    results["temperature"] = np.repeat(np.arange(len(values)), len(values[0])) / 10
    results["seed"] = np.tile(np.arange(len(values[0])), len(values))
    return results


def test_the_share_of_configurations_is_shrout_and_fleiss_icc() -> None:
    row = spread(repeated(RATINGS)).query("quantity == 'top1'").iloc[0]
    assert row["config_share"] == pytest.approx(0.17, abs=0.005)
    assert row["config_share_low"] == pytest.approx(-0.13, abs=0.005)
    assert row["config_share_high"] == pytest.approx(0.72, abs=0.005)
    assert (row["configurations"], row["n"]) == (6, 24)


def test_a_simulated_share_is_covered_in_about_95_percent() -> None:
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(120):
        # Variances 4 and 1: 80 % lies between configurations.
        values = 2 * generator.normal(size=(8, 1)) + generator.normal(size=(8, 3))
        row = spread(repeated(values.tolist())).query("quantity == 'top1'").iloc[0]
        covered.append(row["config_share_low"] <= 0.8 <= row["config_share_high"])
    assert np.mean(covered) > 0.89


def test_without_repeated_seeds_nothing_is_said() -> None:
    table = spread(repeated([[0.1], [0.2], [0.3]]))
    assert set(table["reason"]) == {"no configuration was run with several seeds"}
    assert table["config_share"].isna().all()


def test_a_configuration_is_all_settings_but_the_seed() -> None:
    results = repeated([[0.1, 0.2], [0.3, 0.4]])
    assert configurations(results).tolist() == [0, 0, 1, 1]
    assert configurations(results.drop(columns="temperature")).tolist() == [0, 1, 2, 3]


def test_seed_noise_is_the_pooled_deviation_of_log_rank() -> None:
    runs = repeated([[0.1, 0.2], [0.3, 0.4]])
    runs["rankme"] = np.exp([3.0, 3.2, 2.0, 2.1])
    assert seed_noise(runs) == pytest.approx(np.sqrt((2 * 0.1**2 + 2 * 0.05**2) / 2))
    assert np.isnan(seed_noise(runs.iloc[:1]))
