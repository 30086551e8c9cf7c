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
from rankme.study.runs import run_from_json
from rankme.study.settings import EncoderSettings
from rankme.training import Outcome, StopRequest, pretrain

RUN = {
    "source": {"name": "shapes", "reader": "shapes", "size": 32},
    "encoder": {"name": "resnet10", "width": 8, "stem": "stride2"},
    "projector": {"widths": [64, 64]},
    "augmentation": {"recipe": "simclr", "crop_scale": [0.2, 1.0]},
    "seed": 0,
}

TRAINING = {
    "epochs": 10,
    "batch_size": 32,
    "optimizer": "adamw",
    "lr": 0.01,
    "scale_lr": False,
    "warmup_epochs": 1,
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
    settings = {**RUN, "training": TRAINING | training}
    own = {"method": method, "hyperparameters": dict(hyperparameters or {})}
    runs = [run_from_json({**settings, **m}) for m in ({"method": "RandomInit"}, own)]
    cpu = torch.device("cpu")
    before, after = (pretrain(r, source, cpu, folder / r.method, StopRequest()) for r in runs)
    assert after.status == "completed"
    assert after.rankme is not None
    assert after.rankme > 2  # embeddings of one direction have less
    encoder = runs[0].encoder
    return [accuracy(after, encoder, t) - accuracy(before, encoder, t) for t in targets]


def accuracy(outcome: Outcome, settings: EncoderSettings, dataset: Dataset) -> float:
    """Test accuracy of ridge regression on standardised representations."""
    encoder = build_encoder(settings, dataset.image_size)
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
