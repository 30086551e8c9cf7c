"""The programs without Snakemake: the same defaults and checks as in the workflow."""

import json

from rankme.artefacts import read_metadata, read_record

BY_HAND = ("scripts/pretrain.py", "--source=little-shapes", "--config=config/config.yaml")


def test_pretraining_by_hand_makes_the_run_of_the_workflow(finished) -> None:
    arguments = ("--method=SimCLR", "--set=temperature=0.5", "--device=cpu")
    done = finished.python(*BY_HAND, *arguments, "--output=by-hand/MODEL")
    made = read_metadata(finished.path / "by-hand/MODEL", "PRETRAINED_MODEL")
    (same,) = [run for run in finished.runs() if "temperature=0.5" in run.name]
    there = read_metadata(same / "PRETRAINED_MODEL", "PRETRAINED_MODEL")
    assert made["run"] == there["run"]
    assert made["weights_sha256"] == there["weights_sha256"]
    assert "epoch 1/1  loss " in done.stderr
    rows = (finished.path / "by-hand/TRAINING_LOG").read_text().splitlines()
    assert json.loads(rows[0])["views_per_second"] > 0


def test_pretraining_by_hand_checks_like_the_workflow(fresh) -> None:
    done = fresh.python(*BY_HAND, "--method=SimCRL", "--output=MODEL", check=False)
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
    run = read_metadata(fresh.path / "MODEL", "PRETRAINED_MODEL")["run"]
    assert (run["method"], run["training"]["epochs"]) == ("VICReg", 2)


def test_a_missing_device_is_named(fresh) -> None:
    arguments = ("--method=SimCLR", "--device=cuda:7", "--output=MODEL")
    done = fresh.python(*BY_HAND, *arguments, check=False)
    assert done.returncode == 1
    assert "error: device 'cuda:7' is not on this machine" in done.stderr
    assert not (fresh.path / "results").exists()


def test_an_output_that_is_a_folder_is_told_before_any_work(fresh) -> None:
    for script in ("pretrain", "finetune", "evaluate_accuracy", "merge_ranks"):
        done = fresh.python(f"scripts/{script}.py", "--output=config", check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "error: --output: config is a folder; name the file to write\n"


def test_probing_by_hand_has_the_defaults_and_checks_of_the_config(finished) -> None:
    model = f"--model={finished.runs()[0] / 'PRETRAINED_MODEL'}"
    data = "--dataset=results/datasets/little-shapes/DATASET"

    def finetune(probe: str, *arguments: str, check: bool = True):
        words = (model, data, f"--probe={probe}", "--device=cpu", "--output=HEAD")
        return finished.python("scripts/finetune.py", *words, *arguments, check=check)

    few = '{"epochs": 2, "milestones": [1], "readouts": ["linear"], "lr": [0.1]}'
    finetune(few, "--features=FEATURES")
    settings = read_metadata(finished.path / "HEAD", "FINETUNED_MODEL")["probe"]
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
    accuracy = ("scripts/evaluate_accuracy.py", "--features=FEATURES", "--head=HEAD")
    finished.python(*accuracy, "--output=ACC")
    assert read_record(finished.path / "ACC", "ACCURACY")["n"] == 40
