"""Pretraining: the loop and its parts."""

from rankme.training.checkpoint import remove_checkpoints
from rankme.training.loop import Outcome, pretrain
from rankme.training.optimizers import build_optimizer
from rankme.training.stop import REQUEUE_EXIT_CODE, StopRequest

__all__ = [
    "REQUEUE_EXIT_CODE",
    "Outcome",
    "StopRequest",
    "build_optimizer",
    "pretrain",
    "remove_checkpoints",
]
