"""What a checkpoint holds, as flat tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all values are finite; waits for the device once."""
    parts = [t.isfinite().all() for t in tensors.values() if t.is_floating_point()]
    return bool(torch.stack(parts).all())


def copy_into(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    """Overwrite each target by the source of its name, whatever their devices and formats."""
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(sources[name])


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with `<prefix>.` before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
