"""The controller (`snakemake --profile slurm` itself) and its jobs are killed in turn."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.slurm.cluster import wait_until
from tests.slurm.conftest import (
    OTHER_SLOW,
    SLOW,
    Controller,
    checkpoint,
    digest,
    job_of,
    jobs_of,
    model,
    troubled_copy,
    undisturbed,
)

pytestmark = pytest.mark.xdist_group("slurm")

UNTIL = ("--until", "pretrain")
QUICK = 0.5


def test_a_study_survives_scancel_sigkill_and_ctrl_c(cluster, tmp_path) -> None:
    checkout = troubled_copy(tmp_path / "project", [QUICK, SLOW, OTHER_SLOW], gpus=1, runtime=10)

    first = Controller(checkout, *UNTIL)
    wait_until(lambda: checkpoint(checkout, SLOW), 300)
    cluster.ask("scancel", str(job_of(cluster, checkout, SLOW)))
    wait_until(lambda: "status is: 'CANCELLED'" in first.output, 300)
    wait_until(lambda: "(Rule: pretrain)" in first.output, 300)
    done = {file: file.stat().st_mtime_ns for file in finished(checkout)}
    first.stop(signal.SIGKILL)

    assert jobs_of(cluster), "the jobs outlive the controller"
    subprocess.run(documented_cancel(), shell=True, check=True)
    wait_until(lambda: not jobs_of(cluster), 60)
    checkout.snakemake("--unlock")
    second = Controller(checkout, *UNTIL)
    wait_until(lambda: "has been submitted" in second.output and jobs_of(cluster), 300)
    second.stop(signal.SIGINT)
    wait_until(lambda: not jobs_of(cluster), 30)

    third = Controller(checkout, *UNTIL)
    assert third.wait() == 0, third.output
    assert len(done) >= 2  # the source and the first model
    assert done.items() <= {f: f.stat().st_mtime_ns for f in finished(checkout)}.items()
    for temperature in (SLOW, OTHER_SLOW):
        assert digest(model(checkout, temperature)) == digest(undisturbed(checkout, temperature))


def documented_cancel() -> str:
    """The line of the docs that cancels what a dead controller has left."""
    text = (Path(__file__).resolve().parents[2] / "docs/cluster.md").read_text()
    (line,) = re.findall(r"^squeue --me .* scancel$", text, re.MULTILINE)
    return line


def finished(checkout):
    """Prepared datasets and trained models."""
    return [
        *checkout.path.glob("results/datasets/*/DATASET"),
        *checkout.path.glob("results/all_results/*/*/PRETRAINED_MODEL"),
    ]
