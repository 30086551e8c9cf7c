"""Config -> runs -> names: what is one run, and what its directory is called."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import study

TRAINING = {
    "epochs": 10,
    "batch_size": 256,
    "lr": 0.5,
    "weight_decay": 1e-6,
    "optimizer": "adamw",
}


def a_study(**changes: Any) -> dict[str, Any]:
    simclr = {
        "name": "SimCLR",
        "default": {"temperature": 0.15},
        "sweeps": {"temperature": [0.1, 0.15]},
        "grid": {},
    }
    whole = {
        "source": "a",
        "targets": ["b"],
        "seeds": [0],
        "default_seeds": [],
        "datasets": {
            name: {
                "reader": "shapes",
                "size": 32,
                "options": {},
                "skip_unreadable": 0,
                "root": "/x",
            }
            for name in "ab"
        },
        "encoder": {"name": "resnet10"},
        "projector": {"widths": [8]},
        "augmentation": {"recipe": "simclr"},
        "training": dict(TRAINING),
        "methods": [simclr],
    }
    return {**copy.deepcopy(whole), **changes}


def method(**changes: Any) -> dict[str, Any]:
    return {"name": "SimCLR", "default": {"temperature": 0.15}, "sweeps": {}, "grid": {}, **changes}


def names(config: dict[str, Any]) -> list[str]:
    return [run.name for run in study.runs(config)]


def test_a_name_reads_values_then_seed_then_a_hash() -> None:
    name = names(a_study())[0]
    readable, identity = name.rsplit("-", 1)
    assert readable == "lr=0.5+temperature=0.15+seed=0"
    assert len(identity) == 8
    assert int(identity, 16) >= 0


def test_a_point_reached_twice_is_one_run() -> None:
    grid = {"temperature": [0.15, 0.1], "lr": [0.5]}
    config = a_study(methods=[method(sweeps={"temperature": [0.1, 0.15]}, grid=grid)])
    assert len(names(config)) == 2
    twice = a_study(methods=[method(), method()])
    assert len(names(twice)) == 1


def test_a_grid_is_the_product_and_holds_no_extra_default_point() -> None:
    config = a_study(methods=[method(grid={"temperature": [0.1, 0.2], "lr": [1.0, 2.0]})])
    found = [
        (r.settings["hyperparameters"]["temperature"], r.settings["training"]["lr"])
        for r in study.runs(config)
    ]
    assert found == [(0.1, 1.0), (0.1, 2.0), (0.2, 1.0), (0.2, 2.0)]


def test_adding_a_sweep_renames_no_run() -> None:
    before = names(a_study())
    sweeps = {"temperature": [0.1, 0.15], "batch_size": [128, 256], "weight_decay": [1e-5]}
    after = names(a_study(methods=[method(sweeps=sweeps)]))
    assert set(before) < set(after)


def test_a_swept_training_value_shows_in_the_name() -> None:
    config = a_study(methods=[method(sweeps={"batch_size": [128]})])
    default, swept = names(config)
    assert "batch_size" not in default
    assert "batch_size=128" in swept


def test_extra_seeds_are_for_the_default_point_only() -> None:
    runs = study.runs(a_study(default_seeds=[1, 2]))
    assert sorted(r.settings["seed"] for r in runs if r.sweep == "default") == [0, 1, 2]
    assert [r.settings["seed"] for r in runs if r.sweep != "default"] == [0]


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("training", {**TRAINING, "epochs": 11}),
        ("training", {**TRAINING, "weight_decay": 1e-5}),
        ("encoder", {"name": "resnet18"}),
        ("projector", {"widths": [16]}),
        ("augmentation", {"recipe": "byol"}),
        ("source", "b"),
    ],
)
def test_anything_that_decides_the_weights_changes_the_identity(section: str, change: Any) -> None:
    assert not set(names(a_study())) & set(names(a_study(**{section: change})))


def test_where_the_data_lies_and_what_is_evaluated_do_not_change_the_identity() -> None:
    moved = a_study(targets=[])
    moved["datasets"]["a"]["root"] = "/elsewhere"
    assert names(moved) == names(a_study())


@given(
    temperature=st.floats(1e-8, 1e8, allow_nan=False), lr=st.floats(1e-12, 1e9), seed=st.integers(0)
)
def test_a_name_is_one_safe_path_component(temperature: float, lr: float, seed: int) -> None:
    config = a_study(methods=[method(default={"temperature": temperature, "lr": lr})], seeds=[seed])
    (name,) = names(config)
    assert not set(name) & set("/,\\ '\"")
    values = dict(part.split("=") for part in name.rsplit("-", 1)[0].split("+") if "=" in part)
    assert int(values["seed"]) == seed


def test_methods_are_read_without_importing_torch() -> None:
    found = study.methods()
    assert {"SimCLR", "VICReg"} <= found.keys()
    assert "temperature" in found["SimCLR"]
    program = "import sys, study; study.methods(); study.encoders(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=study.LIBRARY.parents[1] / "workflow",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "numpy", "yaml", "snakemake"} & set(loaded)


def test_a_reader_says_whether_its_datasets_have_labels() -> None:
    config = a_study()
    config["datasets"]["b"]["reader"] = "unlabelled_folder"
    assert study.evaluation_datasets(config) == ["a", "b"]
    assert study.labelled_datasets(config) == ["a"]


def test_controls_are_the_methods_whose_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "methods").mkdir()
    for name, line in (("plain", ""), ("bound", "CONTROL = True"), ("other", "CONTROL = False")):
        (tmp_path / f"methods/{name}.py").write_text(f"NAME = {name!r}\n{line}\n")
    study._literals.cache_clear()
    monkeypatch.setattr(study, "LIBRARY", tmp_path)
    assert study.controls() == {"bound"}
    study._literals.cache_clear()
