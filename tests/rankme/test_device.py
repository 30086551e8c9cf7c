import pytest
import torch

from rankme.device import choose_device, describe_device, send
from rankme.errors import UserError


def pretend(monkeypatch: pytest.MonkeyPatch, cards: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cards", "mps", "expected"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_is_the_fastest_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cards: int, mps: bool, expected: str
) -> None:
    pretend(monkeypatch, cards, mps)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_named_device_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch, cards=2, mps=False)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "gpu", ""])
def test_an_absent_device_is_a_user_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch, cards=0, mps=False)
    with pytest.raises(UserError, match=f"device '{name}' is not on this machine; .* auto, cpu"):
        choose_device(name)


def pretend_processes(monkeypatch: pytest.MonkeyPatch, processes: int, rank: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(2 * processes))  # on two machines
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    monkeypatch.setenv("LOCAL_RANK", str(rank))


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_of_a_machine_has_its_own_card(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pretend(monkeypatch, cards=4, mps=False)
    pretend_processes(monkeypatch, 4, rank=3)
    assert choose_device(name) == torch.device("cuda:3")


def test_processes_may_share_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cards=0, mps=False)
    pretend_processes(monkeypatch, 4, rank=3)
    assert choose_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "3 processes are more than the 2 CUDA devices of this machine; start at most 2"),
        ("cuda:1", "device 'cuda:1' is for one process; with several choose cuda or cpu"),
        ("mps", "device 'mps' is for one process; with several choose cuda or cpu"),
    ],
)
def test_processes_without_a_card_each_are_a_user_error(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    pretend(monkeypatch, cards=2, mps=True)
    pretend_processes(monkeypatch, 3, rank=0)
    with pytest.raises(UserError, match=message):
        choose_device(name)


class Recorder:
    """Notes how it is copied."""

    def to(self, device: torch.device, non_blocking: bool) -> tuple[str, bool]:
        return device.type, non_blocking


@pytest.mark.parametrize(("kind", "expected"), [("cuda", True), ("mps", False), ("cpu", False)])
def test_only_to_cuda_a_copy_need_not_wait(kind: str, expected: bool) -> None:
    """On MPS such a copy may read memory that is released already: pytorch issue 189690."""
    assert send(Recorder(), torch.device(kind)) == (kind, expected)  # type: ignore[arg-type]


def test_the_cpu_is_described_by_its_kind() -> None:
    assert describe_device(torch.device("cpu")) == "cpu"
