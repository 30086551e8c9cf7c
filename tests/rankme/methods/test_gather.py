"""Two processes with half a batch each against one process with the whole batch.

The same file, run as a program, is one of the processes: `test_gather.py RANK FOLDER`.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from rankme.methods import _METHODS
from rankme.methods.gather import gather
from rankme.methods.rank_regulariser import rank_penalty
from rankme.models import Projector
from rankme.study.choices import methods

METHODS = [name for name, method in _METHODS.items() if method.trains]
REGULARISED = " with the rank regulariser"
NAMES = [*METHODS, f"SimCLR{REGULARISED}"]
PROCESSES = 2


def loss_and_gradients(name: str, rank: int = 0, processes: int = 1) -> dict[str, np.ndarray]:
    """One step of a small network without BatchNorm; gradients averaged over processes."""
    torch.manual_seed(0)
    regularised, name = name.endswith(REGULARISED), name.removesuffix(REGULARISED)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh())
    defaults = methods()[name].hyperparameters()
    method = _METHODS[name](encoder, Projector(16, [8]), defaults, classes=3)
    views = torch.randn(2, 12, 3, 4, 4).chunk(processes, dim=1)[rank]
    labels = torch.arange(12).remainder(3).chunk(processes)[rank]
    loss = method.loss(list(views), labels)
    if regularised:
        loss = loss + rank_penalty(method.embeddings, 3.0)
    loss.backward()
    results = {"loss": loss.detach().numpy()}
    results |= {key: buffer.numpy() for key, buffer in method.named_buffers()}
    for parameter_name, parameter in method.named_parameters():
        if not parameter.requires_grad:
            continue
        if processes > 1:
            dist.all_reduce(parameter.grad)
        results[parameter_name] = (parameter.grad / processes).numpy()
    return results


def worker(rank: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=60),
    )
    for name in NAMES:
        np.savez(folder / f"{name}-{rank}.npz", **loss_and_gradients(name, rank, PROCESSES))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What each process measured."""
    folder = tmp_path_factory.mktemp("processes")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    commands = [[sys.executable, __file__, str(rank), str(folder)] for rank in range(PROCESSES)]
    started = [subprocess.Popen(command, env=environment) for command in commands]
    assert [process.wait(timeout=120) for process in started] == [0] * PROCESSES
    return folder


@pytest.mark.parametrize("rank", range(PROCESSES))
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_have_the_loss_and_gradient_of_one(name, rank, folder):
    with np.load(folder / f"{name}-{rank}.npz", allow_pickle=False) as measured:
        for key, expected in loss_and_gradients(name).items():
            error = np.linalg.norm(measured[key] - expected) / np.linalg.norm(expected)
            assert error < 1e-5, key


def test_one_process_gathers_its_own_tensor():
    tensor = torch.randn(3, 2)
    assert gather(tensor) is tensor


if __name__ == "__main__":
    worker(int(sys.argv[1]), Path(sys.argv[2]))
