"""Residual networks (He et al. 2016) with stems for small and for large images.

Modules are named as in torchvision, so its weights load by name. Initial weights are torchvision's
(He normal, fan-out). The last BatchNorm scale of each block starts at one; official pretraining
codes start it at zero. Measured after ten epochs of SimCLR on rendered shapes at 32 px, linear
probes on shapes, digits and textures: 0.48, 0.96 and 0.64 from one; 0.32, 0.88 and 0.54 from zero.
"""

from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from rankme.models.encoders.base import Encoder
from rankme.study.settings import EncoderSettings

NAMES = ("resnet10", "resnet18", "resnet34", "resnet50")

_Block: TypeAlias = "type[BasicBlock | Bottleneck]"


def build(settings: EncoderSettings, image_size: int) -> "ResNet":
    """A ResNet without classifier; the standard network has `width` 64 and the stem "imagenet"."""
    stem = settings.stem
    if stem == "auto":
        stem = "small" if image_size <= 64 else "imagenet"
    return ResNet(*_LAYOUTS[settings.name], settings.width, stem)


class ResNet(Encoder):
    """Stem, four stages, global average: (N, 3, H, W) to (N, 8 * width * block.expansion)."""

    def __init__(self, block: _Block, depths: tuple[int, ...], width: int, stem: str) -> None:
        super().__init__()
        self.conv1, self.pool = _stem(stem, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(block, width, width, depths[0], stride=1)
        self.layer2 = _stage(block, width * block.expansion, width * 2, depths[1], stride=2)
        self.layer3 = _stage(block, width * 2 * block.expansion, width * 4, depths[2], stride=2)
        self.layer4 = _stage(block, width * 4 * block.expansion, width * 8, depths[3], stride=2)
        self.dimension = width * 8 * block.expansion
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(F.relu(self.bn1(self.conv1(images)), inplace=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _Convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(residual)) + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions around a shortcut.

    The stride is in the 3 x 3 convolution ("v1.5", as in torchvision), where the paper strides in
    the first 1 x 1.
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = _Convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _Convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _Convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        residual = F.relu(self.bn2(self.conv2(residual)), inplace=True)
        return F.relu(self.bn3(self.conv3(residual)) + self.downsample(x), inplace=True)


_LAYOUTS: dict[str, tuple[_Block, tuple[int, ...]]] = {
    "resnet10": (BasicBlock, (1, 1, 1, 1)),
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


def _stem(kind: str, width: int) -> tuple[nn.Conv2d, nn.Module]:
    if kind == "imagenet":
        return _Convolution(3, width, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
    return _Convolution(3, width, 3, stride=2 if kind == "stride2" else 1), nn.Identity()


def _stage(block: _Block, inputs: int, width: int, depth: int, stride: int) -> nn.Sequential:
    first = block(inputs, width, stride)
    others = (block(width * block.expansion, width, 1) for _ in range(depth - 1))
    return nn.Sequential(first, *others)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(_Convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class _Convolution(nn.Conv2d):
    """A square convolution that keeps the size of its images, or divides it by the stride.

    A single pixel knows no stride, and gets none: with stride 2, oneDNN's bfloat16 gradient of a
    3 x 3 weight is memory that nobody wrote (torch 2.15 on a CPU with AVX512-BF16). DINO's local
    crops of small images come to that in the last stage.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        stride = self.stride if max(input.shape[-2:]) > 1 else 1
        return F.conv2d(input, self.weight, None, stride, self.padding)
