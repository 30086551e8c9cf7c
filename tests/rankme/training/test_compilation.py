import shutil

import pytest
import torch
from torch import Tensor, nn

from rankme.methods.simclr import Hyperparameters, SimCLR
from rankme.training import compilation
from rankme.training.compilation import REPAYING_IMAGES, compile_network
from rankme.training.learner import Learner
from rankme.training.monitor import RankMonitor
from rankme.training.schedule import Schedule
from tests.rankme.training.tiny import CPU, tiny_dataset, tiny_run

CUDA, MPS = torch.device("cuda"), torch.device("mps")


def schedule(images: int) -> Schedule:
    return Schedule(1, 1000, images // 1000, warmup_steps=0, peak=0.1, final_fraction=0.001)


def method() -> SimCLR:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    own = Hyperparameters(temperature=0.5)
    return SimCLR(encoder, nn.Linear(64, 8), own, classes=0)  # type: ignore[arg-type]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """What would be compiled, where the compiler has all it needs."""
    modules: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: modules.append(module))
    monkeypatch.setattr(compilation, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/cc")
    return modules


@pytest.mark.parametrize(
    ("setting", "device", "images", "processes", "expected"),
    [
        (True, CPU, 1000, 1, True),
        (False, CUDA, REPAYING_IMAGES, 1, False),
        ("auto", CUDA, REPAYING_IMAGES, 1, True),
        ("auto", CUDA, REPAYING_IMAGES - 1000, 1, False),
        ("auto", CUDA, REPAYING_IMAGES, 2, False),
        ("auto", CPU, REPAYING_IMAGES, 1, False),
        ("auto", MPS, REPAYING_IMAGES, 1, False),
    ],
)
def test_auto_compiles_long_runs_on_one_cuda_card(
    compiled: list[nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    setting: bool | str,
    device: torch.device,
    images: int,
    processes: int,
    expected: bool,
) -> None:
    monkeypatch.setattr(compilation, "world_size", lambda: processes)
    network = method()
    compile_network(network, setting, device, schedule(images))
    assert compiled == ([network.encoder, network.projector] if expected else [])


@pytest.mark.parametrize("missing", ["triton", "cc"])
def test_auto_does_not_compile_without_what_the_compiler_needs(
    compiled: list[nn.Module], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(compilation, "find_spec", lambda name: name != missing or None)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else name)
    compile_network(method(), "auto", CUDA, schedule(REPAYING_IMAGES))
    assert compiled == []


def step(network: SimCLR, views: Tensor) -> dict[str, Tensor]:
    """Loss, gradients and state of a step, and an embedding in eval mode."""
    loss = network.loss(list(views), torch.zeros(6, dtype=torch.int64))
    loss.backward()
    gradients = {
        f"gradient.{n}": p.grad for n, p in network.named_parameters() if p.grad is not None
    }
    (embedding,) = network.eval().embed([views[0]])
    return {"loss": loss, **gradients, **network.state_dict(), "embedding": embedding}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_has_the_values_gradients_and_names_of_the_plain_one() -> None:
    views = torch.randn(2, 6, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    plain, compiled = method(), method()
    compile_network(compiled, True, CPU, schedule(1000))
    expected, found = step(plain, views), step(compiled, views)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_the_monitor_takes_the_plain_network() -> None:
    """A compiled one would be compiled again for its mode and for each size of batch."""
    run = tiny_run()
    learner = Learner(run, tiny_dataset(), CPU, Schedule.of(run.training, 70))
    for part in learner.method.networks():
        part._compiled_call_impl = lambda *_: pytest.fail("compiled")
    RankMonitor(learner.batches, tiny_dataset(), 48)(learner.method)
    with pytest.raises(pytest.fail.Exception):
        learner.step(0)
