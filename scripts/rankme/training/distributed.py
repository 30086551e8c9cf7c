"""One run in several processes, a device each: torchrun --nproc-per-node 4 scripts/pretrain.py ...

Every process takes its rows of each batch and computes the loss of the whole batch (see
`rankme.methods.gather`). Gradients, BatchNorm statistics and the monitor's Gram matrix are put
together, so that the run is that of one process. What decides its course (losses, signals, the
checkpoint) is exchanged, so that all processes take every turn together; the first writes files.

Each function does nothing in a run of one process. DistributedDataParallel is not used: it wants to
own the forward pass, and what is computed here is not one but a method's loss.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from rankme.errors import UserError, describe, one_line

_T = TypeVar("_T")


@contextmanager
def process_group() -> Iterator[None]:
    """Meet the other processes that torchrun has started, if it has.

    Raises:
        UserError: another process ended, or the network between them failed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # Tensors on the CPU travel by gloo, so that no exchange of numbers waits for queued GPU work.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    # A day, since the first process may have to download and decode the dataset meanwhile.
    dist.init_process_group(backend, timeout=timedelta(days=1))
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "/gloo/" not in str(error):
            raise
        if backend == "gloo":
            dist.destroy_process_group()  # else its threads abort one process in twenty as it ends
        raise UserError(
            f"the processes lost touch; if one has ended, its message says why ({one_line(error)})"
        ) from error
    dist.destroy_process_group()


def world_size() -> int:
    """Number of processes of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def rows(batch_size: int) -> slice:
    """This process's rows of every batch.

    Raises:
        UserError: the processes cannot have equal shares.
    """
    share, rest = divmod(batch_size, world_size())
    if rest:
        raise UserError(
            f"training.batch_size: {batch_size} cannot be shared equally by {world_size()} "
            f"processes; choose a multiple of {world_size()}, or another --nproc-per-node"
        )
    return slice(rank() * share, (rank() + 1) * share)


def sum_(tensor: Tensor) -> Tensor:
    """Replace a tensor by its sum over processes, the same bits in each."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors by those of the first process."""
    if world_size() == 1:
        return
    for tensor in tensors:
        sent = tensor.contiguous()
        dist.broadcast(sent, src=0)
        tensor.copy_(sent)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over processes, all in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if world_size() == 1 or not gradients:
        return
    flat = sum_(_flatten_dense_tensors(gradients)).div_(world_size())
    torch._foreach_copy_(gradients, _unflatten_dense_tensors(flat, gradients))


def maximum(*values: int) -> list[int]:
    """The largest of each value over processes."""
    if world_size() == 1:
        return list(values)
    numbers = torch.tensor(values)
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return numbers.tolist()


def exchange(value: _T) -> list[_T]:
    """What each process passed here, in order of rank."""
    found = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(found, value)
    return found


@contextmanager
def one_fate() -> Iterator[None]:
    """A mistake that any process meets inside ends all of them, told by the first alone.

    Nothing may be exchanged inside.

    Raises:
        UserError: what the first process that met a mistake has to say.
    """
    message = ""
    try:
        yield
    except (UserError, OSError) as error:
        if world_size() == 1:
            raise
        message = describe(error)
    if found := [text for text in exchange(message) if text]:
        raise UserError(found[0])
