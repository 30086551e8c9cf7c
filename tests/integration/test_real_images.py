"""The same path on real photographs: Tiny ImageNet as source, CIFAR-100 and flowers as targets."""

import csv
import json
import os
import shutil
from itertools import islice
from pathlib import Path

import pytest
import yaml

CLASSES = 6


@pytest.fixture(scope="session")
def image_sets() -> Path:
    """Folder of the small real sets; the test skips without it."""
    if "RANKME_IMAGE_SETS" in os.environ:
        return Path(os.environ["RANKME_IMAGE_SETS"])
    return pytest.skip("RANKME_IMAGE_SETS does not name the folder of the small real image sets")


def few_tiny_imagenet(source: Path, destination: Path) -> None:
    """The first classes of Tiny ImageNet, in its original layout."""
    wnids = (source / "wnids.txt").read_text().split()[:CLASSES]
    (destination / "val/images").mkdir(parents=True)
    (destination / "wnids.txt").write_text("\n".join(wnids) + "\n")
    shutil.copy(source / "words.txt", destination)
    for wnid in wnids:
        shutil.copytree(source / "train" / wnid, destination / "train" / wnid)
    lines = (source / "val/val_annotations.txt").read_text().splitlines()
    kept = [line for line in lines if line.split("\t")[1] in wnids]
    (destination / "val/val_annotations.txt").write_text("\n".join(kept) + "\n")
    for line in kept:
        shutil.copy(source / "val/images" / line.split("\t")[0], destination / "val/images")


def few_classes(source: Path, destination: Path) -> None:
    """The first classes of each split of an image folder."""
    for split in (path for path in source.iterdir() if path.is_dir()):
        for folder in islice(sorted(split.iterdir()), CLASSES):
            shutil.copytree(folder, destination / split.name / folder.name)


def test_real_photographs_run_from_files_to_figure(
    fresh, image_sets, tmp_path, monkeypatch
) -> None:
    small = tmp_path / "sets"
    few_tiny_imagenet(image_sets / "tiny-imagenet-200", small / "tiny-imagenet-200")
    for name in ("cifar100-small", "flowers-102-subset"):
        few_classes(image_sets / name, small / name)
    monkeypatch.setenv("RANKME_IMAGE_SETS", str(small))
    built_in = yaml.safe_load((fresh.path / "config/datasets.yaml").read_text())
    for declared in built_in.values():
        declared.pop("expected", None)  # the counts of the whole sets
    config = yaml.safe_load((fresh.path / "config/real-images.yaml").read_text())
    config["study"] = "few"
    names = [config["source"], *config["targets"]]
    config["datasets"] = {name: built_in[name] for name in names}
    config["encoder"]["width"] = 4
    config["projector"]["widths"] = [32, 16]
    config["training"] |= {"epochs": 1, "batch_size": 64}
    config["rank"] |= {"samples": 200, "lidar_images": 20}
    config["probe"] |= {"epochs": 2, "milestones": [1], "readouts": ["linear"]}
    config["tracking"] = {"enabled": False}
    config["methods"] = [{"name": "SimCLR"}]
    (fresh.path / "config/few.yaml").write_text(yaml.safe_dump(config))

    fresh.snakemake("--configfile", "config/few.yaml", "--quiet", "all")

    study = fresh.path / "results/studies/few"
    assert (study / "plots/rank_vs_acc.pdf").read_bytes().startswith(b"%PDF")
    with (study / "tables/results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    datasets = {"tiny-imagenet-small", "cifar100-small", "flowers-small"}
    assert {row["dataset"] for row in rows} == datasets
    assert len(rows) == 3
    for name in datasets:
        record = json.loads((fresh.path / "results/datasets" / name / "DATASET").read_text())
        assert len(record["classes"]) == CLASSES
    sizes = {row["dataset"]: int(row["n"]) for row in rows}
    assert sizes == {"tiny-imagenet-small": 60, "cifar100-small": 90, "flowers-small": 30}
