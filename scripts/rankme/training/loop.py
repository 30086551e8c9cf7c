"""Pretraining: from a resolved run and a dataset to weights.

A run that was killed and resumed takes the same steps as one that was not, bit for bit on one
machine with one number of threads; a run in several processes those of a run in one, but for
rounding.
"""

import logging
import math
import signal
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from rankme.artefacts import LogRow, RunFiles, write_training_log
from rankme.data.dataset import Dataset
from rankme.device import exact_convolutions
from rankme.processes import is_first_process
from rankme.study.identity import digest
from rankme.study.runs import RunSettings
from rankme.training import distributed
from rankme.training.checkpoint import CheckpointStore, copy_into, prefixed
from rankme.training.collapse import status_of
from rankme.training.learner import Learner
from rankme.training.monitor import RankMonitor
from rankme.training.progress import Progress
from rankme.training.schedule import Schedule
from rankme.training.stop import StopRequest, exit_code

logger = logging.getLogger(__name__)

CHECK_STEPS = 50
"""The device is asked for its losses at most this often: a question waits for all queued work."""

CHECKPOINT_SECONDS = 60.0
"""A kill without notice loses at most this much training."""

_PROGRESS = ("step", "loss_sum", "epoch_seconds", "seconds")
"""What a checkpoint holds of a run beside tensors and the rows of TRAINING_LOG."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        status: "completed"; "diverged" (a loss, weight or embedding that is not finite) or
            "collapsed" (see `rankme.training.collapse`), which are results too.
        step: steps taken; in a diverged run the last is the one it showed at.
        steps: steps of the whole run.
        rankme: last measured, if any was.
        precision: of the forward and backward pass, "float32" or "bfloat16".
        seconds: wall-clock time of the run, all its starts together.
        tensors: "encoder.*" and "projector.*" on the CPU; of a diverged run the last ones found
            finite (checked every CHECK_STEPS steps and at the end of each epoch).
    """

    status: str
    step: int
    steps: int
    rankme: float | None
    precision: str
    seconds: float
    tensors: dict[str, Tensor]


def pretrain(
    run: RunSettings, dataset: Dataset, device: torch.device, folder: Path, stop: StopRequest
) -> Outcome:
    """Train a run on the "train" split to its end, from its checkpoint if `folder` has one.

    Writes TRAINING_LOG into `folder` each epoch, and asks `stop` between two steps. The checkpoints
    stay until the caller has the weights safely on disk and calls `remove_checkpoints`. Inside
    `distributed.process_group` all processes take part and have the same outcome, and the first
    writes.

    Raises:
        UserError: the run does not fit the dataset or the number of processes.
        SystemExit: `stop` was requested of any process; a checkpoint is written and the code says
            which signal it was.
    """
    current = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    with exact_convolutions(repeatable=True), current:
        return _Pretraining(run, dataset, device, folder).finish(stop)


class _Pretraining:
    """One run under way. `step` counts the steps taken."""

    def __init__(
        self, run: RunSettings, dataset: Dataset, device: torch.device, folder: Path
    ) -> None:
        settings = run.training
        self.folder = folder
        self.schedule = Schedule.of(settings, len(dataset.splits["train"].labels))
        self.learner = Learner(run, dataset, device, self.schedule)
        if not self.learner.method.trains:
            self.schedule = replace(self.schedule, epochs=0)
        self.monitor = RankMonitor(self.learner.batches, dataset, settings.rank_samples)
        self.monitor_epochs = settings.rank_every_epochs
        self.store = CheckpointStore(folder, _identity(run, dataset))

        self.status: str | None = None
        self.step = 0
        self.history: list[LogRow] = []
        self.loss_sum = 0.0
        self.epoch_seconds = 0.0
        self.seconds = 0.0
        weights = self.learner.method.state_dict()
        self.last_finite = {name: weight.clone() for name, weight in weights.items()}
        self.losses = torch.zeros(CHECK_STEPS, device=device)
        self.unread = 0
        self._resume()
        self.progress = Progress(self.schedule.epochs, self.schedule.steps, self.step)
        self.lap_start = self.saved_at = time.perf_counter()

    def finish(self, stop: StopRequest) -> Outcome:
        """Take all steps that are left; without any, TRAINING_LOG has a row for epoch 0."""
        if self.schedule.steps == 0:
            self.epoch_seconds += self._lap()
            rankme = self.monitor(self.learner.method)
            self._record(None, rankme, self._lap())
            return self._outcome("completed")
        while self.status is None:
            self._take_step()
            if self.step % CHECK_STEPS == 0 or self.step % self.schedule.epoch_steps == 0:
                self._check()
            if self.status is None:
                self._save_or_leave(stop)
        return self._outcome(self.status)

    def _take_step(self) -> None:
        self.losses[self.unread] = self.learner.step(self.step)
        self.unread += 1
        self.step += 1
        self.progress.step()

    def _read_losses(self) -> None:
        """Add the losses since the last reading to the epoch's; a bad one ends the run there."""
        losses = distributed.sum_(self.losses[: self.unread] / distributed.world_size())
        for number, loss in enumerate(losses.tolist(), start=self.step - self.unread + 1):
            if not math.isfinite(loss):
                self.status, self.step = "diverged", number
                break
            self.loss_sum += loss
        self.unread = 0

    def _check(self) -> None:
        """See that all is finite and, if it is, keep the weights; close the epoch at its end."""
        self._read_losses()
        weights = self.learner.method.state_dict()
        if self.status is None and any(distributed.maximum(not _all_finite(weights))):
            self.status = "diverged"
        if self.status is None and self.step % self.schedule.epoch_steps == 0:
            self._end_epoch()
        if self.status is None:
            copy_into(self.last_finite, weights)

    def _end_epoch(self) -> None:
        self.epoch_seconds += self._lap()
        due = self.step // self.schedule.epoch_steps % self.monitor_epochs == 0
        measured = due or self.step == self.schedule.steps
        rankme = self.monitor(self.learner.method) if measured else None
        rank_seconds = self._lap()
        if rankme is not None and math.isnan(rankme):
            self.status = "diverged"
            return
        self._record(self.loss_sum / self.schedule.epoch_steps, rankme, rank_seconds)
        self.progress.epoch(self.history[-1])
        self.loss_sum = self.epoch_seconds = 0.0
        self.status = status_of(self.history, self.schedule)

    def _record(self, loss: float | None, rankme: float | None, rank_seconds: float) -> None:
        """Add the epoch's row to TRAINING_LOG; `loss` is None in the epoch of a divergence."""
        epoch = math.ceil(self.step / self.schedule.epoch_steps)
        batches = self.step - max(0, epoch - 1) * self.schedule.epoch_steps
        views = batches * self.schedule.batch_size * self.learner.views
        row = LogRow(
            epoch=epoch,
            step=self.step,
            loss=loss,
            lr=self.schedule.rate(self.step - 1) if self.step else 0.0,
            rankme=rankme,
            rank_seconds=round(rank_seconds, 3),
            views_per_second=round(views / self.epoch_seconds, 1),
            seconds=round(self.seconds, 3),
        )
        self.history.append(row)
        if is_first_process():
            write_training_log(RunFiles(self.folder).log, self.history)

    def _lap(self) -> float:
        """Seconds since the last lap; all laps together are the run's duration."""
        now = time.perf_counter()
        seconds, self.lap_start = now - self.lap_start, now
        self.seconds += seconds
        return seconds

    def _save_or_leave(self, stop: StopRequest) -> None:
        """Write a checkpoint if it is time or any process is asked to stop; then stop them all."""
        due = time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS
        asked, due_anywhere = distributed.maximum(stop.signal or 0, due)
        if asked or due_anywhere:
            self._save()
        if asked and self.status is None:
            self._leave(signal.Signals(asked))

    def _save(self) -> None:
        """Write a checkpoint, unless a loss that was not read yet turns out not to be finite."""
        self._read_losses()
        if self.status is not None:
            return
        self.epoch_seconds += self._lap()
        if is_first_process():
            progress = {name: getattr(self, name) for name in _PROGRESS}
            rows = [asdict(row) for row in self.history]
            self.store.save(self._tensors(), {**progress, "history": rows})
        self._lap()
        self.saved_at = self.lap_start

    def _tensors(self) -> dict[str, Tensor]:
        return {**self.learner.tensors(), **prefixed("last_finite", self.last_finite)}

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one: the first process reads it for all."""
        with distributed.one_fate():
            loaded = self.store.load(self._tensors()) if is_first_process() else None
        progress = distributed.exchange(loaded)[0]
        if progress is None:
            return
        distributed.broadcast(self._tensors().values())
        for name in _PROGRESS:
            setattr(self, name, progress[name])
        self.history = [LogRow(**row) for row in progress["history"]]
        logger.info("resumed after step %d of %d", self.step, self.schedule.steps)

    def _leave(self, number: signal.Signals) -> None:
        distributed.maximum(0)  # Wait for the first to have written: an end makes torchrun end all.
        self.progress.close()
        place = f"step {self.step} of {self.schedule.steps}"
        logger.warning("%s: checkpoint written after %s; start again to go on", number.name, place)
        raise SystemExit(exit_code(number))

    def _outcome(self, status: str) -> Outcome:
        self.epoch_seconds += self._lap()
        weights = self.learner.method.state_dict()
        if status == "diverged":
            self._record(None, None, 0.0)
            weights = self.last_finite
        self.progress.close()
        logger.info("%s after step %d of %d", status, self.step, self.schedule.steps)
        measured = [row.rankme for row in self.history if row.rankme is not None]
        kept = [name for name in weights if name.startswith(("encoder.", "projector."))]
        return Outcome(
            status=status,
            step=self.step,
            steps=self.schedule.steps,
            rankme=measured[-1] if measured else None,
            precision=str(self.learner.dtype).removeprefix("torch."),
            seconds=self.seconds,
            tensors={name: weights[name].detach().cpu() for name in kept},
        )


def _all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all values are finite; waits for the device once."""
    parts = [t.isfinite().all() for t in tensors.values() if t.is_floating_point()]
    return bool(torch.stack(parts).all())


def _identity(run: RunSettings, dataset: Dataset) -> dict[str, str]:
    """What a checkpoint must agree with to be this run's."""
    return {"run": digest(run), "dataset": dataset.digest}
