"""What runs again after a change, and what does not: each line is a promise of the results tree."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

TABLES = {"collect": 1, "analyse": 1, "plot": 1}
STUDY = TABLES | {"record_study": 1}


def test_a_finished_study_has_nothing_to_do(finished) -> None:
    assert finished.planned() == {}


def test_the_tree_is_as_documented(finished) -> None:
    for run in finished.runs():
        files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
        per_dataset = {"RANK", "FINETUNED_MODEL", "ACCURACY"}
        expected = {"PRETRAINED_MODEL", "TRAINING_LOG", "RANKME_EVAL"} | {
            f"{dataset}/{name}"
            for dataset in ("little-shapes", "little-textures")
            for name in per_dataset
        }
        visible = {f for f in files if not Path(f).name.startswith(".snakemake")}
        assert visible == expected


def test_one_changed_hyperparameter_runs_that_run_and_what_follows(finished) -> None:
    finished.configure(lambda c: c["methods"][0]["sweeps"].update(temperature=[0.1, 0.7]))
    one = {"pretrain": 1, "rank_dataset": 2, "rankme": 1, "finetune": 2, "accuracy": 2}
    assert finished.planned() == STUDY | one


def test_an_added_target_runs_only_its_steps_and_the_merges(finished) -> None:
    finished.configure(lambda c: c["targets"].append("little-digits"))
    steps = dict.fromkeys(("rank_dataset", "rankme", "finetune", "accuracy"), len(finished.runs()))
    assert finished.planned() == STUDY | steps | {"prepare_dataset": 1}


@pytest.mark.parametrize(
    "changed",
    [{"samples": 60}, {"eps": 1e-6}, {"lidar_images": 11}, {"pair_rows": 32}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_key_of_rank_measures_ranks_again_and_nothing_else(
    finished, changed: dict[str, Any]
) -> None:
    finished.configure(lambda c: c["rank"].update(changed))
    assert finished.planned() == STUDY | {"rank_dataset": 4, "rankme": 2}


@pytest.mark.parametrize(
    "changed",
    [{"epochs": 3}, {"lr": [0.02]}, {"readouts": ["linear"]}, {"seed": 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_key_of_probe_fits_heads_again_and_nothing_else(
    finished, changed: dict[str, Any]
) -> None:
    finished.configure(lambda c: c["probe"].update(changed))
    assert finished.planned() == STUDY | {"finetune": 4, "accuracy": 4}


def test_a_touched_file_runs_nothing(finished) -> None:
    touched = [p for p in finished.path.rglob("*") if p.is_file() and ".snakemake" not in p.parts]
    for path in touched:
        path.touch()
    assert finished.planned() == {}


def test_a_removed_run_keeps_its_files_and_leaves_the_tables(finished) -> None:
    before = finished.runs()
    finished.configure(lambda c: c["methods"][0]["sweeps"].update(temperature=[0.1]))
    assert finished.planned() == STUDY
    finished.run()
    assert finished.runs() == before
    with (finished.path / "results/tables/results.csv").open() as stream:
        left = {row["run"] for row in csv.DictReader(stream)}
    assert left == {run.name for run in before if "temperature=0.5" not in run.name}


def test_a_tree_copied_from_elsewhere_is_adopted_by_one_command(finished, fresh) -> None:
    results = fresh.path / "results"
    shutil.copytree(
        finished.path / "results", results, copy_function=shutil.copy, dirs_exist_ok=True
    )
    fresh.snakemake("--touch")
    assert fresh.planned() == {}


def test_edited_training_code_runs_nothing_and_is_listed_as_stale(finished) -> None:
    edit(finished, "training/schedule.py")
    assert finished.planned() == {}
    listed = finished.python("scripts/list_stale.py").stdout
    assert "PRETRAINED_MODEL: " in listed
    assert "rankme/training/schedule.py" in listed
    assert "ACCURACY" not in listed


def test_edited_code_of_figures_draws_again_and_of_reading_collects_again(finished) -> None:
    edit(finished, "plots/style.py")
    assert finished.planned() == {"plot": 1}
    edit(finished, "artefacts.py")
    assert finished.planned() == TABLES


def edit(checkout, file: str) -> None:
    """Add a comment to a file of the library."""
    with (checkout.path / "scripts/rankme" / file).open("a") as stream:
        stream.write("\n# edited\n")


def test_a_moved_image_folder_and_another_device_run_nothing(finished) -> None:
    def change(config: dict) -> None:
        config["datasets"]["little-shapes"] |= {"licence": "another", "root": "/elsewhere"}
        config["compute"].update(device="auto", threads=2)

    finished.configure(change)
    assert finished.planned() == {}
