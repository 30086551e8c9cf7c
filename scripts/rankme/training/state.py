"""What a checkpoint holds of a method and its optimiser, as flat tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all values are finite; waits for the device once."""
    parts = [t.isfinite().all() for t in tensors.values() if t.is_floating_point()]
    return bool(torch.stack(parts).all())


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's state on its device."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as `<index of the parameter>.<name>`."""
    return {
        f"{index}.{name}": value
        for index, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state[parameter].items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave.

    Fused kernels walk a parameter and its moments in memory order, so a moment takes on the
    parameter's memory format (channels_last), which the file has not kept.
    """
    parameters = _parameters(optimizer)
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        like = parameter if value.shape == parameter.shape else value
        held = torch.empty_like(like, dtype=value.dtype, device=parameter.device)
        optimizer.state[parameter][name] = held.copy_(value)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with `<prefix>.` before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with `<prefix>.`, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
