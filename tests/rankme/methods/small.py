"""Methods on a network of four channels, which is the same in every test."""

import torch

from rankme.methods import Method, build_method
from rankme.study.runs import RunSettings, run_from_json


def small_run(method: str, **hyperparameters: float) -> RunSettings:
    """A run with these settings of its method, the others at their defaults."""
    return run_from_json(
        {
            "method": method,
            "hyperparameters": hyperparameters,
            "source": {"name": "tiny", "reader": "shapes", "size": 8},
            "encoder": {"name": "resnet10", "width": 4, "stem": "small"},
            "projector": {"widths": [16, 8]},
            "augmentation": {},
            "training": {},
            "seed": 0,
        }
    )


def build(method: str, image_size: int = 8, classes: int = 3, **hyperparameters: float) -> Method:
    """The method of such a run, its weights always the same."""
    torch.manual_seed(0)
    return build_method(small_run(method, **hyperparameters), image_size, classes)
