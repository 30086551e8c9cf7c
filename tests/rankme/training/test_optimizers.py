import numpy as np
import pytest
import torch
from torch import nn

from rankme.study.settings import Training
from rankme.training import build_optimizer
from rankme.training.optimizers import LARS, SGD, AdamW, Optimizer
from rankme.training.state import copy_into


def settings(optimizer: str, scale_lr: bool = False) -> Training:
    decay = {"weight_decay": 1e-2, "momentum": 0.8}
    chosen = {"optimizer": optimizer, "scale_lr": scale_lr, "lr": 0.4, "batch_size": 512}
    return Training.model_validate(chosen | decay)


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


def descend(
    optimizer: Optimizer | torch.optim.Optimizer, weights: list[nn.Parameter], steps: int
) -> None:
    for step in range(steps):
        for index, weight in enumerate(weights):
            generator = torch.Generator().manual_seed(100 * step + index)
            gradient = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.grad = torch.empty_like(weight).copy_(gradient)  # laid out as autograd does
        optimizer.step()


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(7)
    shapes = [(5, 3), (4,), (2, 3, 3, 3), (1,), (6, 1)]
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_lars_is_the_formula_of_each_parameter_alone(decay: float, momentum: float) -> None:
    weights = parameters()
    starts = [w.detach().clone().numpy() for w in weights]
    descend(LARS(weights, lr=0.3, momentum=momentum, weight_decay=decay), weights, 4)
    for index, (weight, start) in enumerate(zip(weights, starts, strict=True)):
        gradients = [
            torch.randn(
                start.shape,
                generator=torch.Generator().manual_seed(100 * step + index),
                dtype=torch.float64,
            ).numpy()
            for step in range(4)
        ]
        expected = lars_reference(start, gradients, 0.3, momentum, decay)
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


def test_lars_without_decay_still_adapts_its_step_to_the_weight() -> None:
    small, large = (nn.Parameter(torch.full((2, 2), value)) for value in (1.0, 100.0))
    optimizer = LARS([small, large], lr=1.0, weight_decay=0.0)
    small.grad, large.grad = torch.ones(2, 2), torch.full((2, 2), 1e-3)
    optimizer.step()
    torch.testing.assert_close(1.0 - small.detach(), torch.full((2, 2), 0.001), rtol=1e-3, atol=0)
    torch.testing.assert_close(100 - large.detach(), torch.full((2, 2), 0.1), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0)])
def test_lars_does_not_adapt_where_a_norm_is_zero(weight: float, gradient: float) -> None:
    parameter = nn.Parameter(torch.full((2, 2), weight))
    parameter.grad = torch.full((2, 2), gradient)
    LARS([parameter], lr=0.5).step()
    torch.testing.assert_close(parameter.detach(), torch.full((2, 2), weight - 0.5 * gradient))


@pytest.mark.parametrize("kind", [SGD, AdamW, LARS])
def test_parameters_without_gradient_stay_as_they_are(kind: type[Optimizer]) -> None:
    trained, idle = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    trained.grad = torch.ones(2, 2)
    kind([trained, idle], lr=1.0, weight_decay=1.0).step()
    assert torch.equal(idle.detach(), torch.ones(2, 2))
    assert not torch.equal(trained.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_only_parameters_of_more_dimensions_decay(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    before = {p: p.detach().clone() for p in model.parameters()}
    for parameter in before:
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(model, settings(name)).step()
    for parameter, start in before.items():
        moved = parameter.detach().norm() < start.norm()
        assert moved == (parameter.ndim > 1)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_frozen_parameters_are_not_trained(name: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    optimizer = build_optimizer(model, settings(name))
    assert set(optimizer.parameters) == set(model[0].parameters())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_sgd_and_adamw_are_torch_s_step_by_step(name: str, decay: float, momentum: float) -> None:
    ours, theirs = parameters(), parameters()
    kind = {"adamw": AdamW, "sgd": SGD}[name]
    optimizer = kind(ours, lr=0.05, momentum=momentum, weight_decay=decay)
    groups = [
        {"params": [p for p in theirs if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in theirs if p.ndim <= 1], "weight_decay": 0.0},
    ]
    oracle: torch.optim.Optimizer = (
        torch.optim.AdamW(groups, lr=0.05, betas=(momentum, 0.999))
        if name == "adamw"
        else torch.optim.SGD(groups, lr=0.05, momentum=momentum)
    )
    for rate in (0.05, 0.1, 0.02, 0.01):
        optimizer.lr = oracle.param_groups[0]["lr"] = oracle.param_groups[1]["lr"] = rate
        descend(optimizer, ours, 2)
        descend(oracle, theirs, 2)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_the_settings_reach_the_optimiser(name: str) -> None:
    optimizer = build_optimizer(nn.Linear(3, 2), settings(name, scale_lr=True))
    assert type(optimizer).__name__.lower() == name
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.8, 0.8, 1e-2)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_a_restored_optimiser_goes_on_bit_for_bit_in_channels_last(name: str) -> None:
    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Conv2d(5, 4, 3).to(memory_format=torch.channels_last)

    straight, resumed = model(), model()
    one, two = (build_optimizer(m, settings(name)) for m in (straight, resumed))
    descend(one, list(straight.parameters()), 2)
    resumed.load_state_dict(straight.state_dict())
    stored = {key: tensor.contiguous().clone() for key, tensor in one.tensors().items()}
    copy_into(two.tensors(), stored)
    descend(one, list(straight.parameters()), 3)
    descend(two, list(resumed.parameters()), 3)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
