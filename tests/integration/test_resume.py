"""A pretraining job that is killed or stopped under Snakemake goes on where it was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rankme.artefacts import read_metadata

EPOCHS = 30


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as Snakemake gives the job: sums in another order differ in their last bits."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def make_interruptible(checkout) -> None:
    """One run of some seconds, with a checkpoint at every step."""
    checkout.configure(lambda config: config["training"].update(epochs=EPOCHS))
    checkout.configure(lambda config: config["methods"][0].pop("sweeps"))
    loop = checkout.path / "scripts/rankme/training/loop.py"
    text = loop.read_text()
    assert "CHECKPOINT_SECONDS = 60.0" in text
    loop.write_text(text.replace("CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 0.0"))


def start(checkout, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake up to the model, in the background."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        ["snakemake", "--until", "pretrain", *arguments],
        cwd=checkout.path,
        env=os.environ | {"PATH": programs},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(checkout, snakemake: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send the process that trains a signal, after a random number of epochs."""
    epochs = random.randrange(1, EPOCHS // 2)
    logs = checkout.path / "results/all_results/SimCLR"
    while sum(len(log.read_text().splitlines()) for log in logs.glob("*/TRAINING_LOG")) < epochs:
        assert snakemake.poll() is None, snakemake.communicate()[1]
        time.sleep(0.01)
    (training,) = (
        process
        for process in psutil.Process(snakemake.pid).children(recursive=True)
        if process.cmdline()[1:2] == ["scripts/pretrain.py"]
    )
    training.send_signal(number)


def assert_as_if_undisturbed(checkout) -> None:
    """The model has the weights of one trained in one go; no checkpoint is left."""
    checkout.python(
        "scripts/pretrain.py",
        "--method=SimCLR",
        "--source=little-shapes",
        "--config=config/config.yaml",
        "--device=cpu",
        "--output=undisturbed/MODEL",
    )
    (run,) = checkout.runs()
    models = [run / "PRETRAINED_MODEL", checkout.path / "undisturbed/MODEL"]
    resumed, undisturbed = (read_metadata(model, "PRETRAINED_MODEL") for model in models)
    assert resumed["run"] == undisturbed["run"]
    assert resumed["weights_sha256"] == undisturbed["weights_sha256"]
    assert not list(run.glob("*CHECKPOINT*"))
    assert len((run / "TRAINING_LOG").read_text().splitlines()) == EPOCHS
    (log,) = (checkout.path / "logs/pretrain/SimCLR").iterdir()
    assert "resumed after step" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_goes_on_when_snakemake_is_started_again(fresh, number) -> None:
    make_interruptible(fresh)
    snakemake = start(fresh)
    interrupt(fresh, snakemake, number)
    _, errors = snakemake.communicate(timeout=120)
    assert snakemake.returncode == 1, errors
    fresh.snakemake("--until", "pretrain")
    assert_as_if_undisturbed(fresh)


def test_a_run_that_was_asked_to_stop_goes_on_in_a_retry(fresh) -> None:
    make_interruptible(fresh)
    snakemake = start(fresh, "--retries", "1")
    interrupt(fresh, snakemake, signal.SIGTERM)
    _, errors = snakemake.communicate(timeout=120)
    assert snakemake.returncode == 0, errors
    assert_as_if_undisturbed(fresh)
