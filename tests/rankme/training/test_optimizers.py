import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rankme.study.settings import Training
from rankme.training import build_optimizer
from rankme.training.optimizers import LARS, SGD, AdamW, Optimizer


def lars_reference(
    weight: np.ndarray, gradients: list[np.ndarray], lr: float, momentum: float, decay: float
) -> np.ndarray:
    """VICReg's settings of LARS for one parameter, in float64."""
    velocity = np.zeros_like(weight)
    for gradient in gradients:
        direction = gradient
        if weight.ndim > 1:
            direction = gradient + decay * weight
            length, stride = np.sqrt((weight**2).sum()), np.sqrt((direction**2).sum())
            if length > 0 and stride > 0:
                direction = direction * 0.001 * length / stride
        velocity = momentum * velocity + direction
        weight = weight - lr * velocity
    return weight


def tensors(seed: int) -> list[Tensor]:
    """Some matrices and vectors, float64."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(5, 3), (4,), (2, 3, 3, 3), (1,), (6, 1)]
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(tensor) for tensor in tensors(7)]


@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_lars_is_the_formula_of_each_parameter_alone(decay: float, momentum: float) -> None:
    weights, course = parameters(), [tensors(step) for step in range(4)]
    optimizer = LARS(weights, momentum, decay)
    for gradients in course:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        optimizer.step(0.3)
    for weight, start, *own in zip(weights, tensors(7), *course, strict=True):
        gradients = [gradient.numpy() for gradient in own]
        expected = lars_reference(start.numpy(), gradients, 0.3, momentum, decay)
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0)])
def test_lars_does_not_adapt_where_a_norm_is_zero(weight: float, gradient: float) -> None:
    parameter = nn.Parameter(torch.full((2, 2), weight))
    parameter.grad = torch.full((2, 2), gradient)
    LARS([parameter], momentum=0.9, weight_decay=0.0).step(0.5)
    torch.testing.assert_close(parameter.detach(), torch.full((2, 2), weight - 0.5 * gradient))


@pytest.mark.parametrize("kind", [SGD, AdamW, LARS])
def test_parameters_without_gradient_stay_as_they_are(kind: type[Optimizer]) -> None:
    trained, idle = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    trained.grad = torch.ones(2, 2)
    kind([trained, idle], momentum=0.9, weight_decay=1.0).step(1.0)
    assert torch.equal(idle.detach(), torch.ones(2, 2))
    assert not torch.equal(trained.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_sgd_and_adamw_are_torch_s_step_by_step(name: str, decay: float, momentum: float) -> None:
    ours, theirs = parameters(), parameters()
    optimizer = {"adamw": AdamW, "sgd": SGD}[name](ours, momentum, decay)
    groups = [
        {"params": [p for p in theirs if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in theirs if p.ndim <= 1], "weight_decay": 0.0},
    ]
    oracle: torch.optim.Optimizer = (
        torch.optim.AdamW(groups, betas=(momentum, 0.999))
        if name == "adamw"
        else torch.optim.SGD(groups, momentum=momentum)
    )
    for step, rate in enumerate((0.05, 0.05, 0.1, 0.02, 0.01)):
        for a, b, gradient in zip(ours, theirs, tensors(step), strict=True):
            a.grad, b.grad = gradient, gradient.clone()
        for group in oracle.param_groups:
            group["lr"] = rate
        optimizer.step(rate)
        oracle.step()
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_the_settings_reach_the_optimiser_and_frozen_parameters_are_not_trained(name: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    training = Training(optimizer=name, weight_decay=1e-2, momentum=0.8)
    optimizer = build_optimizer(model, training)
    assert type(optimizer).__name__.lower() == name
    assert (optimizer.momentum, optimizer.weight_decay) == (0.8, 1e-2)
    assert set(optimizer.parameters) == set(model[0].parameters())
