"""What every encoder has in common."""

from torch import nn


class Encoder(nn.Module):
    """A module from images (N, 3, H, W) to representations (N, dimension)."""

    dimension: int
