"""Methods on a network of four channels, which is the same in every test, and embeddings."""

from collections.abc import Callable

import torch
from torch import Tensor

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


def embeddings(
    rows: int = 6, columns: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Two views with deviations below and above 1, over samples and over dimensions."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    scales = torch.outer(torch.linspace(0.5, 1.5, rows), torch.linspace(0.4, 2, columns))
    return [view.to(dtype).requires_grad_() for view in z * scales + 0.3]


def assert_equal_with_gradients(
    loss: Callable[..., Tensor], formula: Callable[..., Tensor], z: list[Tensor], *settings: float
) -> None:
    """Equal in value and in the gradient of each view."""
    value, expected = loss(*z, *settings), formula(*z, *settings)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad(value, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-12)
