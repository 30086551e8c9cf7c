from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rankme.errors import UserError
from rankme.training import checkpoint, remove_checkpoints
from rankme.training.checkpoint import CheckpointStore


def tensors(value: float) -> dict[str, Tensor]:
    convolution = torch.full((2, 3, 3, 3), value).to(memory_format=torch.channels_last)
    return {"method.weight": convolution, "optimizer.0.step": torch.tensor(value)}


def store(folder: Path) -> CheckpointStore:
    return CheckpointStore(folder, {"run": "this", "dataset": "d"})


def loaded(folder: Path) -> int | None:
    """The step of the checkpoint that is loaded, if its tensors are those of that step."""
    own = tensors(-1)
    progress = store(folder).load(own)
    if progress is None:
        return None
    assert all(torch.equal(own[name], value) for name, value in tensors(progress["step"]).items())
    return progress["step"]


def test_a_checkpoint_gives_back_tensors_and_progress(tmp_path: Path) -> None:
    progress = {"step": 7, "history": [{"loss": 0.1}]}
    store(tmp_path).save(tensors(7), progress)
    assert store(tmp_path).load(tensors(0)) == progress
    assert loaded(tmp_path) == 7


def test_without_a_checkpoint_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert loaded(tmp_path) is None


def test_a_checkpoint_that_does_not_fit_the_code_stops_the_run(tmp_path: Path) -> None:
    store(tmp_path).save({"method.weight": torch.ones(1)}, {})
    with pytest.raises(
        UserError, match="CHECKPOINT: was written by other code and does not fit; d"
    ):
        loaded(tmp_path)


def test_the_newest_of_many_counts_and_two_are_kept(tmp_path: Path) -> None:
    for step in range(4):
        store(tmp_path).save(tensors(step), {"step": step})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["CHECKPOINT", "CHECKPOINT.previous"]
    assert loaded(tmp_path) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-5],
        lambda data: data[:64],
        lambda data: data[:-10] + bytes([data[-10] ^ 1]) + data[-9:],
        lambda data: b'{"artefact": "RANK"}',
    ],
    ids=["empty", "end missing", "header alone", "one bit", "other file"],
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    for step in (1, 2):
        store(tmp_path).save(tensors(step), {"step": step})
    newest = tmp_path / "CHECKPOINT"
    newest.write_bytes(damage(newest.read_bytes()))
    assert loaded(tmp_path) == 1
    assert f"checkpoint refused: {newest}" in caplog.text


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ({"run": "other", "dataset": "d"}, "belongs to another run"),
        ({"run": "this", "dataset": "e"}, "belongs to another dataset"),
    ],
)
def test_a_foreign_checkpoint_is_refused_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, owner: dict[str, str], reason: str
) -> None:
    CheckpointStore(tmp_path, owner).save(tensors(1), {"step": 1})
    assert loaded(tmp_path) is None
    assert reason in caplog.text


@pytest.mark.parametrize("moment", [0, 1])
def test_a_kill_between_two_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    for step in (1, 2):
        store(tmp_path).save(tensors(step), {"step": step})

    done = []

    class Killed(BaseException):
        pass

    class DyingOs:
        @staticmethod
        def replace(source: Path, target: Path) -> None:
            if len(done) == moment:
                raise Killed
            done.append(source.replace(target))

    monkeypatch.setattr(checkpoint, "os", DyingOs)
    with pytest.raises(Killed):
        store(tmp_path).save(tensors(3), {"step": 3})
    assert loaded(tmp_path) == 3


def test_nothing_is_left_after_removal(tmp_path: Path) -> None:
    store(tmp_path).save(tensors(1), {"step": 1})
    store(tmp_path).save(tensors(2), {"step": 2})
    (tmp_path / ".CHECKPOINT.next.0a1b2c3d.partial").write_bytes(b"torn")
    (tmp_path / "TRAINING_LOG").write_text("")
    remove_checkpoints(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["TRAINING_LOG"]
