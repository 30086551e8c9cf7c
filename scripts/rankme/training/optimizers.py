"""Optimisers: SGD, AdamW and LARS, and the choice of one by name.

The arithmetic of SGD and AdamW is that of torch.optim's functions. Its classes are not used: the
first of them in a process imports torch._dynamo, which takes longer than `import torch` itself
(3.1 s against 2.3 s).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from rankme.study.settings import Training

LARS_TRUST = 0.001
"""LARS's eta, as in VICReg's official training."""


class Optimizer:
    """What all optimisers share: parameters of one dimension (biases, normalisation) do not decay.

    The state is made at once and in the memory format of the parameters, which fused kernels walk
    together with it.

    Args:
        parameters: to train; as an attribute those of more than one dimension come first.
        momentum: decay of the mean of the gradients.
        weight_decay: of the parameters of more than one dimension.
    """

    def __init__(self, parameters: Iterable[Tensor], momentum: float, weight_decay: float) -> None:
        self.momentum, self.weight_decay = momentum, weight_decay
        self.parameters = sorted(parameters, key=lambda parameter: parameter.ndim <= 1)
        self._state = {p: self._initial_state(p) for p in self.parameters}

    def tensors(self) -> dict[str, Tensor]:
        """The state itself, not a copy, as `<index of the parameter>.<name>`."""
        return {
            f"{index}.{name}": tensor
            for index, parameter in enumerate(self.parameters)
            for name, tensor in self._state[parameter].items()
        }

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Take one step at a learning rate; parameters without a gradient stay as they are."""
        ready = {p: p.grad for p in self.parameters if p.grad is not None}
        matrices = {p: gradient for p, gradient in ready.items() if p.ndim > 1}
        vectors = {p: gradient for p, gradient in ready.items() if p.ndim <= 1}
        for gradients, decay in ((matrices, self.weight_decay), (vectors, 0.0)):
            if gradients:
                self._update(gradients, lr, decay)

    def _initial_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter)}

    def _state_of(self, weights: Iterable[Tensor], name: str) -> list[Tensor]:
        return [self._state[weight][name] for weight in weights]

    def _update(self, gradients: dict[Tensor, Tensor], lr: float, decay: float) -> None:
        """Update weights, all of them matrices or all vectors, by the gradient of each."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`."""

    def _update(self, gradients: dict[Tensor, Tensor], lr: float, decay: float) -> None:
        sgd(
            [*gradients],
            [*gradients.values()],
            [*self._state_of(gradients, "momentum_buffer")],
            fused=True,
            weight_decay=decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0,
            nesterov=False,
            maximize=False,
        )


class AdamW(Optimizer):
    """Adam with decoupled decay (Loshchilov & Hutter, ICLR 2019), as `torch.optim.AdamW`.

    `momentum` is its beta1; beta2 is 0.999 and epsilon 1e-8.
    """

    def _initial_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }

    def _update(self, gradients: dict[Tensor, Tensor], lr: float, decay: float) -> None:
        adamw(
            [*gradients],
            [*gradients.values()],
            self._state_of(gradients, "exp_avg"),
            self._state_of(gradients, "exp_avg_sq"),
            [],
            self._state_of(gradients, "step"),
            fused=True,
            amsgrad=False,
            beta1=self.momentum,
            beta2=0.999,
            lr=lr,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
        )


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman & Ginsburg, 2017, arXiv 1708.03888).

    For a weight w with gradient g, decay b, momentum m and learning rate r, with eta LARS_TRUST:

        d = g + b w;   d <- d * eta |w| / |d|;   v <- m v + d;   w <- w - r v

    This is the form of VICReg's official training. The paper divides by |g| + b |w| instead of
    |g + b w| and keeps r inside v. Parameters of one dimension are neither decayed nor adapted: for
    them it is SGD with momentum. A weight or gradient of norm zero is not adapted; a decay of zero
    still is. Nothing here waits for the device.
    """

    def _update(self, gradients: dict[Tensor, Tensor], lr: float, decay: float) -> None:
        weights, directions = [*gradients], [*gradients.values()]
        if weights[0].ndim > 1:
            directions = [*torch._foreach_add(directions, weights, alpha=decay)]
            torch._foreach_mul_(directions, _trust(weights, directions))
        velocities = self._state_of(weights, "momentum_buffer")
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, directions)
        torch._foreach_add_(weights, velocities, alpha=-lr)


def _trust(weights: list[Tensor], directions: list[Tensor]) -> list[Tensor]:
    """eta |w| / |d| of each pair as 0-d tensors; 1 where either norm is zero."""
    lengths = torch.stack(torch._foreach_norm(weights))
    strides = torch.stack(torch._foreach_norm(directions))
    adaptable = (lengths > 0) & (strides > 0)
    return list(torch.where(adaptable, LARS_TRUST * lengths / strides, 1.0).unbind())


def build_optimizer(method: nn.Module, training: Training) -> Optimizer:
    """The optimiser that a run's settings name, of the parameters that require a gradient."""
    kind = {"adamw": AdamW, "sgd": SGD, "lars": LARS}[training.optimizer]
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    return kind(trained, training.momentum, training.weight_decay)
