"""The variant that paper lexy proposes (section 4): the previous mask meets the frame at the bottleneck alone.

"A variation of Siam-Net, where the main encoder processes the current frame, and the second encoder uses only the
previous frame mask". Frames and masks have nothing in common to share weights over, so each encoder has its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unfade.models.convolutions import Decoder
from unfade.models.encoders import Encoder


class SplitNet(nn.Module):
    """Frame `(B, C, Y, X)` and previous mask `(B, 1, Y, X)`, one encoder each, to logits `(B, out, Y, X)`."""

    def __init__(
        self, encoder: Encoder, mask_encoder: Encoder, out: int = 1, batch_norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.mask_encoder = encoder, mask_encoder
        bottom = encoder.widths[-1] + mask_encoder.widths[-1]
        self.decoder = Decoder(encoder.widths, encoder.strides, bottom, batch_norm, dropout)
        self.head = nn.Conv2d(self.decoder.width, out, 1)

    def forward(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Logits `(B, out, Y, X)`."""
        *skips, bottom = self.encoder(frame)  #                          (B, 512, Y/2^d, X/2^d)
        *_, other = self.mask_encoder(previous)  #                       (B, 512, Y/2^d, X/2^d)
        x = self.decoder(torch.cat([bottom, other], dim=1), skips)  #    (B, 64, Y, X)
        out: Tensor = self.head(x)  #                                    (B, out, Y, X)
        return out
