"""Pretraining: from a resolved run and a dataset to weights.

Everything random is a function of (seed, step): the initial weights, the order of an epoch, the
augmentation of a batch. So a run that was killed and resumed takes the same steps as one that was
not, bit for bit on one machine with one number of threads.
"""

import hashlib
import json
import logging
import math
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rankme.augment import Augmenter
from rankme.data.batches import DeviceBatches, epoch_order
from rankme.data.dataset import Dataset
from rankme.methods import Method, build_method
from rankme.training.checkpoint import CheckpointStore
from rankme.training.monitor import RankMonitor
from rankme.training.optimizers import build_optimizer
from rankme.training.precision import compute_dtype
from rankme.training.progress import Progress, write_log
from rankme.training.schedule import Schedule
from rankme.training.seeds import derive_seed
from rankme.training.state import (
    all_finite,
    optimizer_tensors,
    prefixed,
    restore_optimizer,
    snapshot,
    under,
)
from rankme.training.stop import StopRequest

logger = logging.getLogger(__name__)

CHECK_STEPS = 50
"""The device is asked for its losses at most this often: a question waits for all queued work."""

CHECKPOINT_SECONDS = 60.0
"""A kill without notice loses at most this much training."""

COLLAPSED_RANKME = 2.0
"""A run that ends below has collapsed: its embeddings have about one direction."""

HOPELESS_RANKME = 1.5
"""A run that is below in two successive measurements after warm-up is stopped there.

One is not enough: SimCLR with AdamW at 5,000 times its usual rate was measured at 1.1, 1.7 and, as
the rate fell, 6.3.
"""

_PROGRESS = ("step", "history", "loss_sum", "epoch_seconds", "seconds")
"""What a checkpoint holds of a run beside tensors."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        status: "completed"; "diverged" (a loss, weight or embedding that is not finite) or
            "collapsed" (see COLLAPSED_RANKME and HOPELESS_RANKME), which are results too.
        step: steps taken; in a diverged run the last is the one it showed at.
        steps: steps of the whole run.
        rankme: last measured, if any was.
        precision: of the forward and backward pass, "float32" or "bfloat16".
        seconds: wall-clock time of all the run's processes together.
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
    run: dict[str, Any], dataset: Dataset, device: torch.device, folder: Path, stop: StopRequest
) -> Outcome:
    """Train a run to its end, from its checkpoint in `folder` if it has one there.

    Writes TRAINING_LOG into `folder` each epoch. The checkpoints stay until the caller has the
    weights safely on disk and calls `remove_checkpoints`.

    Args:
        run: the resolved run.
        dataset: its "train" split is trained on.
        device: to train on.
        folder: of the run.
        stop: asked between two steps.

    Raises:
        UserError: the run does not fit the dataset.
        SystemExit: `stop` was requested; a checkpoint is written and the code is the request's.
    """
    # No choice of kernels by their timing and no TF32, so that runs repeat and float32 means it.
    exact = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    with exact:
        return _Pretraining(run, dataset, device, folder).finish(stop)


class _Pretraining:
    """One run under way. `step` counts the steps taken."""

    def __init__(
        self, run: dict[str, Any], dataset: Dataset, device: torch.device, folder: Path
    ) -> None:
        train, settings, seed = dataset.splits["train"], run["training"], run["seed"]
        count = len(train.labels)
        self.seed, self.folder, self.device = seed, folder, device
        self.schedule = Schedule.of(settings, count)
        self.dtype = compute_dtype(settings["precision"], device)
        self.method = _initial(run, dataset.image_size, device)
        self.optimizer = build_optimizer(self.method, settings)
        self.batches = DeviceBatches(train.images, train.labels, device)
        views = self.method.views(dataset.image_size, run["augmentation"])
        self.augmenter = Augmenter(views, **dataset.normalisation)
        self.generator = torch.Generator()
        self.order = lru_cache(maxsize=1)(partial(epoch_order, count, seed))
        self.monitor = RankMonitor(self.batches, dataset, settings["rank_samples"])
        self.monitor_epochs = settings["rank_every_epochs"]
        self.store = CheckpointStore(folder, _identity(run, dataset))

        self.status: str | None = None
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.loss_sum = 0.0
        self.epoch_seconds = 0.0
        self.seconds = 0.0
        self.last_finite = snapshot(self.method)
        self.losses = torch.zeros(CHECK_STEPS, device=device)
        self.unread = 0
        self._resume()
        self.progress = Progress(self.schedule.epochs, self.schedule.steps, self.step)
        self.lap_start = self.saved_at = time.perf_counter()

    def finish(self, stop: StopRequest) -> Outcome:
        """Take all steps that are left."""
        while self.status is None:
            self._take_step()
            if self.step % CHECK_STEPS == 0 or self.step % self.schedule.epoch_steps == 0:
                self._check()
            signal = stop.signal
            due = time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS
            if self.status is None and (signal or due):
                self._save()
            if self.status is None and signal:
                self._leave(signal.name, stop.exit_code)
        return self._outcome(self.status)

    def _take_step(self) -> None:
        """Augment a batch and descend its loss; nothing here waits for the device."""
        epoch, batch = divmod(self.step, self.schedule.epoch_steps)
        start = batch * self.schedule.batch_size
        indices = self.order(epoch)[start : start + self.schedule.batch_size]
        self.generator.manual_seed(derive_seed(self.seed, "augmentation", self.step))
        views = self.augmenter(self.batches.get(indices), self.generator)
        labels = self.batches.labels[indices.to(self.device, non_blocking=True)]
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            loss = self.method.loss(views, labels)
        loss.backward()
        self.optimizer.step()
        self.method.after_step(self.step, self.schedule.steps)
        self.losses[self.unread] = loss.detach()
        self.unread += 1
        self.step += 1
        self.progress.step()

    def _read_losses(self) -> None:
        """Add the losses since the last reading to the epoch's; a bad one ends the run there."""
        first = self.step - self.unread
        for number, loss in enumerate(self.losses[: self.unread].tolist(), start=first + 1):
            if not math.isfinite(loss):
                self.status, self.step = "diverged", number
                break
            self.loss_sum += loss
        self.unread = 0

    def _check(self) -> None:
        """See that all is finite and, if it is, keep the weights; close the epoch at its end."""
        self._read_losses()
        if self.status is None and not all_finite(self.method.state_dict()):
            self.status = "diverged"
        if self.status is None and self.step % self.schedule.epoch_steps == 0:
            self._end_epoch()
        if self.status is None:
            self.last_finite = snapshot(self.method)

    def _end_epoch(self) -> None:
        self.epoch_seconds += self._lap()
        due = self.step // self.schedule.epoch_steps % self.monitor_epochs == 0
        measured = due or self.step == self.schedule.steps
        rankme = self.monitor(self.method) if measured else None
        self._lap()
        if rankme is not None and math.isnan(rankme):
            self.status = "diverged"
            return
        self._record(self.loss_sum / self.schedule.epoch_steps, rankme)
        self.progress.epoch(self.history[-1])
        self.loss_sum = self.epoch_seconds = 0.0
        self.status = verdict(self.history, self.schedule)

    def _record(self, loss: float | None, rankme: float | None) -> None:
        """Add the epoch's row to TRAINING_LOG; `loss` is None in the epoch of a divergence."""
        epoch, batches = divmod(self.step - 1, self.schedule.epoch_steps)
        images = (batches + 1) * self.schedule.batch_size
        row = {
            "epoch": epoch + 1,
            "step": self.step,
            "loss": loss,
            "lr": self.schedule.rate(self.step - 1),
            "rankme": rankme,
            "views_per_second": round(images * len(self.augmenter.views) / self.epoch_seconds, 1),
            "seconds": round(self.seconds, 3),
        }
        self.history.append(row)
        write_log(self.folder, self.history)

    def _lap(self) -> float:
        """Seconds since the last lap; all laps together are the run's duration."""
        now = time.perf_counter()
        seconds, self.lap_start = now - self.lap_start, now
        self.seconds += seconds
        return seconds

    def _save(self) -> None:
        """Write a checkpoint, unless a loss that was not read yet turns out not to be finite."""
        self._read_losses()
        if self.status is not None:
            return
        self.epoch_seconds += self._lap()
        tensors = {
            **prefixed("method", self.method.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self.optimizer)),
            **prefixed("last_finite", self.last_finite),
        }
        progress = {name: getattr(self, name) for name in _PROGRESS}
        self.store.save(tensors, progress)
        self._lap()
        self.saved_at = self.lap_start

    def _resume(self) -> None:
        loaded = self.store.load()
        if loaded is None:
            return
        tensors, progress = loaded
        self.method.load_state_dict(under("method", tensors))
        restore_optimizer(self.optimizer, under("optimizer", tensors))
        for name, tensor in under("last_finite", tensors).items():
            self.last_finite[name].copy_(tensor)
        for name in _PROGRESS:
            setattr(self, name, progress[name])
        logger.info("resumed after step %d of %d", self.step, self.schedule.steps)

    def _leave(self, signal: str, exit_code: int) -> None:
        self.progress.close()
        place = f"step {self.step} of {self.schedule.steps}"
        logger.warning("%s: checkpoint written after %s; start again to go on", signal, place)
        raise SystemExit(exit_code)

    def _outcome(self, status: str) -> Outcome:
        self.epoch_seconds += self._lap()
        if status == "diverged":
            self._record(None, None)
        self.progress.close()
        measured = [row["rankme"] for row in self.history if row["rankme"] is not None]
        weights = self.last_finite if status == "diverged" else self.method.state_dict()
        logger.info("%s after step %d of %d", status, self.step, self.schedule.steps)
        return Outcome(
            status=status,
            step=self.step,
            steps=self.schedule.steps,
            rankme=measured[-1] if measured else None,
            precision=str(self.dtype).removeprefix("torch."),
            seconds=self.seconds,
            tensors={
                name: tensor.detach().cpu()
                for name, tensor in weights.items()
                if name.startswith(("encoder.", "projector."))
            },
        )


def verdict(history: list[dict[str, Any]], schedule: Schedule) -> str | None:
    """What a run with these rows of TRAINING_LOG is: completed, collapsed or (None) not over."""
    after_warmup = [row for row in history if row["step"] > schedule.warmup_steps]
    measured = [row["rankme"] for row in after_warmup if row["rankme"] is not None]
    if len(measured) > 1 and max(measured[-2:]) < HOPELESS_RANKME:
        return "collapsed"
    if history[-1]["step"] < schedule.steps:
        return None
    return "collapsed" if history[-1]["rankme"] < COLLAPSED_RANKME else "completed"


def _initial(run: dict[str, Any], image_size: int, device: torch.device) -> Method:
    """The run's untrained method, with the same weights on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(run["seed"], "initialisation"))
        method = build_method(run, image_size)
    return method.to(device).to(memory_format=torch.channels_last).train()


def _identity(run: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint must agree with to be this run's."""
    resolved = json.dumps(run, sort_keys=True).encode()
    return {"run": hashlib.sha256(resolved).hexdigest(), "dataset": dataset.digest}
