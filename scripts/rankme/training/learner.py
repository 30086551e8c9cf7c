"""What learns: a run's network, optimiser and data, and one step of them."""

from functools import lru_cache, partial

import torch
from torch import Tensor

from rankme.augment import Augmenter
from rankme.data.batches import DeviceBatches, epoch_order
from rankme.data.dataset import Dataset
from rankme.device import send
from rankme.methods import Method, build_method
from rankme.methods.rank_regulariser import rank_penalty
from rankme.study.runs import RunSettings
from rankme.training import distributed
from rankme.training.batch_norm import synchronise_batch_norm
from rankme.training.checkpoint import prefixed
from rankme.training.compilation import compile_network
from rankme.training.optimizers import build_optimizer
from rankme.training.precision import compute_dtype
from rankme.training.schedule import Schedule
from rankme.training.seeds import derive_seed


class Learner:
    """A run's method, untrained at first, with all it needs to learn.

    It learns from the "train" split. Everything random is a function of (seed, step): the initial
    weights, the order of an epoch, the augmentation of a batch.

    Attributes:
        method: encoder, projector and loss, in train mode.
        batches: the training images.
        dtype: of the forward and backward pass.
        views: of an image in a step.

    Raises:
        UserError: the settings do not fit each other or the number of processes.
    """

    def __init__(
        self, run: RunSettings, dataset: Dataset, device: torch.device, schedule: Schedule
    ) -> None:
        train, settings = dataset.splits["train"], run.training
        self._run, self._schedule, self._device = run, schedule, device
        self._rows = distributed.rows(schedule.batch_size)
        self.dtype = compute_dtype(settings.precision, device)
        self.batches = DeviceBatches(train.images, train.labels, device)
        self.method = _initial(run, dataset, device)
        synchronise_batch_norm(self.method)
        compile_network(self.method, settings.compile, device, schedule)
        self._optimizer = build_optimizer(self.method, settings)
        self._order = lru_cache(maxsize=1)(partial(epoch_order, len(train.labels), run.seed))
        views = self.method.views(run.augmentation, dataset.image_size)
        self.views = len(views)
        self._augmenter = Augmenter(views, **dataset.normalisation)
        self._generator = torch.Generator()

    def tensors(self) -> dict[str, Tensor]:
        """All that a step changes, itself and not a copy."""
        return {
            **prefixed("method", self.method.state_dict()),
            **prefixed("optimizer", self._optimizer.tensors()),
        }

    def step(self, step: int) -> Tensor:
        """Take a step, counted from 0 over the run, and return its loss; nothing here waits."""
        views, labels = self._batch(step)
        self._optimizer.zero_grad()
        reduced = self.dtype == torch.bfloat16
        with torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            loss = self.method.loss(views, labels)
        training = self._run.training
        if training.rank_weight:
            penalty = rank_penalty(self.method.embeddings, training.rank_target)
            loss = loss + training.rank_weight * penalty.to(loss)
        loss.backward()
        distributed.average_gradients(self._optimizer.parameters)
        self._optimizer.step(self._schedule.rate(step))
        self.method.after_step(step, self._schedule.steps)
        return loss.detach()

    def _batch(self, step: int) -> tuple[list[Tensor], Tensor]:
        """This process's rows of a step's batch: its views, and its labels."""
        indices = self._indices(step)
        images = self.batches.get(indices)
        if step + 1 < self._schedule.steps:
            self.batches.prefetch(self._indices(step + 1))
        self._generator.manual_seed(derive_seed(self._run.seed, "augmentation", step))
        views = self._augmenter(images, self._generator, self._rows, self._schedule.batch_size)
        return views, self.batches.labels[send(indices, self._device)]

    def _indices(self, step: int) -> Tensor:
        """Which images this process takes in a step, int64 on the CPU."""
        epoch, batch = divmod(step, self._schedule.epoch_steps)
        size = self._schedule.batch_size
        return self._order(epoch)[batch * size : (batch + 1) * size][self._rows]


def _initial(run: RunSettings, dataset: Dataset, device: torch.device) -> Method:
    """The run's untrained method, with the same weights on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(run.seed, "initialisation"))
        classes = len(dataset.classes) if dataset.metric == "top1" else 0
        method = build_method(run, dataset.image_size, classes)
    return method.to(device).to(memory_format=torch.channels_last).train()
