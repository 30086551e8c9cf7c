"""An encoder and the linear head fitted on its features, as one module."""

from torch import Tensor, nn


class Classifier(nn.Module):
    """Images -> logits.

    Args:
        encoder: images (B, 3, H, W) -> representation (B, D).
        mean: (D,) of the features that the head was fitted on.
        std: (D,) of these features.
        weight: (C, D) of the head.
        bias: (C,) of the head.
    """

    def __init__(
        self, encoder: nn.Module, mean: Tensor, std: Tensor, weight: Tensor, bias: Tensor
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.mean, self.std = nn.Buffer(mean), nn.Buffer(std)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W), normalised as for the encoder."""
        standardised = (self.encoder(images) - self.mean) / self.std
        return nn.functional.linear(standardised, self.weight, self.bias)
