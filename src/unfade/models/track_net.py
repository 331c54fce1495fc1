"""Track-Net of paper lexy (2.2.3): a U-Net that sees the mask of the previous frame as a further channel.

After Khoreva et al., "Learning Video Object Segmentation from Static Images", CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unfade.models.encoders import Encoder
from unfade.models.lexy_unet import LexyUNet


class TrackNet(nn.Module):
    """Frame `(B, C, Y, X)` and previous mask `(B, 1, Y, X)` to logits `(B, out, Y, X)`; its encoder sees C + 1."""

    def __init__(self, encoder: Encoder, out: int = 1, batch_norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.unet = LexyUNet(encoder, out, batch_norm, dropout)

    def forward(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Logits `(B, out, Y, X)`."""
        out: Tensor = self.unet(torch.cat([frame, previous], dim=1))
        return out
