"""Mistakes in a config: each gives one line with the key, the value and what is allowed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import checks
import study
from rankme.errors import UserError
from rankme.schema import read_yaml

ROOT = Path(__file__).resolve().parents[2]
Config = dict[str, Any]


def a_config() -> Config:
    config: Config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["datasets"] = str(ROOT / "config/datasets.yaml")
    return config


def mistakes(change: Callable[[Config], Any]) -> list[str]:
    config = a_config()
    change(config)
    with pytest.raises(UserError) as caught:
        checks.load_study(config)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_config_of_the_project_is_a_study(file: Path) -> None:
    if file.stem != "datasets":
        config = yaml.safe_load(file.read_text())
        config["datasets"] = str(ROOT / "config/datasets.yaml")
        assert checks.load_study(config)["methods"]


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda f: f.stem)
def test_a_study_says_its_command_runs_hours_and_disk(file: Path) -> None:
    """And the number of runs is the one that it has."""
    if file.stem == "datasets":
        return
    text = file.read_text()
    comment = text[: text.index("\nstudy:")]
    assert "#   snakemake" in comment
    assert file.name == "config.yaml" or f"--configfile config/{file.name}" in comment
    config = yaml.safe_load(text) | {"datasets": str(ROOT / "config/datasets.yaml")}
    count = len(study.runs(checks.load_study(config)))
    assert re.search(rf"^# Runs: {count}$", comment, re.MULTILINE)
    assert re.search(r"^# (Hours|Minutes): \d[\d,]* ", comment, re.MULTILINE)
    assert re.search(r"^# Disk: [\d.]+ [MGT]B$", comment, re.MULTILINE)


def test_a_number_with_an_exponent_but_no_dot_is_a_number() -> None:
    config = a_config()
    config["training"]["weight_decay"] = yaml.safe_load("1e-6")
    assert isinstance(config["training"]["weight_decay"], str)
    assert checks.load_study(config)["training"]["weight_decay"] == 1e-6


def test_one_and_one_point_zero_are_the_same_run() -> None:
    def names(value: float) -> list[str]:
        config = a_config()
        config["methods"] = [{"name": "VICReg", "default": {"covariance": value}}]
        return [run.name for run in study.runs(checks.load_study(config))]

    assert names(1) == names(1.0)


def test_defaults_come_from_the_schema() -> None:
    config = a_config()
    del config["training"]["weight_decay"], config["rank"]
    resolved = checks.load_study(config)
    assert resolved["training"]["weight_decay"] == 1e-6
    assert resolved["rank"] == {
        "samples": 25600,
        "eps": 1e-7,
        "alpha_fit": [10, 100],
        "pair_rows": 2048,
        "lidar_images": 1000,
        "lidar_views": 10,
    }


CASES = {
    "unknown key": (
        lambda c: c.update(sorce="shapes"),
        ["sorce: unknown key, did you mean 'source'? Allowed: "],
    ),
    "unknown nested key": (
        lambda c: c["training"].update(epoch=3),
        ["training.epoch: unknown key, did you mean 'epochs'? Allowed: "],
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
    "unknown hyperparameter": (
        lambda c: c["methods"][0]["default"].update(temprature=0.1),
        ["methods[0] (SimCLR).default.temprature: unknown key, did you mean 'temperature'?"],
    ),
    "hyperparameter of another method": (
        lambda c: c["methods"][0]["sweeps"].update(covariance=[1]),
        ["methods[0] (SimCLR).sweeps.covariance: unknown key", "temperature"],
    ),
    "wrong type": (
        lambda c: c["training"].update(epochs="many"),
        ["training.epochs: 'many' is not of type integer (Passes over the source.)"],
    ),
    "fraction of an epoch": (
        lambda c: c["training"].update(epochs=1.5),
        ["training.epochs: 1.5 is not of type integer"],
    ),
    "boolean for a number": (
        lambda c: c["training"].update(lr=True),
        ["training.lr: True is not of type number"],
    ),
    "out of bounds": (
        lambda c: c["methods"][0]["default"].update(temperature=0),
        ["methods[0] (SimCLR).default.temperature: 0 is out of bounds, must be > 0"],
    ),
    "not a number": (
        lambda c: c["training"].update(lr=float("nan")),
        ["training.lr: nan is not a finite number"],
    ),
    "empty sweep": (
        lambda c: c["methods"][0]["sweeps"].update(temperature=[]),
        ["methods[0] (SimCLR).sweeps.temperature: [] is too short, give at least 1"],
    ),
    "empty section": (
        lambda c: c.update(training=None),
        ["training: None is not of type object"],
    ),
    "unknown choice": (
        lambda c: c["training"].update(optimizer="adam"),
        ["training.optimizer: 'adam' is not known, did you mean 'adamw'? Allowed: adamw, sgd"],
    ),
    "unknown encoder": (
        lambda c: c["encoder"].update(name="resnet17"),
        ["encoder.name: 'resnet17' is not known, did you mean 'resnet1"],
    ),
    "batch larger than the data": (
        lambda c: c["training"].update(batch_size=100_000),
        ["training.batch_size: 100000 ", "is larger than the 3072 training images of 'shapes'"],
    ),
    "source among the targets": (
        lambda c: c["targets"].append("shapes"),
        ["targets: the source 'shapes' is evaluated always; remove it here"],
    ),
    "target twice": (
        lambda c: c["targets"].append("digits"),
        ["targets: ", "names something twice"],
    ),
    "more warm-up than training": (
        lambda c: c["training"].update(warmup_epochs=11),
        ["training.warmup_epochs: 11.0 ", "is more than the 10 epochs of the run"],
    ),
    "too many values": (
        lambda c: c["augmentation"].update(crop_scale=[0.1, 0.2, 0.3]),
        ["augmentation.crop_scale: [0.1, 0.2, 0.3] is too long, give at most 2"],
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
    "labels where images have several": (
        lambda c: c.update(
            source="voc2007", targets=[], methods=[{"name": "SimCLR"}, {"name": "Supervised"}]
        ),
        ["methods[1]: Supervised trains with one label an image", "'voc2007' have several"],
    ),
    "rank target above the batch": (
        lambda c: c["methods"][0].update(default={"rank_weight": 1, "rank_target": 129}, sweeps={}),
        ["training.rank_target: 129.0 (SimCLR ", "of 128 embeddings of 256 dim", "use 1 to 128"],
    ),
    "rank target above the layer before the last": (
        lambda c: c.update(
            projector={"widths": [8, 64]}, training={"rank_weight": 1, "rank_target": 9}
        ),
        ["training.rank_target: 9.0 (SimCLR ", "of 8 dimensions", "use 1 to 8"],
    ),
    "embeddings of one dimension": (
        lambda c: c.update(projector={"widths": [64, 1]}),
        ["projector.widths[1]: 1 is out of bounds, must be >= 2"],
    ),
    "rank weight without a target": (
        lambda c: c["training"].update(rank_weight=1),
        ["training.rank_target: 0.0 ", "cannot be the effective rank", "or rank_weight 0"],
    ),
    "local crops larger than the largest global one": (
        lambda c: c.update(
            augmentation={"recipe": "byol", "crop_scale": [0.5, 1.0]},
            methods=[{"name": "DINO", "sweeps": {"student_temperature": [0.07, 0.1]}}],
        ),
        ["crop_split: 0.4 of DINO is not within augmentation.crop_scale [0.5, 1.0]", "between"],
    ),
    "no such datasets file": (
        lambda c: c.update(datasets="nowhere.yaml"),
        ["nowhere.yaml: cannot be read (No such file or directory)"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_line_that_says_what_is_allowed(case: str) -> None:
    change, expected = CASES[case]
    lines = mistakes(change)
    assert len({line.split(" (")[0] for line in lines}) == 1 or "warm" in case
    for part in expected:
        assert part in lines[0]


def test_no_method_names_a_hyperparameter_as_training_does() -> None:
    training = checks.config_schema()["properties"]["training"]["properties"]
    for name, hyperparameters in study.methods().items():
        assert not hyperparameters.keys() & training.keys(), name


def test_a_hyperparameter_named_as_a_key_of_training_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"momentum": {"type": "number", "default": 0.9}}
    monkeypatch.setattr(study, "methods", lambda: {"SimCLR": own, "VICReg": {}})
    with pytest.raises(UserError, match="SimCLR: its hyperparameter 'momentum' is a key of `train"):
        checks.load_study(a_config())


def test_settings_of_an_encoder_are_known_with_it_and_with_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth = {"depth": {"type": "integer", "minimum": 1, "default": 3}}
    monkeypatch.setattr(study, "encoders", lambda: {"net": depth, "resnet10": {}})

    def encoder(**settings: Any) -> Config:
        resolved: Config = checks.load_study(a_config() | {"encoder": settings})["encoder"]
        return resolved

    assert encoder(name="net")["depth"] == 3
    assert "depth" not in encoder(name="resnet10")
    with pytest.raises(UserError, match=r"encoder\.depth: 0 is out of bounds"):
        encoder(name="net", depth=0)
    with pytest.raises(UserError, match=r"encoder\.depth: unknown key"):
        encoder(name="resnet10", depth=3)
    monkeypatch.setattr(study, "encoders", lambda: {"net": {"width": {"default": 3}}})
    with pytest.raises(UserError, match="the encoder net: every encoder has 'width'"):
        encoder(name="net")


def test_a_mistake_in_yaml_is_told_by_its_place_and_not_by_its_line(tmp_path: Path) -> None:
    """An address that stands in that line may hold a password."""
    file = tmp_path / "config.yaml"
    for text, place in (
        ("tracking:\n  uri: https://s3cret@h\n  uri: https://h\n", "line 2, column 3"),
        ("tracking: {uri: 'postgresql://me:s3cret@h'\nsource: a\n", "line 2"),
        ("tracking: s3cret\x07\n", "special characters are not allowed"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=rf"config\.yaml: is not valid YAML .*{place}") as told:
            read_yaml(file)
        assert "s3cret" not in str(told.value)


def test_several_mistakes_are_all_listed_at_once() -> None:
    def change(config: Config) -> None:
        config["training"].update(epoch=3, optimizer="adam")

    assert len(mistakes(change)) == 2


def test_a_rank_sample_smaller_than_the_embedding_warns() -> None:
    config = a_config()
    config["rank"]["samples"] = 100
    (line,) = checks.warnings(checks.load_study(config))
    assert line.startswith("rank.samples: 100 is smaller than the embedding dimension 256")


def test_a_rank_sample_of_the_training_smaller_than_the_embedding_warns() -> None:
    config = a_config()
    config["training"]["rank_samples"] = 100
    (line,) = checks.warnings(checks.load_study(config))
    assert line.startswith("training.rank_samples: 100 is smaller than the embedding dimension 256")


def test_a_source_smaller_than_the_embedding_warns() -> None:
    config = a_config()
    config["projector"]["widths"] = [256, 4096]
    config["rank"]["samples"] = config["training"]["rank_samples"] = 8192
    (line,) = checks.warnings(checks.load_study(config))
    assert line.startswith("source: 'shapes' has 3072 training images, which is smaller than")


def a_folder_of_images(tmp_path: Path, config: Config) -> None:
    """Five training images a class that are not prepared yet, and not even images."""
    for split in ("train", "test"):
        for name in ("left", "right"):
            folder = tmp_path / "mine" / split / name
            folder.mkdir(parents=True)
            for number in range(5):
                (folder / f"{number}.png").touch()
    file = tmp_path / "datasets.yaml"
    file.write_text(
        f"mine: {{reader: image_folder, size: 32, root: {tmp_path / 'mine'}}}\n"
        "shapes: {reader: shapes, size: 32}\ntextures: {reader: textures, size: 32}\n"
    )
    config.update(datasets=str(file), source="mine", targets=["shapes"])
    config["pathvars"] = {"results": str(tmp_path / "results")}


def test_a_batch_larger_than_a_folder_of_images_is_told_before_it_is_prepared(
    tmp_path: Path,
) -> None:
    (line,) = mistakes(lambda config: a_folder_of_images(tmp_path, config))
    assert line.startswith("training.batch_size: 128 ")
    assert "is larger than the 10 training images of 'mine'; use at most 10" in line


def test_a_prepared_dataset_of_another_declaration_says_nothing_of_the_batch(
    tmp_path: Path,
) -> None:
    config = a_config()
    a_folder_of_images(tmp_path, config)
    config["training"]["batch_size"] = 8
    own = checks.load_study(config)["datasets"]["mine"]
    record = tmp_path / "results/datasets/mine/DATASET"
    record.parent.mkdir(parents=True)
    for size, refused in ((16, False), (32, True)):
        content = {"declaration": own | {"size": size}, "splits": {"train": {"count": 4}}}
        record.write_text(json.dumps(content))
        if refused:
            with pytest.raises(UserError, match="larger than the 4 training images"):
                checks.load_study(config)
        else:
            checks.load_study(config)


def test_a_record_of_a_dataset_that_is_none_names_the_file(tmp_path: Path) -> None:
    config = a_config()
    a_folder_of_images(tmp_path, config)
    record = tmp_path / "results/datasets/mine/DATASET"
    record.parent.mkdir(parents=True)
    record.write_text('{"declaration": 3}')
    with pytest.raises(UserError, match="is no record of a prepared dataset; delete"):
        checks.load_study(config)


def test_a_section_on_its_own_is_checked_and_completed_as_in_a_config() -> None:
    assert checks.section("rank", {"samples": 64}, "--rank")["eps"] == 1e-7
    with pytest.raises(UserError, match=r"--probe\.epochs: 'x' is not of type integer"):
        checks.section("probe", {"epochs": "x"}, "--probe")
    with pytest.raises(UserError, match="must rise"):
        checks.section("probe", {"crop_scale": [1.0, 0.5]}, "--probe")


def test_a_mistake_in_the_datasets_file_names_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_text("mine: {reader: image_foldr, size: 32}\n")
    (line,) = mistakes(lambda c: c.update(datasets=str(file)))
    assert line.startswith(f"{file}: mine.reader: 'image_foldr' is not known, did you mean")
    file.write_text("mine: {reader: shapes, size: 32, options: {train_cout: 9}}\n")
    (line,) = mistakes(lambda c: c.update(datasets=str(file)))
    assert line.startswith(f"{file}: mine.options.train_cout: unknown key, did you mean 'train_")


def test_a_dataset_name_that_cannot_be_a_folder_says_what_a_name_is(tmp_path: Path) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_text("My Photos: {reader: shapes, size: 32}\n")
    (line,) = mistakes(lambda c: c.update(datasets=str(file)))
    assert line.startswith(f"{file}: 'My Photos' does not fit the pattern ")
    assert "lower-case letters" in line


def test_a_batch_that_its_processes_cannot_share_equally() -> None:
    def change(config: Config) -> None:
        config["compute"] = {"gpus": 3, "nodes": 2}

    lines = mistakes(change)
    assert lines[0].startswith("training.batch_size: 128 (")
    assert lines[0].endswith(
        "cannot be shared equally by 6 processes (compute.gpus or processes, times nodes); "
        "choose a multiple of 6"
    )


def test_a_kind_of_gpu_without_any() -> None:
    assert mistakes(lambda config: config.update(compute={"gpu_kind": "a100"})) == [
        "compute.gpu_kind: 'a100' needs compute.gpus, which is 0"
    ]


def test_a_method_that_needs_labels_is_refused_on_a_source_without(tmp_path: Path) -> None:
    declared = {"pictures": {"reader": "unlabelled_folder", "size": 32, "root": str(tmp_path)}}
    (tmp_path / "datasets.yaml").write_text(yaml.safe_dump(declared))

    def change(config: Config) -> None:
        config.update(datasets=str(tmp_path / "datasets.yaml"), source="pictures", targets=[])
        config["methods"] = [{"name": "SimCLR"}, {"name": "Supervised"}]

    (line,) = mistakes(change)
    assert "methods[1]: Supervised trains with one label an image" in line
    assert "have none (reader: unlabelled_folder)" in line
