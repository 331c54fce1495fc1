"""A U-Net over a window of frames that remembers what any of them shows.

All frames of a window enter the first convolution as channels, each at its own distance in time. Which of them shows a
faded nucleus differs from movie to movie, and a sum over fixed channels cannot choose. So a small network, the same
for every frame, looks at each by itself, and attention over time takes its features from the frames that are clear at
that place (attention pooling: Ilse, Tomczak and Welling, ICML 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unfade.models.encoders import SlimResNetEncoder
from unfade.models.unet import ResidualUNet


class FrameMemory(nn.Module):
    """Features `(B, out, Y/4, X/4)` of a window `(B, L, Y, X)`: what the clearest of its frames shows at each place."""

    def __init__(self, frames: int, width: int, out: int, glances: int = 2) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.PixelUnshuffle(4),
            *_convolution(16, width, 3),
            *_convolution(width, width, 3),
            *_convolution(width, width, 3, dilation=2),
        )
        self.clarity = nn.Conv2d(width, glances, 1, bias=False)
        self.nearness = nn.Parameter(torch.zeros(frames, glances))
        self.join = nn.Conv2d(glances * width, out, 1)

    def forward(self, window: Tensor) -> Tensor:
        """Features of the window: weighted means over time, one for each glance."""
        features = self.look(window.flatten(0, 1)[:, None])  #           (B·L, w, Y/4, X/4)
        clear = self.clarity(features)
        count = window.shape[:2]
        clear, features = (x.permute(0, 2, 3, 1).unflatten(0, count) for x in (clear, features))
        weight = (clear + self.nearness[:, None, None]).softmax(1).to(features.dtype)
        means = torch.einsum("blyxg,blyxw->byxgw", weight, features)
        out: Tensor = self.join(means.flatten(3).permute(0, 3, 1, 2))
        return out


class WindowEncoder(SlimResNetEncoder):
    """The slim trunk, frames as channels, with the memory's features added at a quarter of the resolution."""

    def __init__(self, frames: int, widths: Sequence[int], blocks: int, memory: int) -> None:
        super().__init__(frames, widths, blocks)
        self.memory = FrameMemory(frames, memory, self.widths[1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of a window `(B, L, Y, X)`, the finest first."""
        remembered = self.memory(x)
        features = []
        x = self.stem(x)
        for k, stage in enumerate(self.stages):
            x = stage(x)
            if k == 1:
                x = x + remembered
            features.append(x)
        return features


def window_unet(frames: int, out_channels: int, width: int, levels: int, blocks: int, memory: int) -> ResidualUNet:
    """A slim U-Net over windows of `frames`; `memory` are the channels that every frame is seen with, at least 2."""
    widths = tuple(width * 2**k for k in range(levels))
    return ResidualUNet(WindowEncoder(frames, widths, blocks, memory), out_channels)


def _convolution(before: int, after: int, side: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    reach = dilation * (side // 2)
    convolution = nn.Conv2d(before, after, side, stride, reach, dilation, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
