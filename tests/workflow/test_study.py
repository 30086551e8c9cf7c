"""Config -> runs -> names: what is one run, and what its directory is called."""

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import study
from rankme.errors import UserError

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


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library without any method or encoder."""
    for package in ("methods", "models/encoders"):
        (tmp_path / package).mkdir(parents=True)
    study._offers.cache_clear()
    monkeypatch.setattr(study, "LIBRARY", tmp_path)
    yield tmp_path
    study._offers.cache_clear()


METHOD = "NAME = {!r}\nHYPERPARAMETERS = {}\n"


def test_two_files_of_one_name_are_refused_and_both_named(library: Path) -> None:
    for name in ("first", "second"):
        (library / f"methods/{name}.py").write_text(METHOD.format("Mine", {}))
        (library / f"models/encoders/{name}.py").write_text("NAMES = ('mine',)")
    with pytest.raises(UserError, match=r"second\.py: 'Mine' is offered by \S+first\.py"):
        study.methods()
    with pytest.raises(UserError, match=r"second\.py: 'mine' is offered by \S+first\.py"):
        study.encoders()


@pytest.mark.parametrize(
    ("hyperparameters", "mistake"),
    [
        ({"weight": {"type": "number"}}, r"HYPERPARAMETERS\['weight'\] needs a default"),
        ({"weight": 3}, r"HYPERPARAMETERS\['weight'\] needs a default"),
        ("dict(weight=1)", "HYPERPARAMETERS must be a mapping of literals"),
    ],
)
def test_a_method_whose_hyperparameters_cannot_be_read_is_named(
    library: Path, hyperparameters: Any, mistake: str
) -> None:
    (library / "methods/mine.py").write_text(METHOD.format("Mine", hyperparameters))
    with pytest.raises(UserError, match=rf"mine\.py: {mistake}"):
        study.methods()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("NAMES = ('net')", "NAMES must be a tuple"),
        ("NAMES = ('net',)\nSETTINGS = dict(depth=1)", "SETTINGS must be a mapping of literals"),
    ],
)
def test_an_encoder_whose_file_cannot_be_read_is_named(
    library: Path, text: str, mistake: str
) -> None:
    (library / "models/encoders/mine.py").write_text(text)
    with pytest.raises(UserError, match=rf"mine\.py: {mistake}"):
        study.encoders()


def test_settings_of_an_encoder_are_those_of_its_file(library: Path) -> None:
    depth = {"depth": {"type": "integer", "default": 3}}
    (library / "models/encoders/a.py").write_text(f"NAMES = ('net', 'nett')\nSETTINGS = {depth}")
    (library / "models/encoders/b.py").write_text("NAMES = ('other',)")
    assert study.encoders() == {"net": depth, "nett": depth, "other": {}}


def test_methods_are_read_without_importing_torch() -> None:
    found = study.methods()
    assert {"SimCLR", "VICReg"} <= found.keys()
    assert "temperature" in found["SimCLR"]
    program = "import sys, study; study.methods(); study.encoders(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=study.LIBRARY.parents[1] / "workflow",
        env={**os.environ, "PYTHONPATH": str(study.LIBRARY.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "numpy", "yaml", "snakemake"} & set(loaded)


def test_controls_are_those_whose_files_say_so() -> None:
    assert study.controls() == {"RandomInit", "Supervised"}
    assert [name for name in study.methods() if study.uses_labels(name)] == ["Supervised"]


def test_a_method_may_stand_in_a_study_twice_each_with_its_own_default() -> None:
    cold = method(default={"temperature": 0.1}, sweeps={"lr": [0.5, 1.0]})
    warm = method(default={"temperature": 0.9}, sweeps={"lr": [0.5, 1.0]})
    runs = study.runs(a_study(methods=[cold, warm]))
    points = [
        (run.settings["hyperparameters"]["temperature"], run.settings["training"]["lr"])
        for run in runs
    ]
    assert sorted(points) == [(0.1, 0.5), (0.1, 1.0), (0.9, 0.5), (0.9, 1.0)]
    assert len({run.name for run in runs}) == 4


def test_the_rank_regulariser_is_swept_like_any_hyperparameter() -> None:
    training = TRAINING | {"rank_weight": 0.0, "rank_target": 0.0}
    swept = method(
        default={"rank_weight": 1.0, "rank_target": 16.0},
        sweeps={"rank_target": [4.0, 16.0], "rank_weight": [0.0]},
    )
    runs = study.runs(a_study(training=training, methods=[swept]))
    points = [[r.settings["training"][f"rank_{key}"] for key in ("weight", "target")] for r in runs]
    assert points == [[1.0, 16.0], [1.0, 4.0], [0.0, 16.0]]
    assert "rank_target=4" in runs[1].name


def compute(**values: Any) -> dict[str, Any]:
    return {"processes": 0, "gpus": 0, "nodes": 1, "gpu_kind": ""} | values


@pytest.mark.parametrize(
    ("values", "processes"),
    [({}, 1), ({"gpus": 4}, 4), ({"processes": 3}, 3), ({"gpus": 4, "processes": 2}, 2)],
)
def test_there_is_one_process_a_gpu_unless_the_config_says_otherwise(values, processes) -> None:
    assert study.processes(compute(**values)) == processes


def test_a_job_on_one_node_asks_for_nothing_special() -> None:
    assert study.node_resources(compute(gpus=4)) == {}


def test_a_job_on_several_nodes_asks_for_equal_gpus_on_each_and_one_task() -> None:
    resources = study.node_resources(compute(gpus=4, nodes=2, gpu_kind="a100"))
    assert resources["gres"] == "gpu:a100:4"
    assert (resources["nodes"], resources["tasks"]) == (2, 2)
    assert "gres" not in study.node_resources(compute(nodes=2))


def test_a_reader_says_whether_its_datasets_have_labels() -> None:
    config = a_study()
    config["datasets"]["b"]["reader"] = "unlabelled_folder"
    assert study.evaluation_datasets(config) == ["a", "b"]
    assert study.labelled_datasets(config) == ["a"]


def test_controls_are_the_methods_whose_file_says_so(library: Path) -> None:
    for name, line in (("plain", ""), ("bound", "CONTROL = True"), ("other", "CONTROL = False")):
        (library / f"methods/{name}.py").write_text(METHOD.format(name, {}) + line)
    assert study.controls() == {"bound"}
