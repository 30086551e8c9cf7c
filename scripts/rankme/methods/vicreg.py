"""VICReg (Bardes et al., ICLR 2022): variance, invariance and covariance regularisation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rankme.methods.base import TwoViews, full_precision
from rankme.study.settings import Settings, key

NAME = "VICReg"


class Hyperparameters(Settings):
    invariance: float = key(
        25.0, "Weight of the mean squared difference between the two views.", ge=0
    )
    variance: float = key(
        25.0, "Weight of the hinge that keeps each dimension's deviation at 1 or more.", ge=0
    )
    covariance: float = key(4.0, "Weight of the squared covariances between dimensions.", ge=0)


def vicreg(
    z_a: Tensor, z_b: Tensor, invariance: float, variance: float, covariance: float
) -> Tensor:
    """The weighted sum of VICReg's three terms, in the convention of the official code.

    The published coefficients belong to that code: the variance term is halved for each view, and
    the covariance term is divided by K. The paper's equations 1 to 6 have neither the half nor
    (in the invariance term) the mean over K; the RankMe paper's coefficients are the code's too.

    Args:
        z_a, z_b: (N, K) embeddings of the two views, N >= 2.
        invariance, variance, covariance: weights of the terms, 25, 25 and 1 in the VICReg paper.

    Returns:
        A scalar of at least float32.
    """
    with full_precision(z_a, z_b) as (z_a, z_b):
        return (
            invariance * F.mse_loss(z_a, z_b)
            + variance * (variance_term(z_a) + variance_term(z_b)) / 2
            + covariance * (covariance_term(z_a) + covariance_term(z_b))
        )


def variance_term(z: Tensor) -> Tensor:
    """Mean over the dimensions of embeddings (N, K) of max(0, 1 - standard deviation)."""
    deviation = torch.sqrt(z.var(dim=0) + 1e-4)
    return F.relu(1 - deviation).mean()


def covariance_term(z: Tensor) -> Tensor:
    """Sum of the squared covariances of different dimensions, divided by K."""
    centred = z - z.mean(dim=0)
    matrix = centred.T @ centred / (len(z) - 1)
    return matrix.fill_diagonal_(0).square().sum() / z.shape[1]


class VICReg(TwoViews):
    """The VICReg loss of two views, with statistics over the batch of all processes."""

    criterion = staticmethod(vicreg)


METHOD = VICReg
