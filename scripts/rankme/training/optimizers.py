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
from rankme.training.schedule import peak_rate

LARS_TRUST = 0.001
"""LARS's eta, as in VICReg's official training."""


class Optimizer:
    """What all optimisers share: parameters of one dimension (biases, normalisation) do not decay.

    The state is made at once and in the memory format of the parameters, which fused kernels walk
    together with it.

    Args:
        parameters: to train.
        lr: learning rate, an attribute that may be set anew before each step.
        momentum: decay of the mean of the gradients.
        weight_decay: of the parameters of more than one dimension.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        trained = list(parameters)
        self._matrices: list[Tensor] = [p for p in trained if p.ndim > 1]
        self._vectors: list[Tensor] = [p for p in trained if p.ndim <= 1]
        self._state = {p: self._initial_state(p) for p in self.parameters}

    @property
    def parameters(self) -> list[Tensor]:
        """All trained parameters."""
        return self._matrices + self._vectors

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
    def step(self) -> None:
        """Take one step; parameters without a gradient stay as they are."""
        for group in (self._matrices, self._vectors):
            ready = [p for p in group if p.grad is not None]
            if ready:
                self._update(ready, [p.grad for p in ready if p.grad is not None])

    def _initial_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter)}

    def _update(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """Update weights that are all matrices or all vectors."""
        raise NotImplementedError

    def _of(self, weights: list[Tensor], name: str) -> list[Tensor]:
        return [self._state[w][name] for w in weights]

    def _decay(self, weights: list[Tensor]) -> float:
        return self.weight_decay if weights[0].ndim > 1 else 0.0


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`."""

    def _update(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        sgd(
            weights,
            gradients,
            [*self._of(weights, "momentum_buffer")],
            fused=True,
            weight_decay=self._decay(weights),
            momentum=self.momentum,
            lr=self.lr,
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

    def _update(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        adamw(
            weights,
            gradients,
            self._of(weights, "exp_avg"),
            self._of(weights, "exp_avg_sq"),
            [],
            self._of(weights, "step"),
            fused=True,
            amsgrad=False,
            beta1=self.momentum,
            beta2=0.999,
            lr=self.lr,
            weight_decay=self._decay(weights),
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

    def _update(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        directions = gradients
        if weights[0].ndim > 1:
            directions = list(torch._foreach_add(gradients, weights, alpha=self.weight_decay))
            torch._foreach_mul_(directions, _trust(weights, directions))
        velocities = self._of(weights, "momentum_buffer")
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, directions)
        torch._foreach_add_(weights, velocities, alpha=-self.lr)


def _trust(weights: list[Tensor], directions: list[Tensor]) -> list[Tensor]:
    """eta |w| / |d| of each pair as 0-d tensors; 1 where either norm is zero."""
    lengths = torch.stack(torch._foreach_norm(weights))
    strides = torch.stack(torch._foreach_norm(directions))
    adaptable = (lengths > 0) & (strides > 0)
    return list(torch.where(adaptable, LARS_TRUST * lengths / strides, 1.0).unbind())


_OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "sgd": SGD, "lars": LARS}


def build_optimizer(method: nn.Module, training: Training) -> Optimizer:
    """The optimiser that a run's settings name, at the peak learning rate.

    Args:
        method: its parameters that require a gradient are trained.
        training: settings of the run.
    """
    trained = [p for p in method.parameters() if p.requires_grad]
    kind = _OPTIMIZERS[training.optimizer]
    return kind(trained, peak_rate(training), training.momentum, training.weight_decay)
