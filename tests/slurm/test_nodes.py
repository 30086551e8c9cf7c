"""One encoder trained by several processes on each of two nodes."""

import json

import numpy as np
import pytest

from rankme.artefacts import load_arrays, read_metadata
from tests.slurm.conftest import SLOW, Controller, model, troubled_copy, undisturbed

pytestmark = pytest.mark.xdist_group("slurm")

COMPUTE = {"gpus": 2, "nodes": 2, "runtime": 2}


def test_two_nodes_train_the_run_of_one_process_over_a_time_limit(cluster, tmp_path) -> None:
    checkout = troubled_copy(tmp_path / "project", [SLOW], **COMPUTE)
    controller = Controller(checkout, "--until", "pretrain")
    assert controller.wait() == 0, controller.output
    trained = model(checkout, SLOW)
    assert read_metadata(trained, "PRETRAINED_MODEL")["provenance"]["device"] == "4 x cpu"
    (log,) = checkout.path.glob("logs/pretrain/SimCLR/*")
    assert "SIGUSR1: checkpoint written" in controller.output
    assert "resumed after step" in log.read_text()

    held = [a for a in cluster.allocations() if len(a.gpus) == 2][-2:]
    assert {a.node for a in held} == {"node1", "node2"}
    assert held[0].job == held[1].job

    expected, found = load_arrays(undisturbed(checkout, SLOW)), load_arrays(trained)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=5e-2, atol=1e-3, err_msg=name)
    rows = (trained.parent / "TRAINING_LOG").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 2 * len(rows)
