"""Embeddings of the whole batch when several processes hold a slice each."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def gather(tensor: Tensor) -> Tensor:
    """Concatenate the (n, K) slices of all processes in order of rank, with gradient.

    Every process computes the same loss of the whole batch, and the gradient that reaches a slice
    is summed over processes. So *averaged* parameter gradients (as DistributedDataParallel does)
    are exactly those of one process on the whole batch, and the loss needs no factor.

    Slices must have one shape. Without initialised `torch.distributed` this is the identity.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return tensor
    return _AllGather.apply(tensor)


def mean_of_processes(loss: Tensor) -> Tensor:
    """The mean of each process's own mean, a scalar: the loss of the whole batch, with gradient.

    For losses that are sums over samples, which need not see each other's embeddings.
    """
    return gather(loss[None]).mean()


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        tensor = tensor.contiguous()
        slices = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(slices, tensor)
        return torch.cat(slices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient.chunk(dist.get_world_size())[dist.get_rank()]
