"""An encoder and the linear head fitted on its features, as one module."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rankme.features import full_precision, model_input


class Classifier(nn.Module):
    """Images -> scores of the classes: `classifier(classifier.prepare(images)).argmax(1)`.

    Answers as the program that measures ACCURACY does: scores are float64 (float32 on MPS, which
    has no other), and one that is not a number is the lowest.

    Args:
        encoder: images (B, 3, S, S) -> representation (B, D).
        head: "head.weight" (C, D), "head.bias" (C,), "features.mean" (D,), "features.std" (D,).
        image_size: S, pixels.
        normalisation: "mean" and "std" of the images that the encoder was trained on.
        classes: their names, in the order of the scores.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: Mapping[str, Tensor],
        image_size: int,
        normalisation: dict[str, Any],
        classes: list[str],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.mean, self.std = nn.Buffer(head["features.mean"]), nn.Buffer(head["features.std"])
        self.weight, self.bias = nn.Parameter(head["head.weight"]), nn.Parameter(head["head.bias"])
        self.image_size, self.normalisation, self.classes = image_size, normalisation, classes

    def prepare(self, images: Tensor) -> Tensor:
        """The input of this module, float32 (B, 3, S, S), from uint8 images (B, H, W, 3)."""
        return model_input(images, self.image_size, self.normalisation)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (B, C) of prepared images (B, 3, S, S)."""
        with full_precision():
            features = self.encoder(images)
        precise = torch.float32 if features.device.type == "mps" else torch.float64
        features, mean, std, weight, bias = (
            tensor.to(precise) for tensor in (features, self.mean, self.std, self.weight, self.bias)
        )
        scores = linear((features - mean) / std, weight, bias)
        return scores.where(~scores.isnan(), -torch.inf)
