"""`torchrun scripts/pretrain.py`: one run in two processes on the CPU."""

import subprocess

import numpy as np

from rankme.artefacts import load_arrays, read_metadata
from tests.integration.test_by_hand import BY_HAND


def torchrun(checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of the program."""
    words = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *BY_HAND)
    return checkout.python(*words, "--method=SimCLR", "--device=cpu", *arguments, check=False)


def test_the_command_of_one_process_also_trains_in_two(finished) -> None:
    done = torchrun(finished, "--output=two/MODEL")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("completed after step") == 1
    (run,) = [run for run in finished.runs() if "temperature=0.1" in run.name]
    one, two = run / "PRETRAINED_MODEL", finished.path / "two/MODEL"
    assert sorted(p.name for p in two.parent.iterdir()) == ["MODEL", "TRAINING_LOG"]
    metadata = read_metadata(two, "PRETRAINED_MODEL")
    assert metadata["run"] == read_metadata(one, "PRETRAINED_MODEL")["run"]
    assert metadata["provenance"]["device"] == "2 x cpu"
    expected, found = load_arrays(one), load_arrays(two)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_mistake_is_told_once(fresh) -> None:
    done = torchrun(fresh, "--set=batch_size=39", "--output=MODEL")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told == [
        "error: training.batch_size: 39 cannot be shared equally by 2 processes; "
        "choose a multiple of 2, or another --nproc-per-node"
    ]
    assert not (fresh.path / "MODEL").exists()
