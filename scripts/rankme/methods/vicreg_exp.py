"""VICReg-exp: VICReg whose covariances pass through a soft maximum ("On the duality between
contrastive and non-contrastive self-supervised learning", Garrido et al., ICLR 2023)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rankme.methods.base import TwoViews, full_precision
from rankme.methods.vicreg import variance_term
from rankme.study.settings import Settings, key

NAME = "VICReg-exp"


class Hyperparameters(Settings):
    invariance: float = key(
        1.0, "Weight of the mean squared difference between the two views.", ge=0
    )
    variance: float = key(
        1.0, "Weight of the hinge that keeps each dimension's deviation at 1 or more.", ge=0
    )
    covariance: float = key(
        1.0, "Weight of the log-sum-exp of the covariances between dimensions.", ge=0
    )
    temperature: float = key(0.1, "Divides the covariances before the log-sum-exp (tau).", gt=0)


def vicreg_exp(
    z_a: Tensor,
    z_b: Tensor,
    invariance: float,
    variance: float,
    covariance: float,
    temperature: float,
) -> Tensor:
    """VICReg whose covariance term is, summed over the two views,

        1/K sum_i log sum_{j != i} exp(C_ij / temperature)

    with C the covariance of a view, normalised by N - 1. The other terms are `vicreg`'s. Unlike its
    covariance term this one also rewards negative covariances, and embeddings without any
    covariance cost log(K - 1) a view.

    Args:
        z_a, z_b: (N, K) embeddings of the two views, N >= 2 and K >= 2.
        invariance, variance, covariance: weights of the terms.
        temperature: above 0. Finite also where exp(C / temperature) is not.

    Returns:
        A scalar of at least float32.
    """
    with full_precision(z_a, z_b) as (z_a, z_b):
        return (
            invariance * F.mse_loss(z_a, z_b)
            + variance * (variance_term(z_a) + variance_term(z_b)) / 2
            + covariance * sum(_exponential_term(z, temperature) for z in (z_a, z_b))
        )


def _exponential_term(z: Tensor, temperature: float) -> Tensor:
    centred = z - z.mean(dim=0)
    matrix = centred.T @ centred / (len(z) - 1)
    others = (matrix / temperature).fill_diagonal_(float("-inf"))
    return torch.logsumexp(others, dim=1).mean()


class VICRegExp(TwoViews):
    """The VICReg-exp loss of two views, with statistics over the batch of all processes."""

    criterion = staticmethod(vicreg_exp)


METHOD = VICRegExp
