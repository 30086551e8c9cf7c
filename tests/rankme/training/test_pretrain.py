"""The whole loop on tiny data, on the CPU with one thread."""

import json
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rankme.artefacts import LogRow
from rankme.augment import Augmenter
from rankme.data.batches import epoch_order
from rankme.errors import UserError
from rankme.training import Outcome, StopRequest, loop, pretrain
from rankme.training import stop as stop_module
from rankme.training.collapse import status_of
from rankme.training.monitor import RankMonitor
from rankme.training.schedule import Schedule
from tests.rankme.training import tiny
from tests.rankme.training.tiny import CPU, STEPS, tiny_dataset, tiny_run, train

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that nothing has disturbed."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Outcome:
    """What that run came to."""
    return train(tiny_run(), folder)


def assert_same(first: Outcome, second: Outcome) -> None:
    """Equal in all but time, weights bit for bit."""
    assert (first.status, first.step, first.rankme) == (second.status, second.step, second.rankme)
    assert first.tensors.keys() == second.tensors.keys()
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name]), name


def log_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "TRAINING_LOG").read_text().splitlines()]


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = ("seconds", "rank_seconds", "views_per_second")
    return [{key: row[key] for key in row if key not in times} for row in rows]


def train_with_stops(
    folder: Path, stops: range | list[int], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> Outcome:
    """Train, stopped by SIGTERM after each of these steps and started again."""
    run = tiny_run(**settings)
    for step in stops:
        with monkeypatch.context() as patch, StopRequest() as stop:
            patch.setattr(loop._Pretraining, "_take_step", tiny.signal_at(step, signal.SIGTERM))
            with pytest.raises(SystemExit):
                pretrain(run, tiny_dataset(), CPU, folder, stop)
    return train(run, folder)


def test_a_run_completes_and_learns(whole: Outcome, folder: Path) -> None:
    rows, schedule = log_rows(folder), Schedule.of(tiny_run().training, 70)
    assert (whole.status, whole.step, whole.steps) == ("completed", STEPS, STEPS)
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 8), (3, 12)]
    assert [row["lr"] for row in rows] == [schedule.rate(last) for last in (3, 7, 11)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["rankme"] == whole.rankme
    assert all(row["views_per_second"] > 0 for row in rows)
    assert {name.split(".")[0] for name in whole.tensors} == {"encoder", "projector"}


def test_an_epoch_takes_its_images_in_its_own_order_and_each_step_its_own_augmentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, seeds = [], []
    augment = Augmenter.__call__

    def noted(self: Augmenter, images: torch.Tensor, generator: torch.Generator, *rest: Any) -> Any:
        batches.append(images)
        seeds.append(generator.initial_seed())
        return augment(self, images, generator, *rest)

    monkeypatch.setattr(Augmenter, "__call__", noted)
    train(tiny_run(seed=5), tmp_path)
    images = torch.from_numpy(tiny_dataset().splits["train"].images)
    orders = [epoch_order(70, 5, epoch)[:64] for epoch in range(3)]
    assert torch.equal(torch.cat(batches), images[torch.cat(orders)])
    assert len(set(seeds)) == STEPS


def test_the_seed_alone_decides_the_weights_and_no_generator_moves(
    whole: Outcome, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert_same(whole, train(tiny_run(), tmp_path))
    assert torch.equal(before, torch.get_rng_state())
    other = train(tiny_run(seed=4), tmp_path)
    assert not torch.equal(whole.tensors["projector.0.weight"], other.tensors["projector.0.weight"])


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({"optimizer": "adamw", "precision": "bfloat16"}, range(1, STEPS)),
        ({"optimizer": "sgd"}, range(1, STEPS)),
        ({"optimizer": "lars"}, range(1, STEPS)),
        *[
            ({"method": name, "rank_weight": 1.0, "rank_target": 4.0}, [1, 6, 11])
            for name in ("DINO", "Supervised", "VICReg-ctr")
        ],
    ],
    ids=str,
)
def test_a_stopped_run_resumes_bit_for_bit_from_any_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    stops: range | list[int],
) -> None:
    monkeypatch.setattr(loop, "CHECK_STEPS", 3)
    whole = train(tiny_run(**settings), tmp_path / "whole")
    stopped = train_with_stops(tmp_path / "stopped", stops, monkeypatch, **settings)
    assert_same(whole, stopped)
    assert {name.split(".")[0] for name in whole.tensors} == {"encoder", "projector"}
    expected, rows = (without_times(log_rows(tmp_path / name)) for name in ("whole", "stopped"))
    assert rows == expected


def test_dino_is_measured_and_saved_as_its_teacher(tmp_path: Path) -> None:
    training = loop._Pretraining(tiny_run(method="DINO"), tiny_dataset(), CPU, tmp_path)
    outcome = training.finish(StopRequest())
    weights = training.learner.method.state_dict()
    name = "encoder.conv1.weight"
    assert torch.equal(outcome.tensors[name], weights[name])
    assert not torch.equal(weights[name], weights[f"student_{name}"])
    assert outcome.rankme == training.monitor(training.learner.method)
    assert log_rows(tmp_path)[-1]["views_per_second"] > 0


def test_a_random_encoder_is_what_every_run_of_its_seed_starts_from(tmp_path: Path) -> None:
    outcome = train(tiny_run(seed=3, method="RandomInit"), tmp_path)
    start = loop._Pretraining(tiny_run(seed=3), tiny_dataset(), CPU, tmp_path / "other")
    assert (outcome.status, outcome.step, outcome.steps) == ("completed", 0, 0)
    weights = start.learner.method.state_dict()
    assert outcome.tensors.keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in outcome.tensors.items())
    (row,) = log_rows(tmp_path)
    assert (row["epoch"], row["step"], row["loss"], row["lr"]) == (0, 0, None, 0)
    assert row["views_per_second"] == 0
    assert row["rankme"] == outcome.rankme == start.monitor(start.learner.method)
    assert not list(tmp_path.glob("*CHECKPOINT*"))


def test_supervised_refuses_images_with_several_labels(tmp_path: Path) -> None:
    several = replace(tiny_dataset(), metric="map")
    with pytest.raises(UserError, match="Supervised needs a source of at least two classes"):
        pretrain(tiny_run(method="Supervised"), several, CPU, tmp_path, StopRequest())


def test_without_weight_the_rank_regulariser_changes_no_bit(whole: Outcome, tmp_path: Path) -> None:
    assert_same(whole, train(tiny_run(rank_weight=0.0, rank_target=5.0), tmp_path))


@pytest.mark.parametrize("method", ["SimCLR", "VICReg", "DINO", "Supervised"])
def test_the_rank_regulariser_moves_the_rank_of_any_method_towards_its_target(
    tmp_path: Path, method: str
) -> None:
    """Without it they end at 9 to 11; of a batch the rank is lower than of all images."""
    ranks = []
    for target in (1.5, 12.0):
        settings = {"epochs": 10, "lr": 0.01, "rank_weight": 10.0, "rank_target": target}
        ranks.append(train(tiny_run(method=method, **settings), tmp_path / str(target)).rankme)
    low, high = ranks
    assert low < 3
    assert 11 < high < 15


def test_a_killed_run_resumes_bit_for_bit(whole: Outcome, tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, tiny.__file__, tmp_path, str(random.randrange(2, STEPS))],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "scripts:.", "OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "CHECKPOINT").exists()
    assert_same(whole, train(tiny_run(), tmp_path))
    assert [row["epoch"] for row in log_rows(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_each_signal_leaves_a_checkpoint_and_its_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: signal.Signals,
    code: int,
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(loop._Pretraining, "_take_step", tiny.signal_at(5, number))
    with StopRequest() as stop, pytest.raises(SystemExit) as leaving:
        pretrain(tiny_run(), tiny_dataset(), CPU, tmp_path, stop)
    assert leaving.value.code == code
    assert f"{number.name}: checkpoint written after step 5 of 12" in caplog.text
    assert (tmp_path / "CHECKPOINT").exists()
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_may_reach_one_of_several_processes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the terminal and from torchrun."""
    monkeypatch.setattr(stop_module, "world_size", lambda: 2)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT


def test_a_signal_at_the_last_step_does_not_hold_up_the_result(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop._Pretraining, "_take_step", tiny.signal_at(STEPS, signal.SIGTERM))
    with StopRequest() as stop:
        assert_same(whole, pretrain(tiny_run(), tiny_dataset(), CPU, tmp_path, stop))


def test_a_checkpoint_of_other_settings_or_data_is_not_resumed(
    whole: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
        train(tiny_run(lr=0.01), tmp_path)
    assert_same(whole, train(tiny_run(), tmp_path))
    assert "belongs to another run" in caplog.text
    pretrain(tiny_run(lr=0.01), tiny_dataset(digest="1" * 64), CPU, tmp_path, StopRequest())
    assert "belongs to another dataset" in caplog.text


def test_the_monitor_changes_nothing_but_the_rows_that_tell_its_cost(
    whole: Outcome, tmp_path: Path
) -> None:
    seldom = train(tiny_run(rank_every_epochs=2), tmp_path)
    rows = log_rows(tmp_path)
    assert_same(whole, seldom)
    assert [row["rankme"] is None for row in rows] == [True, False, False]
    assert [row["rank_seconds"] > 0 for row in rows] == [False, True, True]
    assert sum(row["rank_seconds"] for row in rows) < seldom.seconds


def test_the_monitor_is_rankme_of_the_evaluation_embeddings(tmp_path: Path) -> None:
    dataset = tiny_dataset()
    training = loop._Pretraining(tiny_run(rank_samples=1000), dataset, CPU, tmp_path)
    method = training.learner.method
    measured = training.monitor(method)
    assert method.training
    method.eval()
    pixels = torch.from_numpy(dataset.splits["train"].images).permute(0, 3, 1, 2).double() / 255
    with torch.no_grad():
        double = method.double()
        embeddings = double.projector(double.encoder((pixels - 0.5) / 0.25))
    sigma = torch.linalg.svdvals(embeddings)
    shares = sigma / sigma.sum() + 1e-7
    assert measured == pytest.approx(math.exp(-(shares * shares.log()).sum()), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lars"])
def test_a_divergence_is_recorded_with_finite_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    monkeypatch.setattr(loop, "CHECK_STEPS", 1)
    outcome = train(tiny_run(method="VICReg", optimizer=optimizer, lr=1e6), tmp_path)
    assert outcome.status == "diverged"
    assert 1 <= outcome.step < STEPS
    assert all(tensor.isfinite().all() for tensor in outcome.tensors.values())
    last = log_rows(tmp_path)[-1]
    assert (last["step"], last["loss"], last["rankme"]) == (outcome.step, None, None)


@pytest.mark.parametrize("method", ["VICReg", "VICReg-exp"])
def test_a_divergence_with_the_rank_regulariser_is_recorded(method: str, tmp_path: Path) -> None:
    run = tiny_run(method=method, optimizer="sgd", lr=1e4, rank_weight=1.0, rank_target=4.0)
    assert train(run, tmp_path).status == "diverged"


def test_a_divergence_is_the_same_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step = loop._Pretraining._take_step

    def poisoned(self: Any) -> None:
        take_step(self)
        if self.step == 8:
            self.losses[self.unread - 1] = math.nan

    monkeypatch.setattr(loop, "CHECK_STEPS", 5)
    monkeypatch.setattr(loop._Pretraining, "_take_step", poisoned)
    whole = train(tiny_run(), tmp_path / "whole")
    stopped = train_with_stops(tmp_path / "stopped", [6, 7], monkeypatch)
    assert (whole.status, whole.step) == ("diverged", 8)
    assert_same(whole, stopped)


SCHEDULE = Schedule(10, 16, 4, warmup_steps=4, peak=0.1, final_fraction=0.001)


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        ([1.2, 1.2], None),
        ([1.2, 1.2, 1.2], "collapsed"),
        ([9.0, 1.2, 1.6, 1.2], None),
        ([9.0, 1.2, None, 1.2], "collapsed"),
        ([9.0] * 9, None),
        ([9.0] * 10, "completed"),
        ([9.0] * 9 + [1.9], "collapsed"),
    ],
)
def test_the_status_follows_the_measured_ranks(
    ranks: list[float | None], expected: str | None
) -> None:
    history = [
        LogRow(epoch, 4 * epoch, 1.0, 0.1, rank, 0.0, 1000.0, 1.0)
        for epoch, rank in enumerate(ranks, start=1)
    ]
    assert status_of(history, SCHEDULE) == expected


@pytest.mark.parametrize(
    ("rank", "expected"), [(1.1, ("collapsed", 8, 1.1)), (math.nan, ("diverged", 4, None))]
)
def test_a_run_whose_embeddings_are_hopeless_or_not_finite_is_stopped_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: float, expected: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(RankMonitor, "__call__", lambda self, method: rank)
    outcome = train(tiny_run(warmup_epochs=0), tmp_path)
    assert (outcome.status, outcome.step, outcome.rankme) == expected
