"""VICReg-ctr (Garrido et al., ICLR 2023): VICReg-exp of samples instead of dimensions."""

from pydantic import Field
from torch import Tensor

from rankme.methods.base import TwoViews
from rankme.methods.vicreg_exp import vicreg_exp
from rankme.study.settings import Settings

NAME = "VICReg-ctr"


class Hyperparameters(Settings):
    invariance: float = Field(
        1.0, ge=0, description="Weight of the mean squared difference between the two views."
    )
    variance: float = Field(
        1.0,
        ge=0,
        description="Weight of the hinge that keeps each embedding's deviation at 1 or more.",
    )
    covariance: float = Field(
        1.0, ge=0, description="Weight of the log-sum-exp of the covariances between embeddings."
    )
    temperature: float = Field(
        0.1, gt=0, description="Divides the covariances before the log-sum-exp (tau)."
    )


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
    dimensions (Garrido et al., ICLR 2023): each embedding is centred over its dimensions and keeps
    a deviation of 1, and the soft maximum is over its covariances with the N - 1 others of its
    view. The invariance term is the same either way.

    Args and result: as for `vicreg_exp`.
    """
    return vicreg_exp(z_a.T, z_b.T, invariance, variance, covariance, temperature)


class VICRegCtr(TwoViews):
    """The VICReg-ctr loss of two views, against the batch of all processes."""

    criterion = staticmethod(vicreg_ctr)


METHOD = VICRegCtr
