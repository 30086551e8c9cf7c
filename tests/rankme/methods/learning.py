"""What a method learns in a minute on the default study's data: a small network, on one thread.

Representations are read out by ridge regression, before and after training. Chance is 0.1.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rankme.augment import evaluation_batch
from rankme.data.dataset import Dataset, Split
from rankme.models import build_encoder
from rankme.training import Outcome, StopRequest, pretrain

COLLAPSED = 2.0
"""RankMe below which embeddings are one direction."""

ENCODER = {"name": "resnet10", "width": 8, "stem": "stride2"}

TRAINING = {
    "epochs": 10,
    "batch_size": 32,
    "optimizer": "adamw",
    "lr": 0.01,
    "scale_lr": False,
    "weight_decay": 1e-6,
    "momentum": 0.9,
    "warmup_epochs": 1,
    "final_lr_fraction": 0.001,
    "precision": "auto",
    "compile": False,
    "rank_weight": 0.0,
    "rank_target": 0.0,
    "rank_every_epochs": 100,
    "rank_samples": 512,
}


def gains(
    method: str,
    source: Dataset,
    targets: Sequence[Dataset],
    folder: Path,
    hyperparameters: Mapping[str, Any] | None = None,
    **training: Any,
) -> list[float]:
    """Accuracy on each target of the encoder trained on `source`, less that of its initial weights.

    The run completes and its embeddings do not collapse, or this fails.

    Args:
        hyperparameters: those that are not the method's default.
        training: what differs from TRAINING.
    """
    run = {
        "method": method,
        "hyperparameters": dict(hyperparameters or {}),
        "source": {"name": "shapes"},
        "encoder": ENCODER,
        "projector": {"widths": [64, 64]},
        "augmentation": {"recipe": "simclr", "crop_scale": [0.2, 1.0]},
        "training": TRAINING | training,
        "seed": 0,
    }
    initial = {**run, "method": "RandomInit", "hyperparameters": {}}
    cpu = torch.device("cpu")
    before, after = (
        pretrain(r, source, cpu, folder / r["method"], StopRequest()) for r in (initial, run)
    )
    assert after.status == "completed"
    assert after.rankme is not None
    assert after.rankme > COLLAPSED
    return [accuracy(after, target) - accuracy(before, target) for target in targets]


def accuracy(outcome: Outcome, dataset: Dataset) -> float:
    """Test accuracy of ridge regression on standardised representations."""
    encoder = build_encoder(ENCODER, dataset.image_size)
    own = {k: t for k, t in outcome.tensors.items() if k.startswith("encoder.")}
    encoder.load_state_dict({k.removeprefix("encoder."): t for k, t in own.items()})
    encoder.eval()
    train, test = (representations(encoder, dataset, dataset.splits[s]) for s in ("train", "test"))
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = ((features - mean) / deviation for features in (train, test))
    labels = torch.from_numpy(np.array(dataset.splits["train"].labels))
    targets = torch.nn.functional.one_hot(labels).double()
    gram = train.T @ train + 10 * torch.eye(train.shape[1], dtype=torch.float64)
    scores = test @ torch.linalg.solve(gram, train.T @ (targets - targets.mean(0)))
    return float(np.mean(scores.argmax(1).numpy() == dataset.splits["test"].labels))


@torch.inference_mode()
def representations(encoder: torch.nn.Module, dataset: Dataset, split: Split) -> Tensor:
    """Of unaugmented images, float64 (N, D)."""
    images = torch.from_numpy(np.array(split.images))
    batches = [evaluation_batch(batch, **dataset.normalisation) for batch in images.split(256)]
    return torch.cat([encoder(batch) for batch in batches]).double()
