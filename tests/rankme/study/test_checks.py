"""Contradictions between keys: each is told in one line before any job starts."""

import json
from pathlib import Path

import pytest

from rankme.study.checks import warnings
from rankme.study.config import load_study
from rankme.study.runs import runs
from rankme.study.study import Study
from tests.rankme.study.configs import Config, assert_one_mistake, cases, changed

CASES = """
training: {batch_size: 100000}
    training.batch_size: 100000 (...is larger than the 3072 training images of 'shapes'
targets: [digits, shapes]
    targets: the source 'shapes' is evaluated always; remove it here
training: {warmup_epochs: 11}
    training.warmup_epochs: 11.0 (SimCLR lr=0.002+temperature=0.2+...is more than the 10 epochs
{source: voc2007, targets: [], methods: [{name: SimCLR}, {name: Supervised}]}
    methods[1]: Supervised trains with one label an image...'voc2007' have several
methods: [{name: SimCLR, default: {rank_weight: 1, rank_target: 129}, sweeps: {temperature: [1]}}]
    training.rank_target: 129.0 (SimCLR ...of 128 embeddings of 256 dim...use 1 to 128
{projector: {widths: [8, 64]}, training: {rank_weight: 1, rank_target: 9}}
    training.rank_target: 9.0 (SimCLR ...of 8 dimensions...use 1 to 8
training: {rank_weight: 1}
    training.rank_target: 0.0 (...cannot be the effective rank...or rank_weight 0
methods: [{name: SimCLR, sweeps: {rank_target: [8, 16]}}]
    rank_target: 0.0 and 8.0 make the same encoder of SimCLR, since rank_weight is 0
methods: [{name: SimCLR, grid: {rank_weight: [0, 1], rank_target: [8, 16]}}]
    rank_target: 8.0 and 16.0 make the same encoder of SimCLR, since rank_weight is 0
{default_seeds: [1], methods: [{name: SimCLR, grid: {temperature: [0.1, 0.2]}}]}
    default_seeds: are for the default point of methods[0] (SimCLR)...temperature 0.15
{augmentation: {crop_scale: [0.5, 1]}, methods: [{name: DINO, sweeps: {local_crops: [2, 4]}}]}
    crop_split: 0.4 of DINO is not within augmentation.crop_scale [0.5, 1.0]...between
compute: {gpus: 3, nodes: 2}
    training.batch_size: 128 (...cannot be shared equally by 6 processes...a multiple of 6
compute: {gpu_kind: a100}
    compute.gpu_kind: 'a100' needs compute.gpus, which is 0
tracking: {uri: 'https://me:secret@host'}
    tracking.uri: holds credentials or options...MLFLOW_TRACKING_URI
"""


@pytest.mark.parametrize(("change", "said"), cases(CASES))
def test_a_contradiction_is_one_line_with_the_first_run_and_what_is_allowed(
    change: str, said: str
) -> None:
    assert_one_mistake(change, said)


def test_a_rank_target_is_swept_where_there_is_a_rank_weight() -> None:
    swept = {"rank_target": [4, 16], "rank_weight": [0]}
    method = {"name": "SimCLR", "default": {"rank_weight": 1, "rank_target": 16}, "sweeps": swept}
    found = runs(load_study(changed({"methods": [method]})))
    trained = [run.settings.training for run in found]
    assert [(t.rank_weight, t.rank_target) for t in trained] == [(1, 16), (1, 4), (0, 16)]
    assert "rank_target=4" in found[1].name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rank: {samples: 100}", "rank.samples: 100 is smaller than the embedding dimension 256"),
        (
            "training: {rank_samples: 100}",
            "training.rank_samples: 100 is smaller than the embedding dimension 256",
        ),
        (
            "{projector: {widths: [256, 4096]}, rank: {samples: 8192},"
            " training: {rank_samples: 8192}}",
            "source: 'shapes' has 3072 training images, which is smaller than",
        ),
    ],
)
def test_a_sample_smaller_than_the_embedding_warns(change: str, said: str) -> None:
    (line,) = warnings(load_study(changed(change)))
    assert line.startswith(said)


def test_the_default_study_warns_of_nothing() -> None:
    assert list(warnings(load_study(changed("{}")))) == []


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
    return {
        "datasets": {"mine": mine},
        "source": "mine",
        "targets": ["shapes"],
        "pathvars": {"results": str(tmp_path / "results")},
    }


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The record of that dataset, not yet written."""
    file = tmp_path / "results/datasets/mine/DATASET"
    file.parent.mkdir(parents=True)
    return file


def test_a_batch_larger_than_a_folder_of_images_is_told_before_it_is_prepared(
    folder_of_images: Config,
) -> None:
    said = "is larger than the 10 training images of 'mine'; use at most 10"
    assert_one_mistake(folder_of_images, f"training.batch_size: 128 ...{said}")


def test_a_prepared_dataset_of_another_declaration_says_nothing_of_the_batch(
    folder_of_images: Config, record: Path
) -> None:
    folder_of_images["training"] = {"batch_size": 8}
    own = load_study(changed(folder_of_images)).datasets["mine"].model_dump(mode="json")

    def prepared(size: int) -> Config:
        content = {"declaration": own | {"size": size}, "splits": {"train": {"count": 4}}}
        record.write_text(json.dumps(content))
        return folder_of_images

    assert isinstance(load_study(changed(prepared(size=16))), Study)
    assert_one_mistake(prepared(size=32), "training.batch_size: 8 ...larger than the 4 training")


@pytest.mark.parametrize("text", ['{"declaration": 3}', '{"declaration": {"reader": "x"}}', "{"])
def test_a_record_of_a_dataset_that_is_none_names_the_file(
    folder_of_images: Config, record: Path, text: str
) -> None:
    record.write_text(text)
    said = f"{record}: is no record of a prepared dataset; delete {record.parent}"
    assert_one_mistake(folder_of_images, said)


def test_a_method_that_needs_labels_is_refused_on_a_source_without(tmp_path: Path) -> None:
    pictures = {"reader": "unlabelled_folder", "size": 32, "root": str(tmp_path)}
    own = {"datasets": {"pictures": pictures}, "source": "pictures", "targets": []}
    said = "methods[0]: Supervised trains with ...have none (reader: unlabelled_folder)"
    assert_one_mistake(own | {"methods": [{"name": "Supervised"}]}, said)
