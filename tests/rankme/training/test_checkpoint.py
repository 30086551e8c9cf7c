from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rankme.training import checkpoint, remove_checkpoints
from rankme.training.checkpoint import CheckpointStore


def tensors(value: float) -> dict[str, Tensor]:
    convolution = torch.full((2, 3, 3, 3), value).to(memory_format=torch.channels_last)
    return {"method.weight": convolution, "optimizer.0.step": torch.tensor(value)}


def store(folder: Path, run: str = "this") -> CheckpointStore:
    return CheckpointStore(folder, {"run": run, "dataset": "d"})


def test_a_checkpoint_gives_back_tensors_and_progress(tmp_path: Path) -> None:
    store(tmp_path).save(tensors(1.5), {"step": 7, "history": [{"loss": 0.1}]})
    loaded = store(tmp_path).load()
    assert loaded is not None
    assert loaded[1] == {"step": 7, "history": [{"loss": 0.1}]}
    assert loaded[0].keys() == tensors(0).keys()
    assert all(torch.equal(loaded[0][name], value) for name, value in tensors(1.5).items())


def test_without_a_checkpoint_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert store(tmp_path).load() is None


def test_the_newest_of_many_counts_and_two_are_kept(tmp_path: Path) -> None:
    for step in range(4):
        store(tmp_path).save(tensors(step), {"step": step})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["CHECKPOINT", "CHECKPOINT.previous"]
    loaded = store(tmp_path).load()
    assert loaded is not None
    assert loaded[1]["step"] == 3


def damage_nothing_left(path: Path) -> None:
    path.write_bytes(b"")


def damage_end_missing(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def damage_header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:64])


def damage_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


def damage_other_file(path: Path) -> None:
    path.write_text('{"artefact": "RANK"}')


@pytest.mark.parametrize(
    "damage",
    [
        damage_nothing_left,
        damage_end_missing,
        damage_header_only,
        damage_one_bit,
        damage_other_file,
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store(tmp_path).save(tensors(1), {"step": 1})
    store(tmp_path).save(tensors(2), {"step": 2})
    damage(tmp_path / "CHECKPOINT")
    loaded = store(tmp_path).load()
    assert loaded is not None
    assert loaded[1]["step"] == 1
    assert "checkpoint refused" in caplog.text
    assert "CHECKPOINT" in caplog.text


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
    assert store(tmp_path).load() is None
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
    loaded = store(tmp_path).load()
    assert loaded is not None
    assert loaded[1]["step"] == 3


def test_nothing_is_left_after_removal(tmp_path: Path) -> None:
    store(tmp_path).save(tensors(1), {"step": 1})
    store(tmp_path).save(tensors(2), {"step": 2})
    (tmp_path / ".CHECKPOINT.next.partial").write_bytes(b"torn")
    (tmp_path / "TRAINING_LOG").write_text("")
    remove_checkpoints(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["TRAINING_LOG"]
