"""VGG16 as the encoder of a U-Net (paper lexy, 2.3.1; Simonyan and Zisserman, ICLR 2015, configuration D).

The five convolutional blocks, each followed by 2×2 max-pooling; the fully connected layers give way to U-Net's
bottleneck. Depth five: one skip and one decoder block more than U-Net has.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from unfade.models.convolutions import convolution, he_start
from unfade.models.pretrained import take_over

BLOCKS = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # channels in units of the first block's, number of convolutions
FULL_WIDTH = 64


class VGG16Encoder(nn.Module):
    """Thirteen 3×3 convolutions in five blocks; tensors are named as torchvision's `vgg16().features`."""

    strides: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    imagenet: ClassVar[str] = "vgg16"

    def __init__(self, channels: int = 1, width: int = FULL_WIDTH, masks: int = 0, batch_norm: bool = False) -> None:
        super().__init__()
        self.channels, self.masks, self.batch_norm = channels, masks, batch_norm
        blocks = [width * share for share, _ in BLOCKS]
        self.widths: tuple[int, ...] = (*blocks, blocks[-1])
        layers: list[nn.Module] = []
        self._ends = []  # where each block ends: its pooling
        before = channels
        for after, (_, count) in zip(blocks, BLOCKS, strict=True):
            for _ in range(count):
                layers += convolution(before, after, batch_norm)
                before = after
            self._ends.append(len(layers))
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        he_start(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Skips of `x (B, C, Y, X)`, finest first, then what enters the bottleneck."""
        features = []
        for place, layer in enumerate(self.features):
            if place in self._ends:
                features.append(x)  #  (B, 64 … 512, Y/2^k, X/2^k)
            x = layer(x)
        return [*features, x]  #       (B, 512, Y/32, X/32)

    @property
    def full(self) -> bool:
        """Whether it is built as torchvision's VGG16, so that its weights fit."""
        return not self.batch_norm and self.widths[0] == FULL_WIDTH

    def load_trunk(self, state: dict[str, Tensor]) -> None:
        """Take over a torchvision VGG16 state (see `models.pretrained` for the first layer).

        Raises
        ------
        WeightsError
            If tensors are missing or have another shape.
        """
        take_over(self, state, "features.0.weight", self.channels, self.masks, "VGG16")
