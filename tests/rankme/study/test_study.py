"""What a study says of itself: which datasets it needs, and its record beside its results."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rankme.study.config import load_study, read_study
from rankme.study.runs import runs
from tests.rankme.study.configs import STUDIES, a_study


def test_a_study_says_which_datasets_it_evaluates_and_which_have_labels() -> None:
    unlabelled = {"reader": "unlabelled_folder", "size": 32}
    study = a_study(datasets={"a": {"reader": "shapes", "size": 32}, "b": unlabelled})
    assert study.evaluation_datasets == ["a", "b"]
    assert study.labelled_datasets == ["a"]


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_the_record_of_a_study_is_a_config_of_the_same_runs(file: Path) -> None:
    study = read_study(file)
    record = json.loads(json.dumps(study.record()))
    again = load_study(record)
    assert again.digest == study.digest
    assert again.record() == record
    assert {run.name for run in runs(again)} == {run.name for run in runs(study)}


def test_the_record_says_every_value_but_where_and_with_what() -> None:
    record = a_study().record()
    assert record["training"]["momentum"] == 0.9
    assert record["datasets"]["a"]["options"]["noise"] == 0.05
    assert record["methods"][0]["default"] == {"temperature": 0.2}
    assert not record.keys() & {"pathvars", "compute", "tracking"}


SAME: dict[str, dict[str, Any]] = {
    "another name": {"study": "b"},
    "elsewhere": {"pathvars": {"results": "x"}, "compute": {"threads": 8}, "tracking": {}},
    "data moved": {
        "datasets": {
            n: {"reader": "shapes", "size": 32, "root": "/x", "licence": "?"} for n in "ab"
        }
    },
    "default written out": {"training": {"lr": 0.5, "optimizer": "adamw", "epochs": 100}},
    "order of a sweep": {
        "methods": [
            {"name": "SimCLR", "default": {"temperature": 0.2}, "sweeps": {"lr": [0.1, 0.3]}}
        ]
    },
}


@pytest.mark.parametrize("case", SAME)
def test_a_digest_is_that_of_what_decides_the_results(case: str) -> None:
    other = (
        {
            "methods": yaml.safe_load(
                "[{name: SimCLR, default: {temperature: 0.2}, sweeps: {lr: [0.3, 0.1]}}]"
            )
        }
        if "methods" in SAME[case]
        else {}
    )
    assert a_study(**SAME[case]).digest == a_study(**other).digest


@pytest.mark.parametrize(
    "change",
    [
        {"rank": {"samples": 64}},
        {"probe": {"epochs": 3}},
        {"seeds": [1]},
        {"targets": []},
        {"methods": [{"name": "SimCLR", "default": {"temperature": 0.3}}]},
        {"datasets": {n: {"reader": "shapes", "size": 16} for n in "ab"}},
    ],
)
def test_whatever_decides_a_result_changes_the_digest(change: dict[str, Any]) -> None:
    assert a_study(**change).digest != a_study().digest
