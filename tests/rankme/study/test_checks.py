"""Contradictions between keys: each is told in one line before any job starts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rankme.study.checks import warnings
from rankme.study.config import load_study
from rankme.study.runs import runs
from rankme.study.study import Study
from tests.rankme.study.configs import Config, mistakes, the_default

CASES: dict[str, tuple[Callable[[Config], Any], list[str]]] = {
    "batch larger than the data": (
        lambda c: c["training"].update(batch_size=100_000),
        ["training.batch_size: 100000 ", "is larger than the 3072 training images of 'shapes'"],
    ),
    "source among the targets": (
        lambda c: c["targets"].append("shapes"),
        ["targets: the source 'shapes' is evaluated always; remove it here"],
    ),
    "more warm-up than training, of every run": (
        lambda c: c["training"].update(warmup_epochs=11),
        ["training.warmup_epochs: 11.0 ", "is more than the 10 epochs of the run"],
    ),
    "labels where images have several": (
        lambda c: c.update(
            source="voc2007", targets=[], methods=[{"name": "SimCLR"}, {"name": "Supervised"}]
        ),
        ["methods[1]: Supervised trains with one label an image", "'voc2007' have several"],
    ),
    "rank target above the batch": (
        lambda c: c["methods"][0].update(
            default={"rank_weight": 1, "rank_target": 129}, sweeps={"temperature": [1, 2, 3]}
        ),
        ["training.rank_target: 129.0 (SimCLR ", "of 128 embeddings of 256 dim", "use 1 to 128"],
    ),
    "rank target above the layer before the last": (
        lambda c: c.update(
            projector={"widths": [8, 64]}, training={"rank_weight": 1, "rank_target": 9}
        ),
        ["training.rank_target: 9.0 (SimCLR ", "of 8 dimensions", "use 1 to 8"],
    ),
    "rank weight without a target": (
        lambda c: c["training"].update(rank_weight=1),
        ["training.rank_target: 0.0 ", "cannot be the effective rank", "or rank_weight 0"],
    ),
    "sweep of a rank target without a rank weight": (
        lambda c: c["methods"][0]["sweeps"].update(rank_target=[8, 16]),
        ["rank_target: 0.0 and 8.0 make the same encoder of SimCLR, since rank_weight is 0"],
    ),
    "grid of a rank target in which some have no rank weight": (
        lambda c: c["methods"][0].update(grid={"rank_weight": [0, 1], "rank_target": [8, 16]}),
        ["rank_target: 0.0 and 8.0 make the same encoder of SimCLR, since rank_weight is 0"],
    ),
    "seeds of a default point that a grid does not hold": (
        lambda c: c.update(
            default_seeds=[1], methods=[{"name": "SimCLR", "grid": {"temperature": [0.1, 0.2]}}]
        ),
        ["default_seeds: are for the default point of methods[0] (SimCLR)", "temperature 0.15"],
    ),
    "local crops larger than the largest global one": (
        lambda c: c.update(
            augmentation={"recipe": "byol", "crop_scale": [0.5, 1.0]},
            methods=[{"name": "DINO", "sweeps": {"student_temperature": [0.07, 0.1]}}],
        ),
        ["crop_split: 0.4 of DINO is not within augmentation.crop_scale [0.5, 1.0]", "between"],
    ),
    "batch that its processes cannot share equally": (
        lambda c: c.update(compute={"gpus": 3, "nodes": 2}),
        [
            "training.batch_size: 128 (",
            "cannot be shared equally by 6 processes (compute.gpus or processes, times nodes); "
            "choose a multiple of 6",
        ],
    ),
    "kind of GPU without any": (
        lambda c: c.update(compute={"gpu_kind": "a100"}),
        ["compute.gpu_kind: 'a100' needs compute.gpus, which is 0"],
    ),
    "password in the config": (
        lambda c: c.update(tracking={"uri": "https://me:secret@host"}),
        ["tracking.uri: holds credentials or options", "MLFLOW_TRACKING_URI"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_contradiction_is_one_line_that_says_what_is_allowed(case: str) -> None:
    change, expected = CASES[case]
    config = the_default()
    change(config)
    (line,) = mistakes(config)
    for part in expected:
        assert part in line


def test_a_rank_target_is_swept_where_there_is_a_rank_weight() -> None:
    swept = {"rank_target": [4, 16], "rank_weight": [0]}
    method = {"name": "SimCLR", "default": {"rank_weight": 1, "rank_target": 16}, "sweeps": swept}
    found = runs(load_study(the_default() | {"methods": [method]}))
    points = [
        (run.settings.training.rank_weight, run.settings.training.rank_target) for run in found
    ]
    assert points == [(1, 16), (1, 4), (0, 16)]
    assert "rank_target=4" in found[1].name


def warned(**changes: Any) -> list[str]:
    config = the_default()
    for section, keys in changes.items():
        config[section].update(keys)
    return list(warnings(load_study(config)))


def test_a_sample_smaller_than_the_embedding_warns() -> None:
    (line,) = warned(rank={"samples": 100})
    assert line.startswith("rank.samples: 100 is smaller than the embedding dimension 256")
    (line,) = warned(training={"rank_samples": 100})
    assert line.startswith("training.rank_samples: 100 is smaller than the embedding dimension 256")
    large = {"rank": {"samples": 8192}, "training": {"rank_samples": 8192}}
    (line,) = warned(projector={"widths": [256, 4096]}, **large)
    assert line.startswith("source: 'shapes' has 3072 training images, which is smaller than")
    assert warned() == []


@pytest.fixture
def folder_of_images(tmp_path: Path) -> Config:
    """A study of five training images a class that are not prepared yet, and not even images."""
    for split in ("train", "test"):
        for name in ("left", "right"):
            folder = tmp_path / "mine" / split / name
            folder.mkdir(parents=True)
            for number in range(5):
                (folder / f"{number}.png").touch()
    mine = {"reader": "image_folder", "size": 32, "root": str(tmp_path / "mine")}
    return the_default() | {
        "datasets": {"mine": mine},
        "source": "mine",
        "targets": ["shapes"],
        "pathvars": {"results": str(tmp_path / "results")},
    }


def test_a_batch_larger_than_a_folder_of_images_is_told_before_it_is_prepared(
    folder_of_images: Config,
) -> None:
    (line,) = mistakes(folder_of_images)
    assert line.startswith("training.batch_size: 128 ")
    assert "is larger than the 10 training images of 'mine'; use at most 10" in line


def test_a_prepared_dataset_of_another_declaration_says_nothing_of_the_batch(
    folder_of_images: Config, tmp_path: Path
) -> None:
    folder_of_images["training"]["batch_size"] = 8
    own = load_study(folder_of_images).datasets["mine"].model_dump(mode="json")
    record = tmp_path / "results/datasets/mine/DATASET"
    record.parent.mkdir(parents=True)

    def prepared(size: int) -> Config:
        content = {"declaration": own | {"size": size}, "splits": {"train": {"count": 4}}}
        record.write_text(json.dumps(content))
        return folder_of_images

    assert isinstance(load_study(prepared(size=16)), Study)
    (line,) = mistakes(prepared(size=32))
    assert "larger than the 4 training images" in line


@pytest.mark.parametrize("text", ['{"declaration": 3}', '{"declaration": {"reader": "x"}}', "{"])
def test_a_record_of_a_dataset_that_is_none_names_the_file(
    folder_of_images: Config, tmp_path: Path, text: str
) -> None:
    record = tmp_path / "results/datasets/mine/DATASET"
    record.parent.mkdir(parents=True)
    record.write_text(text)
    (line,) = mistakes(folder_of_images)
    assert line.startswith(f"{record}: is no record of a prepared dataset; delete")


def test_a_method_that_needs_labels_is_refused_on_a_source_without(tmp_path: Path) -> None:
    pictures = {"reader": "unlabelled_folder", "size": 32, "root": str(tmp_path)}
    methods = [{"name": "SimCLR"}, {"name": "Supervised"}]
    own = {"datasets": {"pictures": pictures}, "source": "pictures", "targets": []}
    (line,) = mistakes(the_default() | own | {"methods": methods})
    assert "methods[1]: Supervised trains with one label an image" in line
    assert "have none (reader: unlabelled_folder)" in line
