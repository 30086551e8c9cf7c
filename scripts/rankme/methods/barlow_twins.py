"""Barlow Twins (Zbontar et al., ICML 2021): views correlate, unlike dimensions do not."""

import torch
from torch import Tensor

from rankme.methods.base import TwoViews, full_precision
from rankme.study.settings import Settings, key

NAME = "BarlowTwins"


class Hyperparameters(Settings):
    redundancy: float = key(
        0.0051, "Weight of the squared correlations between dimensions (lambda).", ge=0
    )


def barlow_twins(z_a: Tensor, z_b: Tensor, redundancy: float) -> Tensor:
    """Squared distance of the views' cross-correlation from the identity (equations 1 and 2).

    Dimensions are standardised as BatchNorm without parameters does it in the official code.

    Args:
        z_a, z_b: (N, K) embeddings of the two views, N >= 2; any scale and shift of a dimension.
        redundancy: weight of all entries off the diagonal; those on it have weight one.

    Returns:
        A scalar of at least float32.
    """
    with full_precision(z_a, z_b) as (z_a, z_b):
        correlations = _standardised(z_a).T @ _standardised(z_b) / len(z_a)
        matching = (correlations.diagonal() - 1).square().sum()
        others = correlations.square().sum() - correlations.diagonal().square().sum()
        return matching + redundancy * others


def _standardised(z: Tensor) -> Tensor:
    variance, mean = torch.var_mean(z, dim=0, correction=0)
    return (z - mean) * torch.rsqrt(variance + 1e-5)


class BarlowTwins(TwoViews):
    """The Barlow Twins loss of two views, with correlations over the batch of all processes."""

    criterion = staticmethod(barlow_twins)


METHOD = BarlowTwins
