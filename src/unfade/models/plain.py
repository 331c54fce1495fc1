"""The contracting path of the original U-Net, padded (Ronneberger et al., MICCAI 2015; paper lexy, 2.2.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from unfade.models.convolutions import double_convolution, he_start


class PlainEncoder(nn.Module):
    """Depth 4: two 3×3 convolutions with ReLU per level, then 2×2 max-pooling; 64 channels, doubled level by level."""

    strides: tuple[int, ...] = (1, 2, 4, 8, 16)

    def __init__(self, channels: int = 1, width: int = 64, batch_norm: bool = False) -> None:
        super().__init__()
        levels = [width * 2**k for k in range(4)]
        self.widths: tuple[int, ...] = (*levels, levels[-1])
        before = [channels, *levels[:-1]]
        self.levels = nn.ModuleList(double_convolution(a, b, batch_norm) for a, b in zip(before, levels, strict=True))
        he_start(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Skips of `x (B, C, Y, X)`, finest first, then what enters the bottleneck."""
        features = []
        for level in self.levels:
            x = level(x)  #             (B, 64·2^k, Y/2^k, X/2^k)
            features.append(x)
            x = F.max_pool2d(x, 2)
        return [*features, x]  #        (B, 512, Y/16, X/16)
