"""Where tensors live."""

import torch

from rankme.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, then MPS, then the CPU.

    Args:
        name: "auto", "cpu", "mps", "cuda" or "cuda:<index>".

    Raises:
        UserError: this machine has no such device.
    """
    present = _present()
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise UserError(
            f"device {name!r} is not on this machine; choose one of auto, {', '.join(present)}"
        )
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """What a record says of the device: the name of a CUDA card, else its kind."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _present() -> list[str]:
    """Names of this machine's devices, the fastest first."""
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    cuda = ["cuda", *cards] if cards else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]
