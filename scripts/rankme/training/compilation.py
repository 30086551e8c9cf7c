"""Whether the network is compiled."""

import shutil
from importlib.util import find_spec

import torch

from rankme.methods import Method
from rankme.training.distributed import world_size
from rankme.training.schedule import Schedule

REPAYING_IMAGES = 10_000_000
"""Images of a run, over all its epochs, from which on "auto" compiles on a CUDA card.

Not measured here: translating a ResNet is assumed to take a minute, as on a CPU, and to make steps
10 to 25 % faster, as published; that many images take a fast card some ten minutes.
"""


def compile_network(
    method: Method, setting: bool | str, device: torch.device, schedule: Schedule
) -> None:
    """Have all encoders and projectors translated by torch.compile when they are first called.

    It is done in place, so modules and the names of their tensors stay; `forward` is the network
    as it was. "auto" compiles a long run (see REPAYING_IMAGES) on one CUDA card where the compiler
    has what it needs. It does not

    - on a CPU: a ResNet-10 of width 32 at 32 px became 19 % faster in bfloat16 and no faster in
      float32, for 38 and 15 s of compilation;
    - on MPS, where torch.compile is a prototype;
    - in several processes, whose BatchNorm cuts the network into pieces.
    """
    if setting == "auto":
        long = schedule.steps * schedule.batch_size >= REPAYING_IMAGES
        able = find_spec("triton") is not None and shutil.which("cc") is not None
        setting = device.type == "cuda" and world_size() == 1 and long and able
    if setting:
        for network in method.networks():
            network.compile()
