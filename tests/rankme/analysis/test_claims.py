"""Claims on studies in which they plainly hold, plainly fail, or cannot be told."""

from collections.abc import Callable
from math import inf, nan

import numpy as np
import pandas as pd
import pytest

from rankme.analysis.claims import CLAIMS
from rankme.analysis.curves import CONVERGENCE
from rankme.analysis.verdicts import (
    NOT_REPRODUCED,
    OVERALL,
    REPRODUCED,
    UNDECIDED,
    Evidence,
    Finding,
    judge,
)
from tests.rankme.analysis.synthetic import study_table

EMPTY = pd.DataFrame(columns=list(CONVERGENCE))
SWEEPS = ("temperature", "lr", "weight_decay", "batch_size", "momentum")


def study(
    accuracy: Callable[[np.ndarray], np.ndarray],
    runs: int = 40,
    methods: tuple[str, ...] = ("SimCLR",),
) -> pd.DataFrame:
    """Runs of RankMe 12 to 60 whose accuracy follows from it, in five sweeps."""
    generator = np.random.default_rng(0)
    rank = np.linspace(12, 60, runs)
    top1 = accuracy(rank) + 0.002 * generator.normal(size=runs)
    points = {method: list(zip(rank, top1, strict=True)) for method in methods}
    results = study_table(points, ("shapes", "digits", "eurosat"))
    results["sweep"] = [SWEEPS[i // 3 % 5] for i in range(len(results))]
    results["alpha_req"] = 1 + results["rankme"] / 100
    results["rankme_on_dataset"] = results["rankme"] * 1.1
    results["train_top1"] = results["top1"] + 0.01
    for readout in ("embedding", "knn", "mlp"):
        results[f"top1_{readout}"] = results["top1"] - 0.05
    return results


def rising(rank: np.ndarray) -> np.ndarray:
    return 0.3 + rank / 150


def falling(rank: np.ndarray) -> np.ndarray:
    return 0.9 - rank / 150


def flat(rank: np.ndarray) -> np.ndarray:
    return np.full(len(rank), 0.6)


def verdicts(results: pd.DataFrame, convergence: pd.DataFrame = EMPTY) -> dict[str, str]:
    table = judge(CLAIMS, Evidence(results, convergence))
    overall = table[table["scope"] == OVERALL]
    return dict(zip(overall["claim"], overall["verdict"], strict=True))


@pytest.mark.parametrize(
    ("low", "high", "within", "verdict"),
    [
        (0.1, 0.9, (0, inf), REPRODUCED),
        (-0.1, 0.9, (0, inf), UNDECIDED),
        (-0.9, -0.1, (0, inf), NOT_REPRODUCED),
        (-0.5, 0.5, (-1, 1), REPRODUCED),
        (-1.5, 0.5, (-1, 1), UNDECIDED),
        (1.5, 2.5, (-1, 1), NOT_REPRODUCED),
        (nan, nan, (0, inf), UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval(
    low: float, high: float, within: tuple[float, float], verdict: str
) -> None:
    finding = Finding("", "", 0.0, low, high, 10, within)
    assert finding.verdict()[0] == verdict


def test_an_interval_without_a_small_p_decides_nothing() -> None:
    assert Finding("", "", 1.0, 0.5, 1.0, 4, (0, inf), p=0.08).verdict()[0] == UNDECIDED


def test_there_are_the_fourteen_claims_each_with_its_criterion() -> None:
    assert [claim.name for claim in CLAIMS] == [f"C{i}" for i in range(1, 15)]
    assert all(claim.criterion and claim.statement for claim in CLAIMS)


def test_claims_are_reproduced_where_rank_predicts_accuracy() -> None:
    found = verdicts(study(rising))
    for claim in ("C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9", "C10"):
        assert found[claim] == REPRODUCED, claim


def test_claims_are_not_reproduced_where_rank_misleads() -> None:
    found = verdicts(study(falling))
    for claim in ("C1", "C2", "C3", "C4", "C5", "C10"):
        assert found[claim] == NOT_REPRODUCED, claim


def test_one_method_in_which_a_claim_fails_refutes_it() -> None:
    results = study(rising, methods=("SimCLR", "VICReg"))
    other = results["method"] == "VICReg"
    results.loc[other, "top1"] = 1 - results.loc[other, "top1"]
    table = judge(CLAIMS, Evidence(results, EMPTY))
    rows = table[table["claim"] == "C1"].set_index("scope")
    assert rows.loc["SimCLR, shapes", "verdict"] == REPRODUCED
    assert rows.loc["VICReg, shapes", "verdict"] == NOT_REPRODUCED
    assert rows.loc[OVERALL, "verdict"] == NOT_REPRODUCED
    assert "VICReg, shapes" in rows.loc[OVERALL, "statistic"]


@pytest.mark.parametrize("runs", [1, 2, 3, 4])
def test_few_runs_decide_nothing(runs: int) -> None:
    assert set(verdicts(study(rising, runs)).values()) == {UNDECIDED}
    assert set(verdicts(study(falling, runs)).values()) == {UNDECIDED}


@pytest.mark.parametrize("runs", [5, 6])
def test_five_runs_decide_on_selection_nothing(runs: int) -> None:
    found = verdicts(study(rising, runs))
    assert {found[claim] for claim in ("C3", "C4", "C5", "C12", "C14")} == {UNDECIDED}


def test_without_labels_or_runs_all_is_undecided_with_a_reason() -> None:
    for results in (study(rising).assign(top1=np.nan), study(rising).assign(status="collapsed")):
        table = judge(CLAIMS, Evidence(results, EMPTY))
        assert set(table["claim"]) == {claim.name for claim in CLAIMS}
        decided = table[(table["verdict"] != UNDECIDED) & (table["claim"] != "C6")]
        assert decided.empty
        assert (table.loc[table["verdict"] == UNDECIDED, "reason"] != "").all()


def test_noise_is_reproduced_no_more_often_than_the_level_allows() -> None:
    generator = np.random.default_rng(1)
    claimed = []
    for _ in range(60):
        rank, top1 = generator.uniform(10, 60, 12), generator.uniform(0.3, 0.6, 12)
        results = study_table({"SimCLR": list(zip(rank, top1, strict=True))}, ("shapes",))
        claimed.append(verdicts(results)["C1"] == REPRODUCED)
    # One-sided 2.5 %: at most 6 of 60 but once in 1,500.
    assert sum(claimed) <= 6


def convergence(change: float, samples: int, dimension: int) -> pd.DataFrame:
    rows = [
        ("SimCLR", f"run{i}", dimension, n, mean * (1 + i / 1000), 0.1, 4)
        for i in range(12)
        for n, mean in ((samples // 2, 50 * (1 - change * (1 + i / 100))), (samples, 50))
    ]
    return pd.DataFrame(rows, columns=list(CONVERGENCE))


@pytest.mark.parametrize(
    ("change", "samples", "verdict"),
    [
        (0.01, 25_600, REPRODUCED),
        (0.05, 25_600, NOT_REPRODUCED),
        (0.01, 100_000, UNDECIDED),
    ],
)
def test_samples_suffice_if_half_of_them_hardly_change_rankme(
    change: float, samples: int, verdict: str
) -> None:
    assert verdicts(study(rising), convergence(change, samples, 2048))["C7"] == verdict


def test_accuracy_is_on_a_plateau_where_its_slope_is_small() -> None:
    assert verdicts(study(flat))["C11"] == REPRODUCED
    assert verdicts(study(rising))["C11"] == NOT_REPRODUCED


def test_a_good_run_of_low_rank_refutes_that_there_is_none() -> None:
    results = study(rising)
    results["top1_low"], results["top1_high"] = results["top1"] - 0.001, results["top1"] + 0.001
    table = judge(CLAIMS, Evidence(results, EMPTY)).query("claim == 'C12' and scope != 'overall'")
    low, full = table["verdict"]
    assert (low, full) == (REPRODUCED, UNDECIDED)
    good = results["run"] == "run0"
    results.loc[good, ["top1", "top1_low", "top1_high"]] = [0.75, 0.749, 0.751]
    assert verdicts(results)["C12"] == NOT_REPRODUCED


def test_pooling_methods_that_differ_weakens_the_relation() -> None:
    results = study(rising, methods=("SimCLR", "VICReg"))
    other = results["method"] == "VICReg"
    results.loc[other, "rankme"] += 100
    results.loc[other, "top1"] -= 0.25
    assert verdicts(results)["C14"] == REPRODUCED
    assert verdicts(study(rising, methods=("SimCLR", "VICReg")))["C14"] != REPRODUCED
