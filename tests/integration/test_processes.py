"""`torchrun scripts/pretrain.py`: one run in two processes on the CPU."""

import subprocess

import numpy as np

from rankme.artefacts import load_arrays, read_metadata

RUN = (
    "scripts/pretrain.py",
    "--method=SimCLR",
    "--source=little-shapes",
    "--config=config/config.yaml",
    "--device=cpu",
)


def torchrun(checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of the program."""
    return checkout.python(
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        *RUN,
        *arguments,
        check=False,
    )


def test_the_command_of_one_process_also_trains_in_two(fresh) -> None:
    done = torchrun(fresh, "--output=two/MODEL")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("completed after step") == 1
    fresh.python(*RUN, "--output=one/MODEL")
    one, two = (fresh.path / name / "MODEL" for name in ("one", "two"))
    assert sorted(p.name for p in two.parent.iterdir()) == ["MODEL", "TRAINING_LOG"]
    assert read_metadata(two, "PRETRAINED_MODEL")["provenance"]["device"] == "2 x cpu"
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
