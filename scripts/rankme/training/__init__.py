"""Pretraining: the loop and its parts."""

from rankme.training.checkpoint import remove_checkpoints
from rankme.training.loop import Outcome, pretrain
from rankme.training.optimizers import LARS, build_optimizer
from rankme.training.schedule import learning_rate
from rankme.training.stop import REQUEUE_EXIT_CODE, StopRequest

__all__ = [
    "LARS",
    "REQUEUE_EXIT_CODE",
    "Outcome",
    "StopRequest",
    "build_optimizer",
    "learning_rate",
    "pretrain",
    "remove_checkpoints",
]
