"""Encoders: a trunk that gives feature maps at falling resolution, as a part that any decoder takes.

An encoder maps `(B, C, Y, X)` to a list of feature maps, the finest first; `widths` holds their channels and `strides`
their down-sampling. Both ResNets follow He et al., "Deep residual learning for image recognition", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from unfade.models.pretrained import first_kernel, take_over


class Encoder(Protocol):
    """What a decoder needs to know of an encoder."""

    widths: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, x: Tensor, /) -> Any:
        """Feature maps, the finest first."""
        ...


class ResNet18Encoder(nn.Module):
    """The first three stages of ResNet-18, down 16 times (paper nuclei-unet, section II.2).

    The paper names "a ResNet-18 backbone" that "down-samples its input by 16 times": of the network's factor 32 the
    last stage (layer 4) is left out. Feature maps: after the first convolution (1/2) and after layers 1 to 3 (1/4,
    1/8, 1/16).
    """

    widths: tuple[int, ...] = (64, 64, 128, 256)
    strides: tuple[int, ...] = (2, 4, 8, 16)
    imagenet: ClassVar[str] = "resnet18"
    full = True  # it has one width, the one that ImageNet weights fit

    def __init__(self, in_channels: int = 1) -> None:
        super().__init__()
        trunk = ResNet(BasicBlock, [2, 2, 2, 2])
        self.conv1 = _first_convolution(trunk.conv1.weight.detach(), in_channels)
        self.bn1, self.maxpool = trunk.bn1, trunk.maxpool
        self.layer1, self.layer2, self.layer3 = trunk.layer1, trunk.layer2, trunk.layer3

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of `x (B, C, Y, X)`, the finest first."""
        half = torch.relu(self.bn1(self.conv1(x)))  # (B,  64, Y/2,  X/2)
        quarter = self.layer1(self.maxpool(half))  #  (B,  64, Y/4,  X/4)
        eighth = self.layer2(quarter)  #              (B, 128, Y/8,  X/8)
        sixteenth = self.layer3(eighth)  #            (B, 256, Y/16, X/16)
        return [half, quarter, eighth, sixteenth]

    def load_trunk(self, state: dict[str, Tensor]) -> None:
        """Take over a torchvision ResNet-18 state, whatever number of input channels it has.

        Raises
        ------
        WeightsError
            If tensors are missing or have another shape.
        """
        take_over(self, state, "conv1.weight", self.conv1.in_channels, 0, "ResNet-18")


class SlimResNetEncoder(nn.Module):
    """A residual trunk without the first max-pool: widths doubling per stage, one stage for each of 1/2, 1/4, 1/8, …

    The first convolution (7×7, stride 2) and `blocks` residual blocks work at half resolution, so small nuclei keep
    more of their outline than in ResNet-18, at a fraction of its width.
    """

    def __init__(self, in_channels: int = 1, widths: Sequence[int] = (32, 64, 128, 256), blocks: int = 1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.strides = tuple(2 ** (k + 1) for k in range(len(widths)))
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        stages = []
        for k, width in enumerate(widths):
            before = widths[max(k - 1, 0)]
            first = BasicBlock(before, width, 2 if k else 1, _shortcut(before, width, 2 if k else 1))
            stages.append(nn.Sequential(first, *(BasicBlock(width, width) for _ in range(blocks - 1))))
        self.stages = nn.ModuleList(stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of `x (B, C, Y, X)`, the finest first."""
        features = []
        x = self.stem(x)  #          (B, w0, Y/2, X/2)
        for stage in self.stages:
            x = stage(x)  #          (B, wk, Y/2^(k+1), X/2^(k+1))
            features.append(x)
        return features


def _shortcut(before: int, width: int, stride: int) -> nn.Module | None:
    if before == width and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))


def _first_convolution(weight: Tensor, in_channels: int) -> nn.Conv2d:
    """A first convolution for `in_channels` from one for colour (see `models.pretrained`)."""
    conv = nn.Conv2d(in_channels, weight.shape[0], 7, 2, 3, bias=False)
    conv.weight = nn.Parameter(first_kernel(weight, in_channels))
    return conv
