"""Mistakes in a config: each gives one line with the key, the value and what is allowed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rankme.errors import UserError
from rankme.plugins import LIBRARY
from rankme.study import choices
from rankme.study.config import load_study, read_study, study_name
from rankme.study.runs import runs
from rankme.study.settings import EncoderSettings, Rank
from tests.rankme.study.configs import (
    STUDIES,
    assert_one_mistake,
    cases,
    changed,
    loaded_by,
    mistakes,
)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_config_of_the_project_is_a_study_and_says_command_runs_hours_and_disk(
    file: Path,
) -> None:
    """And the number of runs is the one that it has."""
    text = file.read_text()
    comment = text[: text.index("\nstudy:")]
    assert "#   snakemake" in comment
    assert file.name == "config.yaml" or f"--configfile config/{file.name}" in comment
    assert re.search(rf"^# Runs: {len(runs(read_study(file)))}$", comment, re.MULTILINE)
    assert re.search(r"^# (Hours|Minutes): \d[\d,]* ", comment, re.MULTILINE)
    assert re.search(r"^# Disk: [\d.]+ [MGT]B$", comment, re.MULTILINE)


def test_a_number_with_an_exponent_but_no_dot_is_a_number() -> None:
    config = changed("training: {weight_decay: 1e-6}")
    assert isinstance(config["training"]["weight_decay"], str)
    assert load_study(config).training.weight_decay == 1e-6


def test_one_and_one_point_zero_are_the_same_run() -> None:
    one, same = (
        runs(load_study(changed(f"methods: [{{name: VICReg, default: {{covariance: {value}}}}}]")))
        for value in ("2", "2.0")
    )
    assert one[0].name == same[0].name


def test_what_is_left_out_has_its_default() -> None:
    config = changed("{}")
    del config["training"]["weight_decay"], config["rank"]
    study = load_study(config)
    assert study.training.weight_decay == 1e-6
    assert study.rank == Rank(
        samples=25600,
        eps=1e-7,
        alpha_fit=(10, 100),
        pair_rows=2048,
        lidar_images=1000,
        lidar_views=10,
    )


CASES = """
sorce: shapes
    sorce: unknown key, did you mean 'source'? Allowed: study, pathvars, datasets
training: {epoch: 3}
    training.epoch: unknown key, did you mean 'epochs'? Allowed: epochs
training: {1: 2}
    training.1: unknown key...Allowed: epochs
methods: [{default: {}}]
    methods[0].name: missing; give it a value (Method, as
methods: [{name: SimCRL}]
    methods[0].name: 'SimCRL' is not known, did you mean 'SimCLR'? Allowed:
methods: [{name: SimCLR}, {name: vicreg}]
    methods[1].name: 'vicreg' is not known, did you mean 'VICReg'? Allowed:
source: shape
    source: 'shape' is not declared in ...did you mean 'shapes'? Allowed: shapes, textures
targets: [textures, digit]
    targets[1]: 'digit' is not declared in ...did you mean 'digits'?
augmentation: {recipe: SimCLR}
    augmentation.recipe: 'SimCLR' is not known, did you mean 'simclr'? Allowed: byol
methods: [{name: SimCLR, default: {temprature: 0.1}}]
    methods[0] (SimCLR).default.temprature: unknown key, did you mean 'temperature'?
methods: [{name: SimCLR, sweeps: {covariance: [1]}}]
    methods[0] (SimCLR).sweeps.covariance: unknown key...Allowed: temperature, epochs
methods: [{name: SimCLR, sweeps: {seed: [0, 1]}}]
    methods[0] (SimCLR).sweeps.seed: unknown key...write `seeds: [0, 1, 2]` there
methods: [{name: SimCLR, sweeps: {encoder: [resnet10]}}]
    methods[0] (SimCLR).sweeps.encoder: unknown key; it is one for the whole study: write a config
methods: [{name: SimCLR, grid: {width: [16, 32]}}]
    methods[0] (SimCLR).grid.width: unknown key; it is one for the whole study...Allowed: temp
training: {epochs: many}
    training.epochs: 'many' is not of type integer (Passes over the source.)
methods: [{name: SimCLR, default: {temperature: 0}}]
    methods[0] (SimCLR).default.temperature: 0 is out of bounds, must be > 0
training: {batch_size: 2097152}
    training.batch_size: 2097152 is out of bounds, must be <= 1048576
methods: [{name: SimCLR, sweeps: {lr: [0.1, .inf]}}]
    methods[0] (SimCLR).sweeps.lr[1]: inf is not a finite number
methods: [{name: SimCLR, sweeps: {temperature: []}}]
    methods[0] (SimCLR).sweeps.temperature: [] is too short, give at least 1
methods: [{name: SimCLR, sweeps: {temperature: 0.1}}]
    methods[0] (SimCLR).sweeps.temperature: 0.1 is not of type array...; write [0.1]
methods: [{name: SimCLR, sweeps: {temperature: [1, 0.5, 1.0]}}]
    methods[0] (SimCLR).sweeps.temperature: [1, 0.5, 1.0] names 1.0 twice; remove one
methods: [{name: SimCLR, default: {temperature: [0.1, 0.2]}}]
    methods[0] (SimCLR).default.temperature: [0.1, 0.2] is not of type number...; give one value, no
training: null
    training: None is not of type object...; leave the key out, or put keys of its own below it
methods: [SimCLR]
    methods[0]: 'SimCLR' is not of type object...; write {name: SimCLR}
methods: SimCLR
    methods: 'SimCLR' is not of type array...; write [{name: SimCLR}]
methods: {name: SimCLR}
    methods: {'name': 'SimCLR'} is not of type array...; begin each item with a dash
encoder: resnet18
    encoder: 'resnet18' is not of type object...; write {name: resnet18}
seeds: 3
    seeds: 3 is not of type array...; write [3]
targets: {digits: null, textures: null}
    targets: ... is not of type array...; write [digits, textures]
training: {optimizer: adam}
    training.optimizer: 'adam' is not known, did you mean 'adamw'? Allowed: adamw, sgd
encoder: {name: resnet17}
    encoder.name: 'resnet17' is not known, did you mean 'resnet1
targets: [digits, digits]
    targets: ...names 'digits' twice; remove one
augmentation: {crop_scale: [0.1, 0.2, 0.3]}
    augmentation.crop_scale: [0.1, 0.2, 0.3] is too long, give at most 2
augmentation: {crop_scale: [1.0, 0.2]}
    augmentation.crop_scale: [1.0, 0.2] must rise
probe: {crop_scale: [1.0, 0.2]}
    probe.crop_scale: [1.0, 0.2] must rise
rank: {alpha_fit: [100, 10]}
    rank.alpha_fit: [100, 10] must rise
rank: {lidar_views: 1}
    rank.lidar_views: 1 is out of bounds, must be >= 2 (
probe: {readouts: [knn]}
    probe.readouts: ['knn'] ...linear is always among it
projector: {widths: [64, 1]}
    projector.widths[1]: 1 is out of bounds, must be >= 2
datasets: nowhere.yaml
    nowhere.yaml: cannot be read (No such file or directory)
datasets: [mine]
    datasets: ['mine'] is no mapping...`my-photos: {reader: image_folder, root:
"""


@pytest.mark.parametrize(("change", "said"), cases(CASES))
def test_a_mistake_is_one_line_that_says_what_is_allowed(change: str, said: str) -> None:
    assert_one_mistake(change, said)


def test_a_missing_key_is_named() -> None:
    config = changed("{}")
    del config["source"]
    with pytest.raises(UserError, match=r"^source: missing; give it a value \(Dataset to pre.*$"):
        load_study(config)


def test_the_mistakes_of_all_parts_are_told_at_once() -> None:
    keys = [
        line.split(":")[0]
        for line in mistakes(
            "{training: {epoch: 3, optimizer: adam}, encoder: {width: 0},"
            " datasets: {mine: {reader: shapes, size: 32, options: {noise: 2}}}}"
        )
    ]
    assert sorted(keys) == [
        "datasets.mine.options.noise",
        "encoder.width",
        "training.epoch",
        "training.optimizer",
    ]
    told = mistakes(
        "methods: [{name: SimCLR, default: {lr: 0}, sweeps: {tau: [1]}, grid: {lr: [x]}},"
        " {name: VICReg, default: {covariance: -1}}]"
    )
    assert [line.split(":")[0].split(").")[1] for line in told] == [
        "default.lr",
        "sweeps.tau",
        "grid.lr[0]",
        "default.covariance",
    ]


@pytest.mark.parametrize(
    "tracking",
    [{"uri": "ftp://me:s3cret@h"}, "sqlite://s3cret", {"a@s3cret": 1}, {"uri": ["s3cret"]}],
)
def test_no_mistake_repeats_what_may_be_a_password(tracking: Any) -> None:
    assert "s3cret" not in "".join(mistakes({"tracking": tracking}))


def test_settings_of_an_encoder_are_known_with_it_and_with_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Options(EncoderSettings):
        depth: int = 3

    known = choices.encoders() | {"net": Options}
    monkeypatch.setattr(choices, "encoders", lambda: known)
    encoder = load_study(changed("encoder: {name: net}")).encoder
    assert encoder == Options(name="net", width=32, stem="stride2", depth=3)
    assert "depth" not in dict(load_study(changed("{}")).encoder)
    assert_one_mistake("encoder: {depth: 3}", "encoder.depth: unknown key")


def test_a_study_is_named_by_its_file_unless_it_says_another(tmp_path: Path) -> None:
    assert study_name([]) == study_name(["any/config.yaml"]) == "default"
    assert study_name(["config/my study.yaml", "more.yaml"]) == "my-study"
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in changed("{}").items() if k != "study"}))
    assert read_study(file).study == "mine"


def test_a_config_in_utf_8_is_read_whatever_the_locale(tmp_path: Path) -> None:
    own = {"bilder": {"reader": "shapes", "size": 32, "description": "schöne Bilder"}}
    text = yaml.safe_dump(changed({"datasets": own, "source": "bilder"}), allow_unicode=True)
    (tmp_path / "étude.yaml").write_text(text, encoding="utf-8")
    program = (
        "import pathlib; from rankme.study.config import read_study;"
        "study = read_study(next(pathlib.Path().glob('*.yaml')));"
        "print(ascii(study.datasets['bilder'].description))"
    )
    environment = {"PYTHONPATH": str(LIBRARY.parent), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    shown = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == ascii("schöne Bilder")


def test_a_study_is_read_without_what_takes_seconds_to_load() -> None:
    loaded = loaded_by(
        "from pathlib import Path; from rankme.study.config import read_study;"
        f"read_study(Path({str(STUDIES[0])!r}))"
    )
    assert "rankme.study.config" in loaded
    assert not {"torch", "torchvision", "pandas", "scipy", "sklearn", "snakemake"} & loaded
