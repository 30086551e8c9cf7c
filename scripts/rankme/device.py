"""Where tensors live."""

import os
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from rankme.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, then MPS, then the CPU.

    Of the processes that torchrun starts on a machine, each has the CUDA card of its LOCAL_RANK.

    Args:
        name: "auto", "cpu", "mps", "cuda" or "cuda:<index>".

    Raises:
        UserError: this machine has no such device, or not one for each process.
    """
    present = _present()
    chosen = present[0] if name == "auto" else name
    if chosen not in present:
        raise UserError(
            f"device {name!r} is not on this machine; choose one of auto, {', '.join(present)}"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _own_device(chosen)
    return torch.device(chosen)


def _own_device(name: str) -> torch.device:
    """The device of one process among several."""
    if name == "cpu":
        return torch.device(name)
    if name != "cuda":
        raise UserError(f"device {name!r} is for one process; with several choose cuda or cpu")
    processes, cards = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if processes > cards:
        raise UserError(
            f"--nproc-per-node: {processes} processes are more than the {cards} CUDA devices of "
            f"this machine; start at most {cards}"
        )
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on a device, without waiting for work queued there where that is safe.

    On CUDA it is: pinned memory is not reused before it is copied, other memory is staged during
    the call. On MPS the copy may read memory that was released meanwhile (pytorch issue 189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


def exact_convolutions(repeatable: bool = False) -> AbstractContextManager[None]:
    """Convolutions in float32: cuDNN's default, TF32 with its 10-bit mantissa, would move small
    singular values. If `repeatable`, no kernel whose sums change from call to call is used."""
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=repeatable, allow_tf32=False
    )
    return context


def describe_device(device: torch.device, processes: int = 1) -> str:
    """What a record says of the device of each process: the name of a CUDA card, else its kind."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return name if processes == 1 else f"{processes} x {name}"


def _present() -> list[str]:
    """Names of this machine's devices, the fastest first."""
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    cuda = ["cuda", *cards] if cards else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]
