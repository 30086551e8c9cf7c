"""Encoders trained by processes on two nodes, while time runs out or their job is requeued."""

import numpy as np
import pytest

from rankme.artefacts import load_arrays, read_metadata
from tests.slurm.conftest import OTHER_SLOW, SLOW, model, training_log, undisturbed

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.mark.parametrize("temperature", [SLOW, OTHER_SLOW])
def test_four_processes_on_two_nodes_end_in_the_weights_of_one(studies, temperature) -> None:
    assert studies.several_code == 0, studies.several.output
    checkout = studies.several.checkout
    metadata = read_metadata(model(checkout, temperature), "PRETRAINED_MODEL")
    assert metadata["provenance"]["device"] == "4 x cpu"
    assert "resumed after step" in training_log(checkout, temperature)
    expected = load_arrays(undisturbed(checkout, temperature))
    found = load_arrays(model(checkout, temperature))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=5e-2, atol=1e-3, err_msg=name)


def test_all_processes_end_at_the_warning_before_the_time_limit(studies) -> None:
    assert "SIGUSR1: checkpoint written" in studies.several.output
    assert "resumed after step" in training_log(studies.several.checkout, SLOW)


def test_each_of_these_jobs_has_a_gpu_on_both_nodes(studies, cluster) -> None:
    jobs = studies.several.submissions
    training = [found for found in cluster.allocations() if found.gpus and found.job in jobs]
    assert len({found.job for found in training}) >= 3  # two runs, and the retry of one
    for job in {found.job for found in training}:
        held = [found for found in training if found.job == job]
        assert {found.node for found in held} == {"node1", "node2"}
        assert all(len(found.gpus) == 1 for found in held)
