"""Siam-Net of paper lexy (2.2.4): Track-Net with a reference frame and its mask in a second encoder.

After Oh et al., "Fast Video Object Segmentation by Reference-Guided Mask Propagation", CVPR 2018. Both encoders are
one and the same module, so they share their weights; what they give is concatenated where it enters the bottleneck, and
the reference has no skip connection.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unfade.models.convolutions import Decoder
from unfade.models.encoders import Encoder


class SiamNet(nn.Module):
    """Frame, previous mask, reference frame and reference mask to logits; its encoder sees C + 1 channels."""

    def __init__(self, encoder: Encoder, out: int = 1, batch_norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        bottom = 2 * encoder.widths[-1]
        self.decoder = Decoder(encoder.widths, encoder.strides, bottom, batch_norm, dropout)
        self.head = nn.Conv2d(self.decoder.width, out, 1)

    def forward(self, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        """Logits `(B, out, Y, X)` of `frame (B, C, Y, X)`, `previous (B, 1, Y, X)`, `reference (B, C + 1, Y, X)`."""
        *skips, bottom = self.encoder(torch.cat([frame, previous], dim=1))  #  (B, 512, Y/2^d, X/2^d)
        *_, other = self.encoder(reference)  #                                 (B, 512, Y/2^d, X/2^d)
        x = self.decoder(torch.cat([bottom, other], dim=1), skips)  #          (B, 64, Y, X)
        out: Tensor = self.head(x)  #                                          (B, out, Y, X)
        return out
