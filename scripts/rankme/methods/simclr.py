"""SimCLR (Chen et al., ICML 2020): agreement of two views against all other images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rankme.methods.base import TwoViews, full_precision
from rankme.study.settings import Settings, key

NAME = "SimCLR"


class Hyperparameters(Settings):
    temperature: float = key(
        0.15, "Divides the cosine similarities before the softmax (NT-Xent's tau).", gt=0
    )


def nt_xent(z_a: Tensor, z_b: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, equation 1).

    Each of the 2N embeddings is an anchor: its positive is the other view of its image, its
    negatives are the 2N - 2 embeddings of other images.

    Args:
        z_a, z_b: (N, K) embeddings of the two views, row by row of the same images; any scale.
        temperature: above 0. Finite also where exp(1 / temperature) is not.

    Returns:
        The mean over the 2N anchors, a scalar of at least float32.
    """
    with full_precision(z_a, z_b) as (z_a, z_b):
        z = F.normalize(torch.cat([z_a, z_b]), dim=1)
        similarities = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
        positives = torch.arange(len(z), device=z.device).roll(len(z_a))
        return F.cross_entropy(similarities, positives)


class SimCLR(TwoViews):
    """NT-Xent between two views, with the negatives of all processes."""

    criterion = staticmethod(nt_xent)


METHOD = SimCLR
