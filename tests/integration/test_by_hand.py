"""The programs without Snakemake: the same defaults and checks as in the workflow."""

import json

from rankme.artefacts import read_metadata


def test_pretraining_by_hand_makes_the_run_of_the_workflow(finished) -> None:
    done = finished.python(
        "scripts/pretrain.py",
        "--method=SimCLR",
        "--source=little-shapes",
        "--config=config/config.yaml",
        "--set=temperature=0.5",
        "--device=cpu",
        "--output=by-hand/MODEL",
    )
    made = read_metadata(finished.path / "by-hand/MODEL", "PRETRAINED_MODEL")
    (same,) = [run for run in finished.runs() if "temperature=0.5" in run.name]
    there = read_metadata(same / "PRETRAINED_MODEL", "PRETRAINED_MODEL")
    assert made["run"] == there["run"]
    assert made["weights_sha256"] == there["weights_sha256"]
    assert "epoch 1/1  loss " in done.stderr
    rows = (finished.path / "by-hand/TRAINING_LOG").read_text().splitlines()
    assert json.loads(rows[0])["views_per_second"] > 0


def test_pretraining_by_hand_checks_like_the_workflow(fresh) -> None:
    done = fresh.python(
        "scripts/pretrain.py",
        "--method=SimCRL",
        "--source=little-shapes",
        "--config=config/config.yaml",
        "--output=MODEL",
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: methods[0].name: 'SimCRL' is not known, did you mean")
    assert "Traceback" not in done.stderr


def test_a_source_that_is_not_prepared_yet_is_prepared_by_hand_as_well(fresh) -> None:
    fresh.python(
        "scripts/pretrain.py",
        "--method=VICReg",
        "--source=little-textures",
        "--config=config/config.yaml",
        "--epochs=2",
        "--output=MODEL",
    )
    assert (fresh.path / "results/datasets/little-textures/DATASET").exists()
    assert read_metadata(fresh.path / "MODEL", "PRETRAINED_MODEL")["run"]["training"]["epochs"] == 2


def test_a_missing_device_is_named(fresh) -> None:
    arguments = ("--method=SimCLR", "--source=little-shapes", "--config=config/config.yaml")
    done = fresh.python(
        "scripts/pretrain.py", *arguments, "--device=cuda:7", "--output=MODEL", check=False
    )
    assert done.returncode == 1
    assert "error: device 'cuda:7' is not on this machine" in done.stderr
