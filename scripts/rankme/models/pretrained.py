"""Pretrained encoders, as PRETRAINED_MODEL holds them."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from rankme.artefacts import load_tensors, read_metadata, weights_digest
from rankme.errors import UserError
from rankme.models.encoders import build_encoder
from rankme.models.projector import Projector
from rankme.study.runs import RunSettings, run_from_json


@dataclass(frozen=True)
class PretrainedModel:
    """An encoder and its projector in eval mode, with what is known of them.

    Attributes:
        encoder: images (N, 3, H, W) to representations (N, D).
        projector: representations to embeddings (N, K).
        run: everything that decided the weights.
        image_size: side of the square training images in pixels.
        normalisation: "mean" and "std" of the training images, [R, G, B] on the pixel scale 0-1.
        status: how pretraining ended: "completed", "diverged" or "collapsed".
        digest: of all weights.
    """

    encoder: nn.Module
    projector: nn.Module
    run: RunSettings
    image_size: int
    normalisation: dict[str, list[float]]
    status: str
    digest: str


def load_encoder(path: Path) -> PretrainedModel:
    """Rebuild encoder and projector of a PRETRAINED_MODEL, in eval mode on the CPU.

    Raises:
        UserError: the file is missing, torn, of another kind, or its weights do not fit it.
    """
    metadata, tensors = read_metadata(path, "PRETRAINED_MODEL"), load_tensors(path)
    run, image_size = run_from_json(metadata["run"]), metadata["image_size"]
    encoder = build_encoder(run.encoder, image_size)
    projector = Projector(encoder.dimension, run.projector.widths)
    both = nn.ModuleDict({"encoder": encoder, "projector": projector})
    try:
        both.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors do not fit its settings ({error})") from error
    both.eval().requires_grad_(False)
    digest = weights_digest(tensors)
    if digest != metadata["weights_sha256"]:
        raise UserError(f"{path}: its weights are not those it was written with; remake the file")
    normalisation, status = metadata["normalisation"], metadata["status"]
    return PretrainedModel(encoder, projector, run, image_size, normalisation, status, digest)
