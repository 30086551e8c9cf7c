"""The run to use without labels, and what is said of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from rankme.analysis.pick import pick, sentences
from tests.rankme.analysis.synthetic import study_table

POINTS = [(10.0, np.nan), (30.0, np.nan), (20.0, np.nan)]


def one(results: pd.DataFrame) -> tuple[pd.Series, str]:
    picks = pick(results)
    (sentence,) = sentences(picks, Path("results"))
    return picks.iloc[0], sentence


def with_files(results: pd.DataFrame) -> pd.DataFrame:
    folders = "all_results/" + results["method"] + "/" + results["run"]
    return results.assign(rankme_file=folders + "/RANKME_EVAL")


def test_the_highest_rank_is_picked_without_any_label() -> None:
    row, sentence = one(with_files(study_table({"SimCLR": POINTS}, ("pictures",))))
    assert (row["run"], row["rankme"], row["next_run"], row["n"]) == ("run1", 30, "run2", 3)
    assert row["model"] == "all_results/SimCLR/run1/PRETRAINED_MODEL"
    assert "use run1 (results/all_results/SimCLR/run1/PRETRAINED_MODEL)" in sentence
    assert "how sure that is cannot be said" in sentence


def test_how_sure_is_the_chance_of_staying_first_under_seed_noise() -> None:
    results = study_table({"SimCLR": [(30.0, 0.5), (30.6, 0.5), (20.0, 0.5), (20.4, 0.5)]}, ("a",))
    results["temperature"], results["seed"] = [0.1, 0.1, 0.2, 0.2], [0, 1, 0, 1]
    row, sentence = one(results)
    noise = np.sqrt((np.log(30.6 / 30) ** 2 / 2 + np.log(20.4 / 20) ** 2 / 2) / 2)
    assert row["seed_noise"] == pytest.approx(noise)
    # The difference of two runs has the deviation noise * sqrt(2).
    expected = norm.cdf(np.log(30.6 / 30) / (noise * np.sqrt(2)))
    assert row["certainty"] == pytest.approx(expected, abs=0.01)
    assert row["equal"] == 1
    assert "one other run is within that noise" in sentence


def test_collapsed_runs_and_controls_are_not_picked() -> None:
    results = study_table({"SimCLR": POINTS, "RandomInit": [(99.0, 0.1)]}, ("a",))
    results["control"] = results["method"] == "RandomInit"
    results.loc[results["run"] == "run1", "status"] = "diverged"
    picks = pick(results)
    assert list(picks["run"]) == ["run2"]


def test_a_method_of_one_run_or_of_none_that_is_sound_says_so() -> None:
    _, none = one(study_table({"SimCLR": POINTS}, ("a",), status="collapsed"))
    assert none == "Use no SimCLR run: every run collapsed or diverged."
    _, single = one(study_table({"SimCLR": POINTS[:1]}, ("a",)))
    assert "it is the only run that neither collapsed nor diverged" in single
