"""An encoder and the linear head fitted on its features, as one module."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from rankme.artefacts import RunFiles, load_tensors, read_metadata
from rankme.device import exact_convolutions
from rankme.errors import UserError
from rankme.extraction import model_input
from rankme.models.pretrained import PretrainedModel, load_encoder
from rankme.probes.apply import head_scores


class Classifier(nn.Module):
    """Images -> scores of the classes: `classifier(classifier.prepare(images)).argmax(1)`.

    Answers as the program that measures ACCURACY does: scores are float64 (float32 on MPS, which
    has no other), and one that is not a number is the lowest.

    Args:
        model: the frozen model, of which the encoder is used.
        head: "head.weight" (C, D), "head.bias" (C,), "features.mean" (D,), "features.std" (D,).
        classes: their names, in the order of the scores.
    """

    def __init__(
        self, model: PretrainedModel, head: Mapping[str, Tensor], classes: list[str]
    ) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.mean, self.std = nn.Buffer(head["features.mean"]), nn.Buffer(head["features.std"])
        self.weight, self.bias = nn.Parameter(head["head.weight"]), nn.Parameter(head["head.bias"])
        self.image_size, self.normalisation = model.image_size, model.normalisation
        self.classes = classes

    def prepare(self, images: Tensor) -> Tensor:
        """The input of this module, float32 (B, 3, S, S), from uint8 images (B, H, W, 3)."""
        return model_input(images, self.image_size, self.normalisation)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (B, C) of prepared images (B, 3, S, S)."""
        with exact_convolutions():
            features = self.encoder(images)
        precise = torch.float32 if features.device.type == "mps" else torch.float64
        head: dict[str, Tensor] = {"features.mean": self.mean, "features.std": self.std}
        head |= {"head.weight": self.weight, "head.bias": self.bias}
        scores = head_scores({n: t.to(precise) for n, t in head.items()}, features.to(precise))
        return scores.where(~scores.isnan(), -torch.inf)


def load_classifier(path: Path, encoder: Path | None = None) -> Classifier:
    """The encoder and the linear head of a FINETUNED_MODEL as one module, in eval mode on the CPU.

    The encoder, a PRETRAINED_MODEL, is that in the folder above, as in the results tree, if none is
    given.

    Raises:
        UserError: a file is missing, torn or of another kind, or the encoder is not the one that
            the head was fitted on.
    """
    path = Path(path)
    metadata, head = read_metadata(path, "FINETUNED_MODEL"), load_tensors(path)
    encoder = Path(encoder) if encoder else RunFiles(path.absolute().parents[1]).model
    model = load_encoder(encoder)
    if model.digest != metadata["encoder_sha256"]:
        raise UserError(
            f"{path}: was fitted on the encoder {metadata['encoder_sha256']}, but {encoder} holds "
            f"{model.digest}; fit the head again, or give the encoder it was fitted on"
        )
    return Classifier(model, head, metadata["classes"]).eval()
