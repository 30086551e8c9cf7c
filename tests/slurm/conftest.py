"""A Slurm cluster, and studies whose runs are trouble, on copies of the project."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rankme.artefacts import read_metadata
from tests.integration.conftest import Checkout, copy_project, environment
from tests.slurm.cluster import PROGRAMS, Cluster, die_with_parent, has_own_slurm, wait_until

EPOCHS = 5

# The temperature says what kind of trouble a run is. A slow one takes more than two minutes unless
# it is resumed, so that there is time to disturb it, and none is lost after.
SLOW, OTHER_SLOW, FAILS, LARGE = 0.1, 0.2, 0.9, 0.8
TROUBLE = """

def _trouble(pretraining):
    name = pretraining.folder.name
    if "temperature=0.9+" in name:
        from rankme.errors import UserError

        raise UserError("this run was made to fail")
    if "temperature=0.8+" in name and pretraining.step == 1:
        pretraining.ballast = b"x" * 900_000_000
        time.sleep(5)
    slow = "temperature=0.1+" in name or "temperature=0.2+" in name
    if slow and pretraining.progress._first == 0:
        time.sleep(13)
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster; without Slurm the test skips, and fails in continuous integration."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    reason = ""
    if missing:
        reason = f"{', '.join(missing)} not installed (Debian: slurm-wlm munge)"
    elif has_own_slurm():
        reason = "this machine belongs to a Slurm cluster already"
    elif os.geteuid() != 0:
        reason = "only root can start a Slurm cluster"
    if reason and "CI" in os.environ:
        pytest.fail(f"{reason}, and continuous integration must run this test")
    elif reason:
        pytest.skip(reason)
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def studies(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> "Studies":
    """Two studies under way at once, most of the time waiting; one job of each was requeued."""
    folder = tmp_path_factory.mktemp("slurm")
    runs = [SLOW, OTHER_SLOW, LARGE, FAILS]
    one = Controller(troubled_copy(folder / "one", runs, gpus=1, mem_mb=1200, runtime=2))
    several = Controller(
        troubled_copy(
            folder / "several", runs[:2], gpus=1, nodes=2, processes=2, mem_mb=2500, runtime=2
        ),
        *("--until", "pretrain"),
    )
    for controller in (one, several):
        requeue(cluster, controller.checkout, OTHER_SLOW)
    return Studies(one, one.wait(), several, several.wait())


@dataclass(frozen=True)
class Studies:
    """Studies that have ended, with the exit codes of their controllers.

    Attributes:
        one: four runs of one process each; one is too large at first and one fails.
        several: two runs, each on one GPU and in two processes on both nodes.
    """

    one: "Controller"
    one_code: int
    several: "Controller"
    several_code: int


class Controller:
    """`snakemake --profile slurm` in a checkout, in the background; its output in a file."""

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self.checkout = checkout
        self._file = checkout.path / "controller.log"
        given = {k: v for k, v in environment().items() if k != "OMP_NUM_THREADS"}
        with self._file.open("wb") as log:
            self.process = subprocess.Popen(
                ["snakemake", "--profile", "slurm", "--cores", "8", *arguments],
                cwd=checkout.path,
                env=given,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    @property
    def submissions(self) -> dict[str, str]:
        """Number of each job it has given to Slurm -> Slurm's log of it, which names the step."""
        found = re.findall(r"SLURM jobid (\d+) \(log: (.*)\)", self.output)
        return dict(found)

    @property
    def output(self) -> str:
        """What it has printed until now."""
        return self._file.read_text()

    def wait(self, seconds: float = 900) -> int:
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            pytest.fail(f"no end after {seconds} seconds:\n{self.output[-5000:]}")

    def stop(self, number: signal.Signals) -> None:
        """Send it a signal and wait for its end."""
        self.process.send_signal(number)
        self.process.wait(60)


def checkpoint(checkout: Checkout, temperature: float) -> list[Path]:
    """The checkpoint of a run, if there is one now."""
    runs = checkout.path.glob(f"results/all_results/SimCLR/*temperature={temperature}+*")
    return [file for run in runs for file in run.glob("CHECKPOINT")]


def requeue(cluster: Cluster, checkout: Checkout, temperature: float) -> None:
    """What preemption does to a job, once it has written a checkpoint."""
    wait_until(lambda: checkpoint(checkout, temperature), 300)
    cluster.ask("scontrol", "requeue", str(job_of(cluster, checkout, temperature)))


def model(checkout: Checkout, temperature: float) -> Path:
    """PRETRAINED_MODEL of the run with that temperature."""
    pattern = f"results/all_results/SimCLR/*temperature={temperature}+*/PRETRAINED_MODEL"
    (file,) = checkout.path.glob(pattern)
    return file


def training_log(checkout: Checkout, temperature: float) -> str:
    """What the program printed the last time it was started."""
    (file,) = checkout.path.glob(f"logs/pretrain/SimCLR/*temperature={temperature}+*")
    return file.read_text()


def undisturbed(checkout: Checkout, temperature: float) -> Path:
    """The same run trained by hand in one go and at full speed."""
    loop = checkout.path / "scripts/rankme/training/loop.py"
    edit(loop, ("        _trouble(self)\n", ""))
    output = f"undisturbed/{temperature}/MODEL"
    checkout.python(
        *("scripts/pretrain.py", "--method=SimCLR", "--source=little-shapes"),
        *("--config=config/config.yaml", "--device=cpu"),
        *(f"--set=temperature={temperature}", f"--output={output}"),
    )
    edit(
        loop,
        (
            "        self.progress.step()\n",
            "        self.progress.step()\n        _trouble(self)\n",
        ),
    )
    return checkout.path / output


def digest(model: Path) -> str:
    """SHA-256 of a model's weights."""
    return str(read_metadata(model, "PRETRAINED_MODEL")["weights_sha256"])


def troubled_copy(folder: Path, temperatures: list[float], **compute: object) -> Checkout:
    """The project with a study of one run a temperature, and all that waits, waiting less.

    Slurm sends a signal up to a minute before it is due, so a job of two minutes gets the one that
    is due 25 seconds before its end between its seconds 35 and 95.
    """
    checkout = copy_project(folder)

    def change(config: dict) -> None:
        config["training"]["epochs"] = EPOCHS
        config["compute"] |= {"evaluation_runtime": 1} | compute
        config["methods"][0]["default"] = {"temperature": temperatures[0]}
        config["methods"][0]["sweeps"] = {"temperature": temperatures}

    checkout.configure(change)
    edit(
        checkout.path / "scripts/rankme/training/loop.py",
        ("CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 2.0"),
        (
            "        self.progress.step()\n",
            "        self.progress.step()\n        _trouble(self)\n",
        ),
        ("\ndef _identity(", TROUBLE + "\n\ndef _identity("),
    )
    edit(
        checkout.path / "workflow/profiles/slurm/profile.yaml",
        (
            "slurm-init-seconds-before-status-checks: 10",
            "slurm-init-seconds-before-status-checks: 3",
        ),
        ("--signal=USR1@120", "--signal=USR1@25"),
        ("retries: 3", "retries: 2"),
    )
    return checkout


def edit(file: Path, *replacements: tuple[str, str]) -> None:
    """Replace texts that must be there."""
    text = file.read_text()
    for old, new in replacements:
        assert old in text, f"{file}: {old!r}"
        text = text.replace(old, new)
    file.write_text(text)


def jobs_of(cluster: Cluster) -> list[str]:
    """Numbers of the jobs that wait or run."""
    return cluster.ask("squeue", "--noheader", "--format=%i").split()


def job_of(cluster: Cluster, checkout: Checkout, temperature: float) -> str | None:
    """Number of the job that a run of a checkout has now."""
    lines = cluster.ask(
        "squeue", "--noheader", "--states=RUNNING", "--format=%i %Z %k"
    ).splitlines()
    marks = (f" {checkout.path} ", f"temperature={temperature}+")
    return next((line.split()[0] for line in lines if all(mark in line for mark in marks)), None)
