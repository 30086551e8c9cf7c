"""VICReg-ctr (Garrido et al., ICLR 2023): VICReg-exp of samples instead of dimensions."""

from torch import Tensor

from rankme.methods.base import TwoViews
from rankme.methods.vicreg_exp import vicreg_exp
from rankme.study.settings import Settings, key

NAME = "VICReg-ctr"


class Hyperparameters(Settings):
    invariance: float = key(
        1.0, "Weight of the mean squared difference between the two views.", ge=0
    )
    variance: float = key(
        1.0, "Weight of the hinge that keeps each embedding's deviation at 1 or more.", ge=0
    )
    covariance: float = key(
        1.0, "Weight of the log-sum-exp of the covariances between embeddings.", ge=0
    )
    temperature: float = key(0.1, "Divides the covariances before the log-sum-exp (tau).", gt=0)


def vicreg_ctr(
    z_a: Tensor,
    z_b: Tensor,
    invariance: float,
    variance: float,
    covariance: float,
    temperature: float,
) -> Tensor:
    """VICReg-exp of the transposed embeddings, which makes it a contrastive loss.

    In the variance and the covariance term the N embeddings of a view take the part of its K
    dimensions: each is centred over its dimensions and keeps a deviation of 1, and the soft maximum
    is over its covariances with the N - 1 others. Args and result: as for `vicreg_exp`.
    """
    return vicreg_exp(z_a.T, z_b.T, invariance, variance, covariance, temperature)


class VICRegCtr(TwoViews):
    """The VICReg-ctr loss of two views, against the batch of all processes."""

    criterion = staticmethod(vicreg_ctr)


METHOD = VICRegCtr
