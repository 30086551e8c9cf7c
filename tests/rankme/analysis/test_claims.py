"""Claims on studies in which they plainly hold, plainly fail, or cannot be told."""

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
RISING, FALLING, FLAT = (0.3, 1 / 150), (0.9, -1 / 150), (0.6, 0.0)
SWEEPS = ("temperature", "lr", "weight_decay", "batch_size", "momentum")


def study(
    line: tuple[float, float], runs: int = 40, methods: tuple[str, ...] = ("SimCLR",)
) -> pd.DataFrame:
    """Runs of RankMe 12 to 60 whose accuracy lies along a line in it, in five sweeps."""
    generator = np.random.default_rng(0)
    rank = np.linspace(12, 60, runs)
    top1 = line[0] + line[1] * rank + 0.002 * generator.normal(size=runs)
    points = {method: list(zip(rank, top1, strict=True)) for method in methods}
    results = study_table(points, ("shapes", "digits", "eurosat"))
    results["sweep"] = [SWEEPS[i // 3 % 5] for i in range(len(results))]
    results["alpha_req"] = 1 + results["rankme"] / 100
    results["rankme_on_dataset"] = results["rankme"] * 1.1
    results["train_top1"] = results["top1"] + 0.01
    for readout in ("embedding", "knn", "mlp"):
        results[f"top1_{readout}"] = results["top1"] - 0.05
    return results


def judged(results: pd.DataFrame, *names: str, convergence: pd.DataFrame = EMPTY) -> pd.DataFrame:
    """The findings on these claims, or on all."""
    claims = [claim for claim in CLAIMS if not names or claim.name in names]
    return judge(claims, Evidence(results, convergence))


def verdicts(results: pd.DataFrame, *names: str, **tables: pd.DataFrame) -> dict[str, str]:
    table = judged(results, *names, **tables)
    overall = table[table["scope"] == OVERALL]
    return dict(zip(overall["claim"], overall["verdict"], strict=True))


@pytest.mark.parametrize(
    ("low", "high", "within", "p", "verdict"),
    [
        (0.1, 0.9, (0, inf), 0.0, REPRODUCED),
        (-0.1, 0.9, (0, inf), 0.0, UNDECIDED),
        (-0.9, -0.1, (0, inf), 0.0, NOT_REPRODUCED),
        (-0.5, 0.5, (-1, 1), 0.0, REPRODUCED),
        (-1.5, 0.5, (-1, 1), 0.0, UNDECIDED),
        (1.5, 2.5, (-1, 1), 0.0, NOT_REPRODUCED),
        (nan, nan, (0, inf), 0.0, UNDECIDED),
        (0.5, 1.0, (0, inf), 0.08, UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval_and_a_small_p(
    low: float, high: float, within: tuple[float, float], p: float, verdict: str
) -> None:
    assert Finding("", "", 0.0, low, high, 10, within, p).verdict()[0] == verdict


def test_there_are_the_fourteen_claims_each_with_its_criterion() -> None:
    assert [claim.name for claim in CLAIMS] == [f"C{i}" for i in range(1, 15)]
    assert all(claim.criterion and claim.statement for claim in CLAIMS)


@pytest.mark.parametrize(
    ("line", "names", "verdict"),
    [
        (RISING, ("C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9", "C10"), REPRODUCED),
        (FALLING, ("C1", "C2", "C3", "C4", "C5", "C10"), NOT_REPRODUCED),
        # Accuracy is on a plateau where its slope is small.
        (FLAT, ("C11",), REPRODUCED),
        (RISING, ("C11",), NOT_REPRODUCED),
    ],
)
def test_a_claim_is_reproduced_where_rank_predicts_accuracy_and_refuted_where_it_misleads(
    line: tuple[float, float], names: tuple[str, ...], verdict: str
) -> None:
    assert verdicts(study(line), *names) == dict.fromkeys(names, verdict)


def test_one_method_in_which_a_claim_fails_refutes_it() -> None:
    results = study(RISING, methods=("SimCLR", "VICReg"))
    other = results["method"] == "VICReg"
    results.loc[other, "top1"] = 1 - results.loc[other, "top1"]
    rows = judged(results, "C1").set_index("scope")
    assert rows.loc["SimCLR, shapes", "verdict"] == REPRODUCED
    assert rows.loc["VICReg, shapes", "verdict"] == NOT_REPRODUCED
    assert rows.loc[OVERALL, "verdict"] == NOT_REPRODUCED
    assert "VICReg, shapes" in rows.loc[OVERALL, "statistic"]


@pytest.mark.parametrize("line", [RISING, FALLING])
@pytest.mark.parametrize("runs", [1, 2, 3, 4])
def test_few_runs_decide_nothing(runs: int, line: tuple[float, float]) -> None:
    assert set(verdicts(study(line, runs)).values()) == {UNDECIDED}


@pytest.mark.parametrize("runs", [5, 6])
def test_five_runs_decide_on_selection_nothing(runs: int) -> None:
    found = verdicts(study(RISING, runs), "C3", "C4", "C5", "C12", "C14")
    assert set(found.values()) == {UNDECIDED}


@pytest.mark.parametrize("change", [{"top1": nan}, {"status": "collapsed"}])
def test_without_labels_or_runs_all_is_undecided_with_a_reason(change: dict[str, object]) -> None:
    table = judged(study(RISING).assign(**change))
    assert set(table["claim"]) == {claim.name for claim in CLAIMS}
    assert set(table.loc[table["claim"] != "C6", "verdict"]) == {UNDECIDED}
    assert (table.loc[table["verdict"] == UNDECIDED, "reason"] != "").all()


def test_noise_is_reproduced_no_more_often_than_the_level_allows() -> None:
    generator = np.random.default_rng(1)
    claimed = []
    for _ in range(60):
        rank, top1 = generator.uniform(10, 60, 12), generator.uniform(0.3, 0.6, 12)
        results = study_table({"SimCLR": list(zip(rank, top1, strict=True))}, ("shapes",))
        claimed.append(verdicts(results, "C1")["C1"] == REPRODUCED)
    # One-sided 2.5 %: at most 6 of 60 but once in 1,500.
    assert sum(claimed) <= 6


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
    rows = [
        ("SimCLR", f"run{i}", 2048, n, mean * (1 + i / 1000), 0.1, 4)
        for i in range(12)
        for n, mean in ((samples // 2, 50 * (1 - change * (1 + i / 100))), (samples, 50))
    ]
    convergence = pd.DataFrame(rows, columns=list(CONVERGENCE))
    assert verdicts(study(RISING), "C7", convergence=convergence) == {"C7": verdict}


def test_a_good_run_of_low_rank_refutes_that_there_is_none() -> None:
    results = study(RISING)
    results["top1_low"], results["top1_high"] = results["top1"] - 0.001, results["top1"] + 0.001
    _, low, full = judged(results, "C12")["verdict"]
    assert (low, full) == (REPRODUCED, UNDECIDED)
    good = results["run"] == "run0"
    results.loc[good, ["top1", "top1_low", "top1_high"]] = [0.75, 0.749, 0.751]
    assert verdicts(results, "C12")["C12"] == NOT_REPRODUCED


def test_pooling_methods_that_differ_weakens_the_relation() -> None:
    results = study(RISING, methods=("SimCLR", "VICReg"))
    assert verdicts(results, "C14")["C14"] != REPRODUCED
    other = results["method"] == "VICReg"
    results.loc[other, "rankme"] += 100
    results.loc[other, "top1"] -= 0.25
    assert verdicts(results, "C14")["C14"] == REPRODUCED
