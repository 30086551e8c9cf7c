"""Mistakes in a config: each gives one line with the key, the value and what is allowed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rankme.errors import UserError
from rankme.plugins import LIBRARY
from rankme.study import config as room
from rankme.study.choices import encoders
from rankme.study.config import load_study, read_study, study_name
from rankme.study.runs import runs
from rankme.study.settings import EncoderSettings, Rank
from tests.rankme.study.configs import STUDIES, Config, mistakes, the_default


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
    config = the_default()
    config["training"]["weight_decay"] = yaml.safe_load("1e-6")
    assert isinstance(config["training"]["weight_decay"], str)
    assert load_study(config).training.weight_decay == 1e-6


def test_one_and_one_point_zero_are_the_same_run() -> None:
    def names(value: float) -> list[str]:
        method = {"name": "VICReg", "default": {"covariance": value}}
        return [run.name for run in runs(load_study(the_default() | {"methods": [method]}))]

    assert names(2) == names(2.0)


def test_what_is_left_out_has_its_default() -> None:
    config = the_default()
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


CASES: dict[str, tuple[Callable[[Config], Any], list[str]]] = {
    "unknown key": (
        lambda c: c.update(sorce="shapes"),
        ["sorce: unknown key, did you mean 'source'? Allowed: "],
    ),
    "unknown nested key": (
        lambda c: c["training"].update(epoch=3),
        ["training.epoch: unknown key, did you mean 'epochs'? Allowed: "],
    ),
    "key that is no string": (
        lambda c: c["training"].update({1: 2}),
        ["training.1: unknown key", "Allowed: "],
    ),
    "missing key": (lambda c: c.pop("source"), ["source: missing; give it a value"]),
    "unknown method": (
        lambda c: c["methods"][0].update(name="SimCRL"),
        ["methods[0].name: 'SimCRL' is not known, did you mean 'SimCLR'? Allowed: "],
    ),
    "method in another case": (
        lambda c: c["methods"][1].update(name="vicreg"),
        ["methods[1].name: 'vicreg' is not known, did you mean 'VICReg'? Allowed: "],
    ),
    "unknown source": (
        lambda c: c.update(source="shape"),
        ["source: 'shape' is not declared in ", "did you mean 'shapes'? Allowed: "],
    ),
    "unknown target": (
        lambda c: c["targets"].append("digit"),
        ["targets[2]: 'digit' is not declared in ", "did you mean 'digits'?"],
    ),
    "unknown recipe": (
        lambda c: c.update(augmentation={"recipe": "SimCLR"}),
        ["augmentation.recipe: 'SimCLR' is not known, did you mean 'simclr'? Allowed: byol"],
    ),
    "unknown hyperparameter": (
        lambda c: c["methods"][0]["default"].update(temprature=0.1),
        ["methods[0] (SimCLR).default.temprature: unknown key, did you mean 'temperature'?"],
    ),
    "hyperparameter of another method": (
        lambda c: c["methods"][0]["sweeps"].update(covariance=[1]),
        ["methods[0] (SimCLR).sweeps.covariance: unknown key", "temperature"],
    ),
    "sweep of the seed": (
        lambda c: c["methods"][0]["sweeps"].update(seed=[0, 1]),
        ["methods[0] (SimCLR).sweeps.seed: unknown key", "write `seeds: [0, 1, 2]` there"],
    ),
    "sweep of the encoder": (
        lambda c: c["methods"][0]["sweeps"].update(encoder=["resnet10", "resnet18"]),
        ["sweeps.encoder: unknown key; it is one for the whole study", "a config for each value"],
    ),
    "grid of a key of the encoder": (
        lambda c: c["methods"][0].update(grid={"width": [16, 32]}),
        ["grid.width: unknown key; it is one for the whole study", "a config for each value"],
    ),
    "wrong type": (
        lambda c: c["training"].update(epochs="many"),
        ["training.epochs: 'many' is not of type integer (Passes over the source.)"],
    ),
    "number in quotes": (
        lambda c: c["training"].update(epochs="3"),
        ["training.epochs: '3' is not of type integer", "; write 3 without quotes"],
    ),
    "number for a name": (
        lambda c: c.update(study=2026),
        ["study: 2026 is not of type string", "; write '2026' in quotes"],
    ),
    "fraction of an epoch": (
        lambda c: c["training"].update(epochs=1.5),
        ["training.epochs: 1.5 is not of type integer"],
    ),
    "float for an integer": (
        lambda c: c["training"].update(epochs=10.0),
        ["training.epochs: 10.0 is not of type integer", "; write 10"],
    ),
    "boolean for a number": (
        lambda c: c["training"].update(lr=True),
        ["training.lr: True is not of type number"],
    ),
    "number for one of several": (
        lambda c: c["training"].update(compile=1),
        ["training.compile: 1 is not known; Allowed: true, false, auto"],
    ),
    "out of bounds": (
        lambda c: c["methods"][0]["default"].update(temperature=0),
        ["methods[0] (SimCLR).default.temperature: 0 is out of bounds, must be > 0"],
    ),
    "above a large bound": (
        lambda c: c["training"].update(batch_size=2**21),
        ["training.batch_size: 2097152 is out of bounds, must be <= 1048576"],
    ),
    "not a number": (
        lambda c: c["training"].update(lr=float("nan")),
        ["training.lr: nan is not a finite number"],
    ),
    "infinite": (
        lambda c: c["methods"][0]["sweeps"].update(lr=[0.1, float("inf")]),
        ["methods[0] (SimCLR).sweeps.lr[1]: inf is not a finite number"],
    ),
    "empty sweep": (
        lambda c: c["methods"][0]["sweeps"].update(temperature=[]),
        ["methods[0] (SimCLR).sweeps.temperature: [] is too short, give at least 1"],
    ),
    "one value for a sweep": (
        lambda c: c["methods"][0]["sweeps"].update(temperature=0.1),
        ["sweeps.temperature: 0.1 is not of type array", "; write [0.1]"],
    ),
    "value twice in a sweep": (
        lambda c: c["methods"][0]["sweeps"].update(temperature=[1, 0.5, 1.0]),
        ["sweeps.temperature: [1, 0.5, 1.0] names 1.0 twice; remove one"],
    ),
    "list for a default": (
        lambda c: c["methods"][0]["default"].update(temperature=[0.1, 0.2]),
        ["default.temperature: [0.1, 0.2] is not of type number", "; give one value, no list"],
    ),
    "empty section": (
        lambda c: c.update(training=None),
        ["training: None is not of type object", "; leave the key out, or put keys of its own"],
    ),
    "methods by their names": (
        lambda c: c.update(methods=["SimCLR"]),
        ["methods[0]: 'SimCLR' is not of type object", "; write {name: SimCLR}"],
    ),
    "one method by its name": (
        lambda c: c.update(methods="SimCLR"),
        ["methods: 'SimCLR' is not of type array", "; write [{name: SimCLR}]"],
    ),
    "method without a dash": (
        lambda c: c.update(methods={"name": "SimCLR"}),
        ["methods: {'name': 'SimCLR'} is not of type array", "; begin each item with a dash"],
    ),
    "encoder by its name": (
        lambda c: c.update(encoder="resnet18"),
        ["encoder: 'resnet18' is not of type object", "; write {name: resnet18}"],
    ),
    "one seed": (
        lambda c: c.update(seeds=3),
        ["seeds: 3 is not of type array", "; write [3]"],
    ),
    "one width": (
        lambda c: c["projector"].update(widths=64),
        ["projector.widths: 64 is not of type array", "; write [64]"],
    ),
    "targets in braces": (
        lambda c: c.update(targets={"digits": None, "textures": None}),
        ["targets: ", " is not of type array", "; write [digits, textures]"],
    ),
    "unknown choice": (
        lambda c: c["training"].update(optimizer="adam"),
        ["training.optimizer: 'adam' is not known, did you mean 'adamw'? Allowed: adamw, sgd"],
    ),
    "unknown encoder": (
        lambda c: c["encoder"].update(name="resnet17"),
        ["encoder.name: 'resnet17' is not known, did you mean 'resnet1"],
    ),
    "target twice": (
        lambda c: c["targets"].append("digits"),
        ["targets: ", "names 'digits' twice; remove one"],
    ),
    "too many values": (
        lambda c: c["augmentation"].update(crop_scale=[0.1, 0.2, 0.3]),
        ["augmentation.crop_scale: [0.1, 0.2, 0.3] is too long, give at most 2"],
    ),
    "too few values": (
        lambda c: c["augmentation"].update(crop_scale=[]),
        ["augmentation.crop_scale: [] is too short, give at least 2"],
    ),
    "crop scale upside down": (
        lambda c: c["augmentation"].update(crop_scale=[1.0, 0.2]),
        ["augmentation.crop_scale: [1.0, 0.2] must rise"],
    ),
    "crop scale of the probe upside down": (
        lambda c: c["probe"].update(crop_scale=[1.0, 0.2]),
        ["probe.crop_scale: [1.0, 0.2] must rise"],
    ),
    "alpha-ReQ's range upside down": (
        lambda c: c["rank"].update(alpha_fit=[100, 10]),
        ["rank.alpha_fit: [100, 10] must rise"],
    ),
    "one view for LiDAR": (
        lambda c: c["rank"].update(lidar_views=1),
        ["rank.lidar_views: 1 is out of bounds, must be >= 2 "],
    ),
    "probe without its main read-out": (
        lambda c: c["probe"].update(readouts=["knn"]),
        ["probe.readouts: ['knn'] ", "linear is always among it"],
    ),
    "embeddings of one dimension": (
        lambda c: c.update(projector={"widths": [64, 1]}),
        ["projector.widths[1]: 1 is out of bounds, must be >= 2"],
    ),
    "no such datasets file": (
        lambda c: c.update(datasets="nowhere.yaml"),
        ["nowhere.yaml: cannot be read (No such file or directory)"],
    ),
    "datasets in a list": (
        lambda c: c.update(datasets=["mine"]),
        ["datasets: ['mine'] is no mapping", "`my-photos: {reader: image_folder, root: "],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_line_that_says_what_is_allowed(case: str) -> None:
    change, expected = CASES[case]
    config = the_default()
    change(config)
    (line,) = mistakes(config)
    for part in expected:
        assert part in line


def test_the_mistakes_of_all_parts_are_told_at_once() -> None:
    config = the_default()
    config["training"].update(epoch=3, optimizer="adam")
    config["encoder"].update(width=0)
    config["datasets"] = {"mine": {"reader": "shapes", "size": 32, "options": {"noise": 2}}}
    keys = [line.split(":")[0] for line in mistakes(config)]
    assert sorted(keys) == [
        "datasets.mine.options.noise",
        "encoder.width",
        "training.epoch",
        "training.optimizer",
    ]
    config = the_default()
    config["methods"][0].update(default={"lr": 0}, sweeps={"tau": [1]}, grid={"lr": ["x"]})
    config["methods"][1].update(default={"covariance": -1})
    assert [line.split(":")[0].split(").")[1] for line in mistakes(config)] == [
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
    assert "s3cret" not in "".join(mistakes(the_default() | {"tracking": tracking}))


def test_settings_of_an_encoder_are_known_with_it_and_with_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Options(EncoderSettings):
        depth: int = 3

    known = encoders() | {"net": Options}
    monkeypatch.setattr(room, "encoders", lambda: known)

    def encoder(**settings: Any) -> EncoderSettings:
        return load_study(the_default() | {"encoder": settings}).encoder

    assert encoder(name="net") == Options(name="net", depth=3)
    assert "depth" not in dict(encoder(name="resnet10"))
    with pytest.raises(UserError, match=r"encoder\.depth: unknown key"):
        encoder(name="resnet10", depth=3)


def test_a_study_is_named_by_its_file_unless_it_says_another(tmp_path: Path) -> None:
    assert study_name([]) == study_name(["any/config.yaml"]) == "default"
    assert study_name(["config/my study.yaml", "more.yaml"]) == "my-study"
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in the_default().items() if k != "study"}))
    assert read_study(file).study == "mine"


def test_a_config_in_utf_8_is_read_whatever_the_locale(tmp_path: Path) -> None:
    file = tmp_path / "étude.yaml"
    own = {"bilder": {"reader": "shapes", "size": 32, "description": "schöne Bilder"}}
    text = yaml.safe_dump(the_default() | {"datasets": own, "source": "bilder"}, allow_unicode=True)
    file.write_text(text, encoding="utf-8")
    program = (
        "import pathlib; from rankme.study.config import read_study;"
        "study = read_study(next(pathlib.Path().glob('*.yaml')));"
        "print(ascii(study.datasets['bilder'].description))"
    )
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent), "LC_ALL": "C"}
    shown = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program],
        cwd=tmp_path,
        env={**environment, "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == ascii("schöne Bilder")


def test_a_study_is_read_without_torch() -> None:
    program = (
        "import sys; from pathlib import Path; from rankme.study.config import read_study;"
        f"read_study(Path({str(STUDIES[0])!r})); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(LIBRARY.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "rankme.study.config" in loaded
    assert not {"torch", "torchvision", "pandas", "scipy", "sklearn", "snakemake"} & set(loaded)
