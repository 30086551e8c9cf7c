"""The answer in words says whose it is, and nothing that is false."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rankme.analysis.answer import answer
from rankme.analysis.claims import CLAIMS
from rankme.analysis.noise import spread
from rankme.analysis.pick import pick
from rankme.analysis.selection import select
from rankme.analysis.statistics import correlate
from rankme.analysis.tables import Label
from rankme.analysis.verdicts import UNDECIDED, Evidence, judge
from tests.rankme.analysis.synthetic import study_table

POINTS = [(10.0, 0.50), (30.0, 0.60), (20.0, 0.75)]
UNLABELLED = "No dataset has labels"


def words(results: pd.DataFrame) -> list[str]:
    """The paragraphs before the claims."""
    judged = pick(results), select(results), judge(CLAIMS, Evidence(results))
    text = answer(Label("my_study", "0123456789ab"), results, *judged, Path("results"))
    return text.partition(".. csv-table")[0].strip().split("\n\n")


def controls(labels: bool = True) -> pd.DataFrame:
    table = study_table({"RandomInit": [(9.0, 0.2 if labels else np.nan)]})
    return table.assign(control=True)


def test_its_head_says_which_study_and_how_many_runs() -> None:
    head, first, cost = words(study_table({"SimCLR": POINTS}))
    assert head == r"Study my\_study (digest 0123456789ab), 3 runs."
    assert first.startswith("Of 3 SimCLR runs use run1")
    assert cost.startswith(
        "Against labels, choosing among 3 SimCLR runs by RankMe loses 15.0 points"
    )
    assert "on shapes, 15.0 points on the mean over targets." in cost


def test_controls_are_counted_and_not_chosen() -> None:
    both = pd.concat([study_table({"SimCLR": POINTS}), controls()])
    head = words(both)[0]
    assert head.endswith("4 runs, of which 1 control (RandomInit).")


@pytest.mark.parametrize("labels", [True, False])
def test_of_a_study_of_controls_alone_it_says_that_there_is_nothing_to_choose(labels: bool) -> None:
    results = controls(labels)
    (head,) = words(results)
    assert head.endswith("1 run of controls alone (RandomInit): there is no run to choose.")
    assert all(table.empty for table in (correlate(results), spread(results)))
    assert set(judge(CLAIMS, Evidence(results))["verdict"]) == {UNDECIDED}


def test_labels_are_said_to_be_missing_only_where_they_are() -> None:
    assert words(study_table({"SimCLR": POINTS}).assign(top1=np.nan))[-1].startswith(UNLABELLED)
    for results in (
        study_table({"SimCLR": POINTS[:1], "VICReg": POINTS[:1]}),
        study_table({"SimCLR": POINTS}, status="collapsed"),
        study_table({"SimCLR": [POINTS[0], (1.0, 0.1)]}),
    ):
        assert UNLABELLED not in " ".join(words(results))


def test_what_a_choice_of_one_run_costs_is_not_known_for_that_reason() -> None:
    *_, one, several = words(study_table({"SimCLR": POINTS[:1], "VICReg": POINTS}))
    reason = "What choosing a SimCLR run by RankMe costs is not known: only one run to choose from."
    assert one == reason
    assert several.startswith("Against labels, choosing among 3 VICReg runs")
