import pytest
import torch

from rankme.device import choose_device, describe_device
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


def test_the_cpu_is_described_by_its_kind() -> None:
    assert describe_device(torch.device("cpu")) == "cpu"
