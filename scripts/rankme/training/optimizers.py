"""Optimisers: LARS, and the choice of one by name."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from rankme.errors import UserError
from rankme.training.schedule import peak_rate


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman & Ginsburg, 2017, arXiv 1708.03888).

    For a weight w with gradient g, decay b, momentum m and learning rate r:

        d = g + b w;   d <- d * eta |w| / |d|;   v <- m v + d;   w <- w - r v

    This is the form of VICReg's official training. The paper divides by |g| + b |w| instead of
    |g + b w| and keeps r inside v. Parameters of one dimension (biases, normalisation) are neither
    decayed nor adapted: for them it is SGD with momentum. A weight or gradient of norm zero is not
    adapted; a decay of zero still is.

    Args:
        params: parameters, or parameter groups.
        lr: learning rate; a 0-d tensor on the parameters' device also works. Neither syncs.
        momentum: m.
        weight_decay: b.
        eta: the trust coefficient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.001,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta}
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            ready = [p for p in group["params"] if p.grad is not None]
            self._update([p for p in ready if p.ndim > 1], group, adapt=True)
            self._update([p for p in ready if p.ndim <= 1], group, adapt=False)
        return loss

    def _update(self, weights: list[Tensor], group: dict[str, Any], adapt: bool) -> None:
        if not weights:
            return
        directions = [p.grad for p in weights if p.grad is not None]
        if adapt:
            decay = group["weight_decay"]
            directions = list(torch._foreach_add(directions, weights, alpha=decay))
            torch._foreach_mul_(directions, _trust(weights, directions, group["eta"]))
        velocities = [self._velocity(p) for p in weights]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, directions)
        # As a factor and not as `alpha`, which would copy a rate held on the device to the host.
        torch._foreach_sub_(weights, torch._foreach_mul(velocities, group["lr"]))

    def _velocity(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]


def _trust(weights: list[Tensor], directions: list[Tensor], eta: float) -> list[Tensor]:
    """eta |w| / |d| of each pair as 0-d tensors; 1 where either norm is zero."""
    lengths = torch.stack(torch._foreach_norm(weights))
    strides = torch.stack(torch._foreach_norm(directions))
    adaptable = (lengths > 0) & (strides > 0)
    return list(torch.where(adaptable, eta * lengths / strides, 1.0).unbind())


def build_optimizer(method: nn.Module, training: dict[str, Any]) -> Optimizer:
    """The optimiser that a run's "training" settings name, at the peak learning rate.

    Parameters of one dimension (biases, normalisation) have no weight decay.

    Args:
        method: its parameters that require a gradient are trained.
        training: "optimizer" (adamw, sgd or lars), "lr", "weight_decay", "momentum" (the first
            moment's decay in AdamW).

    Raises:
        UserError: there is no such optimiser.
    """
    trained = [p for p in method.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": training["weight_decay"]},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    name, lr, momentum = training["optimizer"], peak_rate(training), training["momentum"]
    if name == "adamw":
        return AdamW(groups, lr=lr, betas=(momentum, 0.999), fused=True)
    if name == "sgd":
        return SGD(groups, lr=lr, momentum=momentum, fused=True)
    if name == "lars":
        return LARS(groups, lr=lr, momentum=momentum)
    raise UserError(f"training.optimizer: {name!r} does not exist; choose adamw, sgd or lars")
