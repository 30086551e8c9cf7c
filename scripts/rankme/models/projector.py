"""The projector: an MLP from representations to embeddings."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


class Projector(nn.Sequential):
    """Linear, BatchNorm, ReLU for each width but the last, then a bare Linear.

    As in the RankMe paper (Garrido et al., ICML 2023). No Linear has a bias: BatchNorm would
    subtract it again, and the last is bare. (The official VICReg code keeps the hidden biases,
    whose gradient is zero.)

    Attributes:
        dimension: K, the width of the embedding.
    """

    def __init__(self, input_dimension: int, widths: Sequence[int]) -> None:
        *hidden, last = pairwise([input_dimension, *widths])
        layers: list[nn.Module] = []
        for inputs, outputs in hidden:
            layers.append(nn.Linear(inputs, outputs, bias=False))
            layers += [nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Linear(*last, bias=False))
        self.dimension = widths[-1]


def build_projector(input_dimension: int, widths: Sequence[int]) -> Projector:
    """An untrained projector from (N, D) to (N, K).

    Args:
        input_dimension: D, the width of the representation.
        widths: of every layer; the last is K.
    """
    return Projector(input_dimension, widths)
