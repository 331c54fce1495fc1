"""The pieces of a U-Net: two 3×3 convolutions with ReLU, and the decoder that joins them with skips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def double_convolution(before: int, after: int, batch_norm: bool = False) -> nn.Sequential:
    """Two 3×3 convolutions, padding 1, each followed by ReLU (paper lexy, 2.2.2); batch normalisation in between."""
    return nn.Sequential(*convolution(before, after, batch_norm), *convolution(after, after, batch_norm))


def convolution(before: int, after: int, batch_norm: bool = False) -> list[nn.Module]:
    """One 3×3 convolution with padding 1 and ReLU."""
    conv = nn.Conv2d(before, after, 3, padding=1, bias=not batch_norm)
    normal: list[nn.Module] = [nn.BatchNorm2d(after)] if batch_norm else []
    return [conv, *normal, nn.ReLU(inplace=True)]


def he_start(module: nn.Module) -> None:
    """Kernels drawn as He et al. (ICCV 2015) and U-Net (section 3) do, variance 2 / inputs; biases at zero."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class Decoder(nn.Module):
    """Bottleneck and up-sampling path of a U-Net (paper lexy, 2.2.2).

    `widths` and `strides` are those of an encoder: its skips, finest first, then what enters the bottleneck. Each step
    doubles the resolution by a 2×2 up-convolution, concatenates the skip of that resolution and convolves twice. Where
    the encoder has no map at full resolution, the last step has no skip and half the channels of the one before.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        bottom: int | None = None,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.skips = len(widths) - 1
        wide = 2 * widths[-2]
        self.bottleneck = double_convolution(bottom or widths[-1], wide, batch_norm)
        self.dropout = nn.Dropout2d(dropout)
        ups, blocks = [], []
        for width in reversed(widths[:-1]):
            ups.append(nn.ConvTranspose2d(wide, width, 2, 2))
            blocks.append(double_convolution(2 * width, width, batch_norm))
            wide = width
        if strides[0] > 1:
            ups.append(nn.ConvTranspose2d(wide, wide // 2, 2, 2))
            blocks.append(double_convolution(wide // 2, wide // 2, batch_norm))
            wide //= 2
        self.ups, self.blocks, self.width = nn.ModuleList(ups), nn.ModuleList(blocks), wide
        he_start(self)

    def forward(self, bottom: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Maps `(B, width, Y, X)` at full resolution from what enters the bottleneck and the skips, finest first."""
        x: Tensor = self.dropout(self.bottleneck(bottom))  #      (B, 1024, Y/2^d, X/2^d)
        for k, (up, block) in enumerate(zip(self.ups, self.blocks, strict=True)):
            x = up(x)  #                                          (B, w, 2Y', 2X')
            x = block(torch.cat([x, skips[-1 - k]], dim=1) if k < self.skips else x)
        return x
