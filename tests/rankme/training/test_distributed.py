"""Two processes with half of each batch against one process with all of it.

The same file, run as a program, is one of the two: it plays all `SCENES` and leaves what it found
in files named after scene and rank.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rankme.errors import UserError
from rankme.methods import _METHODS
from rankme.study.runs import RunSettings
from rankme.training import Outcome, StopRequest, build_optimizer, distributed, loop, pretrain
from rankme.training.batch_norm import synchronise_batch_norm
from rankme.training.learner import Learner
from rankme.training.monitor import RankMonitor
from rankme.training.schedule import Schedule
from tests.rankme.training import tiny
from tests.rankme.training.tiny import CPU, STEPS, tiny_dataset, tiny_run, train

ROOT = Path(__file__).resolve().parents[3]
PROCESSES = 2
METHODS = [name for name, method in _METHODS.items() if method.trains]
RUNS = ("SimCLR", "DINO", "Supervised")
REGULARISED = {"rank_weight": 1.0, "rank_target": 3.0}
Found = dict[str, Any]

# In one process of pytest's, whose fixture starts the two processes once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two processes")]


def learner_of(run: RunSettings) -> Learner:
    return Learner(run, tiny_dataset(), CPU, Schedule.of(run.training, 70))


def first_step(folder: Path, method: str, **training: float) -> Found:
    """Loss, gradients and BatchNorm statistics of a run's first step, in float64."""
    # A seed at which no input of a ReLU is so near to zero that rounding decides its gradient.
    run = tiny_run(seed=1, method=method, optimizer="sgd", **training)
    learner = learner_of(run)
    learner._optimizer = build_optimizer(learner.method.double(), run.training)
    augment = learner._augmenter
    learner._augmenter = lambda *batch: [view.double() for view in augment(*batch)]  # type: ignore[assignment]
    loss = learner.step(0)
    trained = [(n, p) for n, p in learner.method.named_parameters() if p.requires_grad]
    gradients = {f"gradient.{n}": p.grad for n, p in trained}
    return {"loss": loss, **gradients, **dict(learner.method.named_buffers())}


def batch_norm(folder: Path) -> Found:
    """A layer of each kind in float64, on a batch far from zero, with a loss of all its outputs."""
    found: Found = {}
    random = torch.Generator().manual_seed(0)
    for name, layer, shape in (
        ("flat", nn.BatchNorm1d(5), (8, 5)),
        ("maps", nn.BatchNorm2d(5), (8, 5, 3, 2)),
    ):
        images, weights = torch.randn(2, *shape, generator=random, dtype=torch.float64)
        nn.init.uniform_(layer.weight, 0.5, 2.0, generator=random)
        module = nn.Sequential(layer.double())
        synchronise_batch_norm(module)
        rows = distributed.rows(8)
        x = (3 * images + 100)[rows].requires_grad_()
        (module(x).sin() * weights[rows]).sum().backward()
        found |= {f"{name}.{key}": buffer for key, buffer in layer.named_buffers()}
        for key, parameter in layer.named_parameters():
            assert parameter.grad is not None
            found[f"{name}.{key}"] = distributed.sum_(parameter.grad)
        found[f"{name}.rows"] = x.grad
    return found


def monitor(folder: Path) -> Found:
    """RankMe of an untrained network on subsets, of which one has an image for one process only."""
    learner = learner_of(tiny_run())
    monitors = {n: RankMonitor(learner.batches, tiny_dataset(), n) for n in (1, 33, 70)}
    return {str(n): monitor(learner.method) for n, monitor in monitors.items()}


def contents(outcome: Outcome) -> Found:
    known = {"status": outcome.status, "step": outcome.step, "rankme": outcome.rankme or 0.0}
    return {**known, **outcome.tensors}


def whole_run(folder: Path, method: str) -> Found:
    return contents(train(tiny_run(seed=1, method=method), folder))


def half_precision(folder: Path) -> Found:
    learner = learner_of(tiny_run(precision="bfloat16", optimizer="lars"))
    return {"losses": torch.stack([learner.step(step) for step in range(4)])}


def divergence(folder: Path) -> Found:
    return contents(train(tiny_run(method="VICReg", lr=1e6), folder))


def stopped(folder: Path) -> Found:
    """A signal to the last process alone, twice; then the rest of the run."""
    left = []
    for step in (5, 9):
        take_step = loop._Pretraining._take_step
        if distributed.rank() == distributed.world_size() - 1:
            loop._Pretraining._take_step = tiny.signal_at(step, signal.SIGTERM)  # type: ignore[method-assign]
        with StopRequest() as stop:
            try:
                pretrain(tiny_run(seed=1), tiny_dataset(), CPU, folder, stop)
            except SystemExit as leaving:
                left.append(leaving.code)
        loop._Pretraining._take_step = take_step  # type: ignore[method-assign]
    return {"exit codes": left, **contents(train(tiny_run(seed=1), folder))}


def refused(act: Callable[[], object]) -> str:
    try:
        act()
    except UserError as error:
        return str(error)
    return ""


def mistakes(folder: Path) -> Found:
    """What each process is told of mistakes that all, or the last one alone, have met."""

    def last_process_fails() -> None:
        with distributed.one_fate():
            if distributed.rank() == distributed.world_size() - 1:
                raise OSError(2, "No such file or directory", "/data")

    def other_code_s_checkpoint() -> None:
        store = loop.CheckpointStore(folder, loop._identity(tiny_run(), tiny_dataset()))
        if distributed.rank() == 0:
            store.save({"method.weight": torch.ones(1)}, {})
        train(tiny_run(), folder)

    return {
        "batch": refused(lambda: train(tiny_run(batch_size=15), folder)),
        "one": refused(last_process_fails),
        "checkpoint": refused(other_code_s_checkpoint),
    }


def messages(folder: Path) -> Found:
    rank = distributed.rank()
    return {
        "texts": distributed.exchange(["é", ""][rank]),
        "maxima": distributed.maximum(rank, -rank),
    }


SCENES: dict[str, Callable[[Path], Found]] = {
    **{f"first step {method}": partial(first_step, method=method) for method in METHODS},
    "first step regularised": partial(first_step, method="SimCLR", **REGULARISED),
    **{f"run {method}": partial(whole_run, method=method) for method in RUNS},
    "batch norm": batch_norm,
    "monitor": monitor,
    "half precision": half_precision,
    "divergence": divergence,
    "stopped": stopped,
    "mistakes": mistakes,
    "messages": messages,
    "imports": lambda folder: {"the compiler": "torch._dynamo" in sys.modules},
}


def play(scene: str, folder: Path) -> dict[str, np.ndarray]:
    folder.mkdir(exist_ok=True)
    found = SCENES[scene](folder)
    return {k: v.numpy() if isinstance(v, Tensor) else np.array(v) for k, v in found.items()}


def together(command: list[str]) -> list[subprocess.Popen[str]]:
    """The processes of one run of a command, started as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": str(PROCESSES), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place |= {"PYTHONPATH": "scripts:.", "OMP_NUM_THREADS": "1"}
    environments = [os.environ | place | {"RANK": str(rank)} for rank in range(PROCESSES)]
    return [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for environment in environments
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each of the two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    for process in together([sys.executable, __file__, str(folder)]):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return folder


def of_two(folder: Path, scene: str) -> list[dict[str, np.ndarray]]:
    """What each process found."""
    found = []
    for rank in range(PROCESSES):
        with np.load(folder / f"{scene} {rank}.npz", allow_pickle=False) as file:
            found.append(dict(file))
    return found


def error(measured: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the expected array's norm."""
    scale = np.linalg.norm(expected.astype(np.float64)) or 1.0
    return float(np.linalg.norm(measured.astype(np.float64) - expected) / scale)


@pytest.mark.parametrize("method", [*METHODS, "regularised"])
def test_a_step_has_the_loss_gradient_and_statistics_of_one_process(
    folder: Path, tmp_path: Path, method: str
) -> None:
    whole = play(f"first step {method}", tmp_path)
    for found in of_two(folder, f"first step {method}"):
        assert found.keys() == whole.keys()
        assert [name for name in whole if error(found[name], whole[name]) > 1e-10] == []


@pytest.mark.parametrize("method", RUNS)
def test_a_whole_run_is_that_of_one_process(folder: Path, tmp_path: Path, method: str) -> None:
    whole = play(f"run {method}", tmp_path)
    for found in of_two(folder, f"run {method}"):
        assert (found["status"], found["step"]) == ("completed", STEPS)
        assert found["rankme"] == pytest.approx(whole["rankme"], rel=1e-5)
        weights = [name for name, value in whole.items() if value.dtype.kind == "f"]
        assert max(error(found[name], whole[name]) for name in weights) < 1e-4


@pytest.mark.parametrize("scene", ["run SimCLR", "stopped", "divergence", "half precision"])
def test_all_processes_hold_the_same_bits(folder: Path, scene: str) -> None:
    first, second = of_two(folder, scene)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_batch_norm_has_the_values_and_gradients_of_torch_s_on_the_whole_batch(
    folder: Path, tmp_path: Path
) -> None:
    whole = play("batch norm", tmp_path)
    parts = of_two(folder, "batch norm")
    for name, expected in whole.items():
        rows = [part[name] for part in parts]
        measured = np.concatenate(rows) if name.endswith("rows") else rows[0]
        assert error(measured, expected) < 1e-12, name


def test_shards_add_up_to_the_monitor_s_rankme(folder: Path, tmp_path: Path) -> None:
    whole = play("monitor", tmp_path)
    for found in of_two(folder, "monitor"):
        for samples, rankme in whole.items():
            assert found[samples] == pytest.approx(rankme, rel=1e-9)


def test_bfloat16_losses_are_those_of_one_process_to_its_precision(
    folder: Path, tmp_path: Path
) -> None:
    whole = play("half precision", tmp_path)["losses"]
    for found in of_two(folder, "half precision"):
        np.testing.assert_allclose(found["losses"], whole, rtol=2**-7)


def test_a_divergence_is_one_for_all(folder: Path, tmp_path: Path) -> None:
    whole = play("divergence", tmp_path)
    assert whole["status"] == "diverged"
    for found in of_two(folder, "divergence"):
        assert (found["status"], found["step"]) == ("diverged", whole["step"])
        assert all(np.isfinite(v).all() for v in found.values() if v.dtype.kind == "f")


def test_a_signal_to_one_stops_all_and_all_resume_bit_for_bit(folder: Path) -> None:
    undisturbed = of_two(folder, "run SimCLR")[0]
    for found in of_two(folder, "stopped"):
        assert found.pop("exit codes").tolist() == [75, 75]
        assert found.keys() == undisturbed.keys()
        assert all(np.array_equal(found[name], undisturbed[name]) for name in found)


def test_a_mistake_of_any_process_is_told_to_all(folder: Path) -> None:
    for found in of_two(folder, "mistakes"):
        assert "training.batch_size: 15 cannot be shared equally by 2" in str(found["batch"])
        assert str(found["one"]) == "/data: No such file or directory"
        assert "written by other code" in str(found["checkpoint"])


def test_a_run_does_not_import_the_compiler(folder: Path) -> None:
    """torch.optim's classes would, at the cost of more seconds than `import torch` takes."""
    assert [found["the compiler"] for found in of_two(folder, "imports")] == [False, False]


def test_processes_hear_each_other(folder: Path) -> None:
    for found in of_two(folder, "messages"):
        assert found["texts"].tolist() == ["é", ""]
        assert found["maxima"].tolist() == [1, 0]


def test_a_lost_process_is_a_user_error(tmp_path: Path) -> None:
    code = """
import os, sys
from rankme.errors import UserError
from rankme.training import distributed
try:
    with distributed.process_group():
        if distributed.rank() == 1:
            os._exit(9)
        distributed.maximum(1)
except UserError as error:
    sys.exit(str(error))
"""
    lost = together([sys.executable, "-c", code])
    errors = [process.communicate(timeout=60)[1] for process in lost]
    assert [process.returncode for process in lost] == [1, 9]
    assert errors[0].strip().splitlines()[-1].startswith("the processes lost touch; if one has")


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with distributed.process_group():
        for scene in SCENES:
            np.savez(folder / f"{scene} {distributed.rank()}.npz", **play(scene, folder / scene))


if __name__ == "__main__":
    main()
