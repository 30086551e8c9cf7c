"""Heads of one shape, each with its own learning rate and weight decay, trained at the same time.

The recipe is that of VISSL's linear evaluation: SGD with Nesterov momentum on batch-normalised
features. The encoder is frozen, so BatchNorm's running statistics have a limit, the mean and
variance of the training features, and these are used from the first step.

An MLP's gradient is clipped. Without it, rates that did well on the held-out images at times drove
the MLP that is fitted on all images to chance (measured on 9 sets of features: 4 of 54 fits).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from rankme.study.settings import GridPoint

MOMENTUM = 0.9
BATCHNORM_EPS = 1e-5
MLP_GRADIENT_NORM = 1.0

_ROWS = 4096


class Heads:
    """G networks Linear (ReLU Linear)* on standardised features of D dimensions, for C classes.

    The last layer starts at zero, hidden layers as those of `torch.nn.Linear` do, the same in all
    heads: each is trained as it would be alone.

    Args:
        mean: (D,) subtracted from the features.
        std: (D,) they are then divided by; the heads are on the device of both.
        widths: of the hidden layers, then the number of classes C.
        grid: hyperparameters of each head.
        seed: of the hidden layers' initial weights.

    Attributes:
        layers: weight (G, out, in) and bias (G, out) of each layer.
    """

    def __init__(
        self, mean: Tensor, std: Tensor, widths: Sequence[int], grid: Sequence[GridPoint], seed: int
    ) -> None:
        self.mean, self.std = mean, std
        self.layers = _initial_layers([len(mean), *widths], len(grid), seed, mean.device)
        self._parameters = [tensor for layer in self.layers for tensor in layer]
        self._momenta = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._lr = torch.tensor([point.lr for point in grid], device=mean.device)
        self._decay = torch.tensor([point.weight_decay for point in grid], device=mean.device)

    def scores(self, features: Tensor) -> Tensor:
        """Scores (B, G, C) of raw features (B, D)."""
        (weight, bias), *later = self.layers
        standardised = (features - self.mean) / self.std
        scores = linear(standardised, weight.flatten(0, 1), bias.flatten()).unflatten(1, bias.shape)
        for weight, bias in later:
            hidden = scores.relu().transpose(0, 1)
            scores = torch.baddbmm(bias[:, None], hidden, weight.mT).transpose(0, 1)
        return scores

    def step(self, features: Tensor, labels: Tensor, lr_factor: float) -> None:
        """One step of each head on a batch, as torch.optim.SGD(nesterov=True) makes it.

        Cross-entropy, or where an image may have several classes, the sum over classes of the
        binary cross-entropy, is averaged over the batch.

        Args:
            features: (B, D).
            labels: int64 (B,), or float32 0/1 (B, C).
            lr_factor: multiplies every head's learning rate.
        """
        scores = self.scores(features)
        # No head knows of the others, so one backward pass gives each its own gradient.
        of_scores = _loss_gradient(scores.detach(), labels)
        gradients = torch.autograd.grad(scores, self._parameters, of_scores)
        if len(self.layers) > 1:
            gradients = _clipped(gradients)
        for parameter, gradient, momentum in zip(
            self._parameters, gradients, self._momenta, strict=True
        ):
            lr, decay = (_by_head(v, parameter) for v in (self._lr * lr_factor, self._decay))
            values = parameter.detach()
            gradient = torch.addcmul(gradient, decay, values)
            momentum.mul_(MOMENTUM).add_(gradient)
            values.addcmul_(lr, gradient.add_(momentum, alpha=MOMENTUM), value=-1)

    def tensors(self) -> dict[str, Tensor]:
        """All that the first head computes with, by name: hidden layers are "hidden.<number>"."""
        named = {"features.mean": self.mean, "features.std": self.std}
        names = [*(f"hidden.{number}" for number in range(len(self.layers) - 1)), "head"]
        for name, (weight, bias) in zip(names, self.layers, strict=True):
            named |= {f"{name}.weight": weight[0].detach(), f"{name}.bias": bias[0].detach()}
        return named


def standardisation(features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (D,) that BatchNorm without affine would use, float32.

    Taken block by block in float64; not finite where the features of these rows are not.
    """
    count, mean, squares = 0, np.zeros(features.shape[1]), np.zeros(features.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(rows), _ROWS):
            block = features[rows[start : start + _ROWS]].astype(np.float64)
            shift, seen = block.mean(axis=0) - mean, count
            count += len(block)
            mean += shift * (len(block) / count)
            squares += np.square(block - block.mean(axis=0)).sum(axis=0)
            squares += shift**2 * (seen * len(block) / count)
        std = np.sqrt(squares / count + BATCHNORM_EPS)
        return mean.astype(np.float32), std.astype(np.float32)


def _initial_layers(
    sizes: Sequence[int], heads: int, seed: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weight, bias = torch.zeros(outputs, inputs), torch.zeros(outputs)
        if number < len(sizes) - 1:
            bound = inputs**-0.5
            for tensor in (weight, bias):
                tensor.uniform_(-bound, bound, generator=generator)
        weight, bias = (t.to(device).repeat(heads, *[1] * t.ndim) for t in (weight, bias))
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def _loss_gradient(scores: Tensor, labels: Tensor) -> Tensor:
    """Gradient (B, G, C) of each head's loss with respect to its scores."""
    if labels.ndim == 1:
        gradient = scores.softmax(2)
        gradient[torch.arange(len(labels), device=labels.device), :, labels] -= 1
    else:
        gradient = scores.sigmoid() - labels[:, None]
    return gradient / len(labels)


def _clipped(gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients (G, ...), each head's scaled to a norm of at most MLP_GRADIENT_NORM."""
    squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
    factor = (MLP_GRADIENT_NORM / torch.stack(squares).sum(0).sqrt()).clamp(max=1)
    return tuple(gradient * _by_head(factor, gradient) for gradient in gradients)


def _by_head(values: Tensor, parameter: Tensor) -> Tensor:
    """One value a head (G,), shaped to multiply a parameter (G, ...)."""
    return values.view(-1, *[1] * (parameter.ndim - 1))
