"""What runs again after a change, and what does not: each line is a promise of the results tree."""

import csv
import json
import shutil
from pathlib import Path

import yaml

TABLES = {"collect": 1, "collect_curves": 1, "analyse": 1, "plot": 1}


def table(project: Path) -> list[dict[str, str]]:
    with (project / "results/tables/results.csv").open() as stream:
        return list(csv.DictReader(stream))


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
    assert finished.planned() == TABLES | {
        "pretrain": 1,
        "extract_features": 2,
        "rank_dataset": 2,
        "rankme": 1,
        "finetune": 2,
        "accuracy": 2,
    }


def test_an_added_target_runs_only_its_steps_and_the_merges(finished) -> None:
    finished.configure(lambda c: c["targets"].append("little-digits"))
    runs = len(finished.runs())
    assert finished.planned() == TABLES | {
        "prepare_dataset": 1,
        "extract_features": runs,
        "rank_dataset": runs,
        "rankme": runs,
        "finetune": runs,
        "accuracy": runs,
    }


def test_a_touched_file_runs_nothing(finished) -> None:
    touched = [p for p in finished.path.rglob("*") if p.is_file() and ".snakemake" not in p.parts]
    for path in touched:
        path.touch()
    assert finished.planned() == {}


def test_a_removed_run_keeps_its_files_and_leaves_the_tables(finished) -> None:
    before = finished.runs()
    finished.configure(lambda c: c["methods"][0]["sweeps"].update(temperature=[0.1]))
    assert finished.planned() == TABLES
    finished.run()
    assert finished.runs() == before
    left = {row["run"] for row in table(finished.path)}
    assert left == {run.name for run in before if "temperature=0.5" not in run.name}


def test_a_tree_copied_from_elsewhere_is_adopted_by_one_command(finished, fresh) -> None:
    results = fresh.path / "results"
    shutil.copytree(
        finished.path / "results", results, copy_function=shutil.copy, dirs_exist_ok=True
    )
    fresh.snakemake("--touch")
    assert fresh.planned() == {}


def test_edited_training_code_runs_nothing_and_is_listed_as_stale(finished) -> None:
    file = finished.path / "scripts/rankme/training/schedule.py"
    file.write_text(file.read_text() + "\n# edited\n")
    assert finished.planned() == {}
    listed = finished.python("scripts/list_stale.py").stdout
    assert "PRETRAINED_MODEL: " in listed
    assert "rankme/training/schedule.py" in listed
    assert "ACCURACY" not in listed


def test_an_edited_figure_is_drawn_again_and_nothing_else(finished) -> None:
    file = finished.path / "scripts/rankme/plots/style.py"
    file.write_text(file.read_text() + "\n# edited\n")
    assert finished.planned() == {"plot": 1}


def test_a_changed_probe_retrains_heads_and_no_encoder(finished) -> None:
    finished.configure(lambda c: c["probe"].update(epochs=3))
    planned = finished.planned()
    assert "pretrain" not in planned
    assert planned["finetune"] == planned["accuracy"] == 2 * len(finished.runs())


def test_a_moved_image_folder_and_another_device_run_nothing(finished) -> None:
    file = finished.path / "config/little.yaml"
    declared = yaml.safe_load(file.read_text())
    declared["little-shapes"]["licence"] = "described anew"
    declared["little-shapes"]["root"] = "/elsewhere"
    file.write_text(yaml.safe_dump(declared))
    finished.configure(lambda c: c["compute"].update(device="auto", threads=2))
    assert not finished.planned().keys() - TABLES.keys()


def test_two_studies_share_a_tree_without_touching_each_others_runs(finished) -> None:
    before = {run: (run / "PRETRAINED_MODEL").read_bytes() for run in finished.runs()}
    other = yaml.safe_load((finished.path / "config/config.yaml").read_text())
    other["training"]["epochs"] = 2
    (finished.path / "config/other.yaml").write_text(json.dumps(other))
    planned = finished.planned("--configfile", "config/other.yaml")
    assert planned["pretrain"] == 2
    finished.snakemake("--configfile", "config/other.yaml", "--until", "pretrain")
    assert len(finished.runs()) == 4
    assert all((run / "PRETRAINED_MODEL").read_bytes() == data for run, data in before.items())
    assert not finished.planned().keys() - TABLES.keys()
