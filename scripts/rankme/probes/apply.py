"""Fitted heads applied to features, by numpy and by torch alike. Needs numpy alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


def head_scores(head: Mapping[str, Array], features: Array) -> Array:
    """Scores (N, C) of a linear head or an MLP on features (N, D).

    Give both in float64, so that torch and numpy, whose sums differ in their last bits, answer
    alike.

    Args:
        head: arrays or tensors named as by `rankme.probes.heads.Heads.tensors`.
        features: of the same kind and dtype.
    """
    hidden = sorted({name.rpartition(".")[0] for name in head if name.startswith("hidden.")})
    with np.errstate(invalid="ignore", over="ignore"):
        scores = (features - head["features.mean"]) / head["features.std"]
        for layer in hidden:
            scores = (scores @ head[f"{layer}.weight"].T + head[f"{layer}.bias"]).clip(min=0)
        return scores @ head["head.weight"].T + head["head.bias"]
