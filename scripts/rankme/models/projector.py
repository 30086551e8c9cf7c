"""The projector: an MLP from representations to embeddings."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Projector(nn.Sequential):
    """Linear, BatchNorm, ReLU for each width but the last, then a bare Linear.

    As in the RankMe paper (Garrido et al., ICML 2023). No Linear has a bias: BatchNorm would
    subtract it again, and the last is bare. (The official VICReg code keeps the hidden biases,
    whose gradient is zero.)

    The last is outside autocast: rounded to bfloat16, 1,024 embeddings of 1,024 dimensions and rank
    4.0 have rank 4.9, which the rank regulariser would pull back.

    Args:
        input_dimension: D, the width of the representation.
        widths: of every layer; the last is K.

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

    def forward(self, input: Tensor) -> Tensor:
        *hidden, last = self
        for layer in hidden:
            input = layer(input)
        with torch.autocast(input.device.type, enabled=False):
            embeddings: Tensor = last(input.type_as(next(last.parameters())))
        return embeddings
