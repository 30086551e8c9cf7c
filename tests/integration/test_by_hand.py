"""The programs without Snakemake: the same defaults and checks as in the workflow."""

import json

from rankme.artefacts import read_metadata, read_record


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
    assert not (fresh.path / "results").exists()


def test_an_output_that_is_a_folder_is_told_before_any_work(fresh) -> None:
    for script in ("pretrain", "finetune", "evaluate_accuracy", "merge_ranks"):
        done = fresh.python(f"scripts/{script}.py", "--output=config", check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "error: --output: config is a folder; name the file to write\n"


def test_probing_by_hand_has_the_defaults_and_checks_of_the_config(finished) -> None:
    run = finished.runs()[0]
    data = "results/datasets/little-shapes/DATASET"
    model, features, head = "--model=" + str(run / "PRETRAINED_MODEL"), "FEATURES", "HEAD"
    finished.python("scripts/extract_features.py", model, f"--dataset={data}", "--output=FEATURES")

    def finetune(probe: str, check: bool = True):
        arguments = (f"--features={features}", f"--probe={probe}", f"--output={head}")
        return finished.python("scripts/finetune.py", *arguments, "--device=cpu", check=check)

    finetune('{"epochs": 2, "milestones": [1], "readouts": ["linear"], "lr": [0.1]}')
    settings = read_metadata(finished.path / head, "FINETUNED_MODEL")["probe"]
    assert (settings["lr"], settings["weight_decay"]) == ([0.1], [0.0, 0.0005, 0.005])
    for probe, message in (
        ('{"epoch": 2}', "--probe.epoch: unknown key, did you mean 'epochs'?"),
        ('{"epochs": "many"}', "--probe.epochs: 'many' is not of type integer"),
        ("epochs=2", "'epochs=2' is not valid JSON"),
        ("[2]", "'[2]' is not a JSON object"),
    ):
        refused = finetune(probe, check=False)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"error: {message}")
        assert refused.stderr.count("\n") == 1
    finished.python(
        "scripts/evaluate_accuracy.py", f"--features={features}", f"--head={head}", "--output=ACC"
    )
    assert read_record(finished.path / "ACC", "ACCURACY")["n"] == 40
