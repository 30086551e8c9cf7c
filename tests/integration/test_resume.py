"""A pretraining job that is killed or stopped under Snakemake goes on where it was."""

import random
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from rankme.artefacts import read_metadata

EPOCHS = 30


def one_run_of_some_seconds(checkout) -> None:
    """Its source is prepared."""
    checkout.configure(lambda config: config["training"].update(epochs=EPOCHS))
    checkout.configure(lambda config: config["methods"][0].pop("sweeps"))


@pytest.fixture
def undisturbed(made_once):
    """The project after that run, which was trained in one go."""

    def train(checkout) -> None:
        one_run_of_some_seconds(checkout)
        checkout.snakemake("--until", "pretrain")

    return made_once("undisturbed", train)


@pytest.fixture
def interruptible(undisturbed, tmp_path):
    """The project before that run, which writes a checkpoint at every step."""
    project = undisturbed.copy(tmp_path / "project")
    shutil.rmtree(project.path / "results/all_results")
    loop = project.path / "scripts/rankme/training/loop.py"
    text = loop.read_text()
    assert "CHECKPOINT_SECONDS = 60.0" in text
    loop.write_text(text.replace("CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 0.0"))
    return project


def interrupt(checkout, snakemake: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send the process that trains a signal, after a random number of epochs."""
    epochs = random.randrange(1, EPOCHS // 2)
    logs = checkout.path / "results/all_results/SimCLR"
    while sum(len(log.read_text().splitlines()) for log in logs.glob("*/TRAINING_LOG")) < epochs:
        assert snakemake.poll() is None, snakemake.communicate()[0]
        time.sleep(0.01)
    (training,) = (
        process
        for process in psutil.Process(snakemake.pid).children(recursive=True)
        if process.cmdline()[1:2] == ["scripts/pretrain.py"]
    )
    training.send_signal(number)


def assert_as_if_undisturbed(checkout, undisturbed) -> None:
    """The model has the weights of one trained in one go; no checkpoint is left."""
    (run,), (other,) = checkout.runs(), undisturbed.runs()
    resumed, whole = (
        read_metadata(folder / "PRETRAINED_MODEL", "PRETRAINED_MODEL") for folder in (run, other)
    )
    assert resumed["run"] == whole["run"]
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert not list(run.glob("*CHECKPOINT*"))
    assert len((run / "TRAINING_LOG").read_text().splitlines()) == EPOCHS
    (log,) = (checkout.path / "logs/pretrain/SimCLR").iterdir()
    assert "resumed after step" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_goes_on_when_snakemake_is_started_again(
    interruptible, undisturbed, number: signal.Signals
) -> None:
    snakemake = interruptible.start("--until", "pretrain")
    interrupt(interruptible, snakemake, number)
    told, _ = snakemake.communicate(timeout=120)
    assert snakemake.returncode == 1, told
    interruptible.snakemake("--until", "pretrain")
    assert_as_if_undisturbed(interruptible, undisturbed)


def test_a_run_that_was_asked_to_stop_goes_on_in_a_retry(interruptible, undisturbed) -> None:
    snakemake = interruptible.start("--until", "pretrain", "--retries", "1")
    interrupt(interruptible, snakemake, signal.SIGTERM)
    told, _ = snakemake.communicate(timeout=120)
    assert snakemake.returncode == 0, told
    assert_as_if_undisturbed(interruptible, undisturbed)
