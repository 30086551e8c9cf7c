"""Config -> runs -> names: what is one run, and what its directory is called."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankme.errors import UserError
from rankme.study.identity import canonical, digest, plain
from rankme.study.runs import run_from_json, runs
from rankme.study.study import Study
from tests.rankme.study.configs import a_study


def method(**changes: Any) -> dict[str, Any]:
    return {"name": "SimCLR", "default": {"temperature": 0.2}, **changes}


def names(study: Study) -> list[str]:
    return [run.name for run in runs(study)]


def temperatures(study: Study) -> list[tuple[float, float]]:
    """And learning rates."""
    settings = [run.settings for run in runs(study)]
    return [(vars(s.hyperparameters)["temperature"], s.training.lr) for s in settings]


def test_a_name_reads_values_then_seed_then_a_hash() -> None:
    run = runs(a_study())[0]
    readable, identity = run.name.rsplit("-", 1)
    assert readable == "lr=0.5+temperature=0.2+seed=0"
    assert identity == digest(run.settings)[:8]
    assert int(identity, 16) >= 0


def test_a_point_reached_twice_is_one_run() -> None:
    grid = {"temperature": [0.2, 0.1], "lr": [0.5]}
    once = a_study(methods=[method(sweeps={"temperature": [0.1, 0.2]}, grid=grid)])
    assert len(names(once)) == 2
    assert len(names(a_study(methods=[method(), method()]))) == 1


def test_a_grid_is_the_product_and_holds_no_extra_default_point() -> None:
    study = a_study(methods=[method(grid={"temperature": [0.1, 0.3], "lr": [1.0, 2.0]})])
    assert temperatures(study) == [(0.1, 1.0), (0.1, 2.0), (0.3, 1.0), (0.3, 2.0)]


def test_adding_a_sweep_renames_no_run() -> None:
    sweeps = {"temperature": [0.1, 0.2], "batch_size": [128, 256], "weight_decay": [1e-5]}
    assert set(names(a_study())) < set(names(a_study(methods=[method(sweeps=sweeps)])))


def test_a_swept_training_value_shows_in_the_name() -> None:
    default, swept = names(a_study(methods=[method(sweeps={"batch_size": [128]})]))
    assert "batch_size" not in default
    assert "batch_size=128" in swept


def test_extra_seeds_are_for_the_default_point_only() -> None:
    found = runs(a_study(default_seeds=[1, 2]))
    assert sorted(r.settings.seed for r in found if r.sweep == "default") == [0, 1, 2]
    assert [r.settings.seed for r in found if r.sweep != "default"] == [0]


def test_extra_seeds_are_for_the_default_point_in_a_grid_as_well() -> None:
    found = runs(a_study(default_seeds=[1], methods=[method(grid={"temperature": [0.1, 0.2]})]))
    points = [(vars(r.settings.hyperparameters)["temperature"], r.settings.seed) for r in found]
    assert points == [(0.1, 0), (0.2, 0), (0.2, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"lr": 0.5, "optimizer": "adamw", "epochs": 11}},
        {"training": {"lr": 0.5, "optimizer": "adamw", "weight_decay": 1e-5}},
        {"encoder": {"name": "resnet18"}},
        {"projector": {"widths": [16]}},
        {"augmentation": {"recipe": "byol"}},
        {"source": "b", "targets": ["a"]},
        {"datasets": {n: {"reader": "shapes", "size": 16} for n in "ab"}},
        {"datasets": {n: {"reader": "shapes", "size": 32, "options": {"noise": 0}} for n in "ab"}},
    ],
)
def test_anything_that_decides_the_weights_changes_the_identity(change: dict[str, Any]) -> None:
    assert not set(names(a_study())) & set(names(a_study(**change)))


def test_where_the_data_lies_and_what_is_evaluated_do_not_change_the_identity() -> None:
    moved = {n: {"reader": "shapes", "size": 32, "root": "/x", "licence": "?"} for n in "ab"}
    assert names(a_study(targets=[], datasets=moved)) == names(a_study())


@given(temperature=st.floats(1e-8, 1e8), lr=st.floats(1e-12, 1e9), seed=st.integers(0, 2**32 - 1))
def test_a_name_is_one_safe_path_component(temperature: float, lr: float, seed: int) -> None:
    default = {"temperature": temperature, "lr": lr}
    (name,) = names(a_study(methods=[method(default=default)], seeds=[seed]))
    assert not set(name) & set("/,\\ '\"")
    values = dict(part.split("=") for part in name.rsplit("-", 1)[0].split("+") if "=" in part)
    assert int(values["seed"]) == seed


def test_a_method_may_stand_in_a_study_twice_each_with_its_own_default() -> None:
    cold = method(default={"temperature": 0.1}, sweeps={"lr": [0.5, 1.0]})
    warm = method(default={"temperature": 0.9}, sweeps={"lr": [0.5, 1.0]})
    study = a_study(methods=[cold, warm])
    assert sorted(temperatures(study)) == [(0.1, 0.5), (0.1, 1.0), (0.9, 0.5), (0.9, 1.0)]
    assert len(set(names(study))) == 4


def test_a_run_is_the_same_on_the_other_side_of_a_process() -> None:
    for run in runs(a_study(default_seeds=[1])):
        assert run_from_json(canonical(run.settings)) == run.settings
        assert run_from_json(plain(run.settings)) == run.settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "SimCRL"}, r"run\.method: 'SimCRL' is not known, did you mean 'SimCLR'"),
        ({"method": ["SimCLR"]}, r"run\.method: \['SimCLR'\] is not known"),
        ({"encoder": {"name": "net"}}, r"run\.encoder\.name: 'net' is not known"),
        ({"encoder": 3}, r"run\.encoder: 3 is not of type object"),
        ({"source": {"name": "a", "reader": "x"}}, r"run\.source\.reader: 'x' is not known"),
        ({"source": None}, r"run\.source: None is not of type object"),
        ({"training": {"epoch": 3}}, r"run\.training\.epoch: unknown key, did you mean 'epochs'"),
        ({"hyperparameters": {"temperature": "x"}}, r"run\.hyperparameters\.temperature: 'x' is"),
        ({"seed": -1}, r"run\.seed: -1 is out of bounds"),
        ({"sed": 1}, r"run\.sed: unknown key"),
    ],
)
def test_what_is_no_run_is_refused(change: dict[str, Any], message: str) -> None:
    form = plain(runs(a_study())[0].settings)
    with pytest.raises(UserError, match=message):
        run_from_json(form | change)


@pytest.mark.parametrize("text", ["", "{", "3", "[]", "{}", '{"method": "SimCLR"}'])
def test_what_is_no_json_of_a_run_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="run: is not the settings of a run"):
        run_from_json(text)
