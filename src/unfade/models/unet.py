"""U-Net of a residual encoder and a cascade of transposed convolutions.

Paper nuclei-unet, section II.2: a down-sampling trunk, then fractionally strided convolutions, "where a skip
connection is utilized after each up-sampling operation that concatenates features of the corresponding scale".
Ronneberger et al., "U-Net", MICCAI 2015, for the shape. The trunk's finest map has half the input's resolution; the
last transposed convolution brings the maps back to full resolution, where the trunk has nothing to concatenate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unfade.models.encoders import Encoder, ResNet18Encoder, SlimResNetEncoder


class ResidualUNet(nn.Module):
    """Maps `(B, C, Y, X)` to `(B, out, Y, X)` logits; Y and X must be multiples of `stride`."""

    heads = 1  # answers that the output channels hold, one after another

    def __init__(self, encoder: Encoder, out_channels: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.stride = encoder.strides[-1]
        ups, fuses = [], []
        width = encoder.widths[-1]
        for skip in reversed(encoder.widths[:-1]):
            ups.append(nn.ConvTranspose2d(width, skip, 2, 2))
            fuses.append(_convolution(2 * skip, skip))
            width = skip
        self.ups, self.fuses = nn.ModuleList(ups), nn.ModuleList(fuses)
        self.head = nn.ConvTranspose2d(width, out_channels, 2, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(B, out, Y, X)` of an image `(B, C, Y, X)`."""
        features = self.encoder(image)
        x = features.pop()  #                                    (B, w3, Y/16, X/16)
        for up, fuse in zip(self.ups, self.fuses, strict=True):
            x = fuse(torch.cat([up(x), features.pop()], dim=1))  # (B, w2, Y/8, X/8) … (B, w0, Y/2, X/2)
        out: Tensor = self.head(x)  #                              (B, out, Y, X)
        return out


def resnet18_unet(in_channels: int = 1, out_channels: int = 1) -> ResidualUNet:
    """The network of paper nuclei-unet: ResNet-18 trunk down 16 times, full width."""
    return ResidualUNet(ResNet18Encoder(in_channels), out_channels)


def slim_unet(in_channels: int, out_channels: int, width: int, levels: int = 4, blocks: int = 1) -> ResidualUNet:
    """A narrower U-Net of the same build: `levels` stages of `blocks` residual blocks, `width` doubling."""
    widths = tuple(width * 2**k for k in range(levels))
    return ResidualUNet(SlimResNetEncoder(in_channels, widths, blocks), out_channels)


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
