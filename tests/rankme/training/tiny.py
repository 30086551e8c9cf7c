"""A dataset and a run that train in a fraction of a second, for the tests of the training.

As a program it trains the run, writes a checkpoint at every step, and kills itself after one:

    python tests/rankme/training/tiny.py <folder> <step>
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rankme.data.dataset import Dataset, Split
from rankme.study.runs import RunSettings, run_from_json
from rankme.training import Outcome, StopRequest, loop, pretrain

CPU = torch.device("cpu")
EPOCH_STEPS = 4
STEPS = 3 * EPOCH_STEPS

RUN: dict[str, Any] = {
    "source": {"name": "tiny", "reader": "shapes", "size": 16},
    "encoder": {"name": "resnet10", "width": 4, "stem": "stride2"},
    "projector": {"widths": [16, 16]},
    "augmentation": {"recipe": "simclr", "crop_scale": [0.2, 1.0]},
}
TRAINING: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 16,
    "optimizer": "adamw",
    "lr": 0.002,
    "scale_lr": False,
    "weight_decay": 1e-4,
    "warmup_epochs": 1,
    "precision": "float32",
    "rank_samples": 48,
}
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "DINO": {"prototypes": 32, "local_crops": 2, "teacher_momentum": 0.9},
}


def tiny_run(seed: int = 0, method: str = "SimCLR", **training: Any) -> RunSettings:
    """RUN with other settings."""
    own = {"method": method, "hyperparameters": HYPERPARAMETERS.get(method, {}), "seed": seed}
    return run_from_json({**RUN, **own, "training": TRAINING | training})


def tiny_dataset(digest: str = "0" * 64) -> Dataset:
    """70 noisy images of 16 px: four batches of 16 and six images that are dropped."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (70, 4, 4, 3), dtype=np.uint8)
    fine = random.integers(0, 55, (70, 16, 16, 3), dtype=np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2) + fine
    labels = random.integers(0, 2, 70)
    normalisation = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    splits = {"train": Split(images, labels)}
    return Dataset("tiny", ["a", "b"], 16, normalisation, digest, splits)


def train(run: RunSettings, folder: Path) -> Outcome:
    """Train on the tiny dataset; nobody asks to stop."""
    return pretrain(run, tiny_dataset(), CPU, folder, StopRequest())


def signal_at(step: int, number: int) -> Any:
    """A `_take_step` after which this process sends itself a signal, once, at that step."""
    take_step = loop._Pretraining._take_step

    def step_and_signal(self: Any) -> None:
        take_step(self)
        if self.step == step:
            os.kill(os.getpid(), number)

    return step_and_signal


def main() -> None:
    folder, step = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = 0.0
    loop._Pretraining._take_step = signal_at(step, signal.SIGKILL)  # type: ignore[method-assign]
    train(tiny_run(), folder)


if __name__ == "__main__":
    main()
