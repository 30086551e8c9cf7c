"""BatchNorm over the batch of all processes, on any device: torch's own needs a GPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rankme.methods.gather import gather
from rankme.training.distributed import sum_, world_size


def synchronise_batch_norm(module: nn.Module) -> None:
    """Make every BatchNorm inside `module` take its statistics over all processes.

    Parameters, buffers and their names stay. Without other processes nothing changes.
    """
    if world_size() == 1:
        return
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.__class__ = SyncBatchNorm  # type: ignore[assignment]


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm of (N, C, ...) whose training statistics are over the N of all processes.

    Each process has the same N. As elsewhere the gradient is that of the sum of all processes'
    losses, so the gradients of `weight` and `bias` are to be averaged like all others.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            own = self.running_mean, self.running_var, self.weight, self.bias
            return F.batch_norm(x, *own, eps=self.eps)
        normalised, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        count = world_size() * x.numel() // x.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
        return normalised


class _Normalise(torch.autograd.Function):
    """(x - mean) / deviation * weight + bias, with the mean and variance (biased) it used."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        local = torch.stack(torch.var_mean(_exact(x), _all_but_channels(x), correction=0))
        variances, means = gather(local[None]).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale = ctx.saved_tensors
        axes, shape = _all_but_channels(x), (1, -1, *[1] * (x.ndim - 2))
        dy = _exact(gradient)
        normalised = (_exact(x) - mean.view(shape)) * scale.view(shape)
        sums = torch.stack([dy.sum(axes), (dy * normalised).sum(axes)])
        count = world_size() * x.numel() // x.shape[1]
        shift, slope = sum_(sums.clone()).div_(count).view(2, *shape)
        dx = (dy - shift - normalised * slope) * (weight * scale).view(shape)
        return dx.to(x.dtype), sums[1], sums[0], None


def _all_but_channels(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _exact(x: Tensor) -> Tensor:
    """In at least float32: sums over a batch of bfloat16 lose most digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
