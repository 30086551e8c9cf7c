"""Encoders trained by processes on two nodes, while time runs out or their job is requeued."""

import re

import numpy as np
import pytest

from rankme.artefacts import load_arrays, read_metadata
from tests.slurm.cluster import wait_until
from tests.slurm.conftest import (
    OTHER_SLOW,
    SLOW,
    Controller,
    checkpoint,
    job_of,
    model,
    training_log,
    troubled_copy,
    undisturbed,
)

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture(scope="module")
def trained(cluster, tmp_path_factory):
    """Two runs, each on one GPU and in two processes of both nodes; the second is requeued."""
    earlier = {found.job for found in cluster.allocations()}
    folder = tmp_path_factory.mktemp("slurm") / "project"
    compute = {"gpus": 1, "nodes": 2, "processes": 2, "runtime": 2}
    checkout = troubled_copy(folder, [SLOW, OTHER_SLOW], **compute)
    controller = Controller(checkout, "--until", "pretrain")
    wait_until(lambda: checkpoint(checkout, OTHER_SLOW), 120)
    cluster.ask("scontrol", "requeue", job_of(cluster, f"temperature={OTHER_SLOW}"))
    assert controller.wait() == 0, controller.output
    controller.allocations = [a for a in cluster.allocations() if a.job not in earlier]
    return checkout, controller


@pytest.mark.parametrize("temperature", [SLOW, OTHER_SLOW])
def test_four_processes_on_two_nodes_end_in_the_weights_of_one(trained, temperature) -> None:
    checkout, _ = trained
    metadata = read_metadata(model(checkout, temperature), "PRETRAINED_MODEL")
    assert metadata["provenance"]["device"] == "4 x cpu"
    assert "resumed after step" in training_log(checkout, temperature)
    expected = load_arrays(undisturbed(checkout, temperature))
    found = load_arrays(model(checkout, temperature))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=5e-2, atol=1e-3, err_msg=name)


def test_all_processes_end_at_the_warning_before_the_time_limit(trained) -> None:
    _, controller = trained
    warned = re.findall(r"SIGUSR1: checkpoint written after step \d+", controller.output)
    assert len(warned) == 1, "told once, by the first process"


def test_each_of_these_jobs_has_a_gpu_on_both_nodes(trained) -> None:
    _, controller = trained
    training = [found for found in controller.allocations if found.gpus]
    assert len({found.job for found in training}) >= 3  # two runs, and the retry of one
    for job in {found.job for found in training}:
        held = [found for found in training if found.job == job]
        assert {found.node for found in held} == {"node1", "node2"}
        assert all(len(found.gpus) == 1 for found in held)
