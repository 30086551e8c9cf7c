"""Settings of the probe. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

READOUTS = {
    "linear": "representation",
    "embedding": "embedding",
    "knn": "representation",
    "mlp": "representation",
}
"""Read-outs and the features that each reads: linear heads on the encoder's output (the main
read-out) and on the projector's, nearest neighbours, and an MLP of three layers."""

MAIN = "linear"


@dataclass(frozen=True)
class GridPoint:
    """Hyperparameters of one head."""

    lr: float
    weight_decay: float


@dataclass(frozen=True)
class ProbeSettings:
    """Settings of the probe, all of them in the study's `probe` section.

    Attributes:
        protocol: "cached" trains heads on features extracted once, "augmented" on those of images
            cropped and flipped anew in every epoch.
        readouts: names of READOUTS, MAIN among them.
        epochs: passes over the training images.
        batch_size: images a step.
        lr: learning rates to choose from.
        weight_decay: weight decays to choose from.
        milestones: epochs after which the learning rate falls to a tenth.
        validation_fraction: part of the training images on which lr, decay and k are chosen.
        seed: of that split, of the order of the images, of initial weights and augmentation.
        knn_k: numbers of neighbours to choose from.
        mlp_width: units of each of the MLP's two hidden layers.
        crop_scale: least and greatest share of the image's area that the augmented protocol crops.
    """

    protocol: str
    readouts: Sequence[str]
    epochs: int
    batch_size: int
    lr: Sequence[float]
    weight_decay: Sequence[float]
    milestones: Sequence[int]
    validation_fraction: float
    seed: int
    knn_k: Sequence[int]
    mlp_width: int
    crop_scale: Sequence[float]

    def grid(self) -> list[GridPoint]:
        """Every combination of learning rate and weight decay."""
        return [GridPoint(lr, decay) for lr, decay in product(self.lr, self.weight_decay)]

    def hidden_widths(self, readout: str) -> list[int]:
        """Widths of a read-out's hidden layers."""
        return [self.mlp_width] * 2 if readout == "mlp" else []

    def trained_readouts(self) -> list[str]:
        """The read-outs that are trained by gradient descent."""
        return [name for name in self.readouts if name != "knn"]
