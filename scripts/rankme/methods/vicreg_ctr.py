"""VICReg-ctr (Garrido et al., ICLR 2023): VICReg-exp of samples instead of dimensions."""

from collections.abc import Sequence

from torch import Tensor

from rankme.methods.base import Method
from rankme.methods.gather import gather
from rankme.methods.vicreg_exp import vicreg_exp

NAME = "VICReg-ctr"
HYPERPARAMETERS = {
    "invariance": {
        "type": "number",
        "minimum": 0,
        "default": 1.0,
        "description": "Weight of the mean squared difference between the two views.",
    },
    "variance": {
        "type": "number",
        "minimum": 0,
        "default": 1.0,
        "description": "Weight of the hinge that keeps each embedding's deviation at 1 or more.",
    },
    "covariance": {
        "type": "number",
        "minimum": 0,
        "default": 1.0,
        "description": "Weight of the log-sum-exp of the covariances between embeddings.",
    },
    "temperature": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 0.1,
        "description": "Divides the covariances before the log-sum-exp (tau).",
    },
}


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
    weights = invariance, variance, covariance
    return vicreg_exp(z_a.T, z_b.T, *weights, temperature)


class VICRegCtr(Method):
    """The VICReg-ctr loss of two views, against the batch of all processes."""

    invariance: float
    variance: float
    covariance: float
    temperature: float

    def loss(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        z_a, z_b = (gather(z) for z in self.embed(views))
        weights = self.invariance, self.variance, self.covariance
        return vicreg_ctr(z_a, z_b, *weights, self.temperature)


LOSS = vicreg_ctr
METHOD = VICRegCtr
