"""ResNet34 as the encoder of a U-Net (paper lexy, 2.3.2; He et al., CVPR 2016).

The fully connected layer and the first max-pooling are left out. The 7×7 convolution with stride 2 halves the
resolution at once, so that there is no map at full resolution to skip from: four skips at 1/2, 1/4, 1/8 and 1/16, then
2×2 max-pooling into U-Net's bottleneck at 1/32, which makes the depth of five that the paper states.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from unfade.models.convolutions import he_start
from unfade.models.pretrained import take_over

BLOCKS = (3, 4, 6, 3)  # residual blocks of each layer
FULL_WIDTH = 64


class ResNet34Encoder(nn.Module):
    """Sixteen residual blocks in four layers; tensors are named as in torchvision's `resnet34`."""

    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    imagenet: ClassVar[str] = "resnet34"

    def __init__(self, channels: int = 1, width: int = FULL_WIDTH, masks: int = 0) -> None:
        super().__init__()
        self.channels, self.masks = channels, masks
        layers = [width * 2**k for k in range(4)]
        self.widths: tuple[int, ...] = (*layers, layers[-1])
        self.conv1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _layer(width, layers[0], BLOCKS[0], 1)
        self.layer2 = _layer(layers[0], layers[1], BLOCKS[1], 2)
        self.layer3 = _layer(layers[1], layers[2], BLOCKS[2], 2)
        self.layer4 = _layer(layers[2], layers[3], BLOCKS[3], 2)
        he_start(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Skips of `x (B, C, Y, X)`, finest first, then what enters the bottleneck."""
        half = self.layer1(torch.relu(self.bn1(self.conv1(x))))  # (B,  64, Y/2,  X/2)
        quarter = self.layer2(half)  #                             (B, 128, Y/4,  X/4)
        eighth = self.layer3(quarter)  #                           (B, 256, Y/8,  X/8)
        sixteenth = self.layer4(eighth)  #                         (B, 512, Y/16, X/16)
        return [half, quarter, eighth, sixteenth, F.max_pool2d(sixteenth, 2)]

    @property
    def full(self) -> bool:
        """Whether it is built as torchvision's ResNet34, so that its weights fit."""
        return self.widths[0] == FULL_WIDTH

    def load_trunk(self, state: dict[str, Tensor]) -> None:
        """Take over a torchvision ResNet34 state (see `models.pretrained` for the first layer).

        Raises
        ------
        WeightsError
            If tensors are missing or have another shape.
        """
        take_over(self, state, "conv1.weight", self.channels, self.masks, "ResNet34")


def _layer(before: int, after: int, blocks: int, stride: int) -> nn.Sequential:
    shortcut = None
    if before != after or stride != 1:
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    rest = (BasicBlock(after, after) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(before, after, stride, shortcut), *rest)
