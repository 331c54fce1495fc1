"""U-Net of paper lexy (2.2.2): padding 1, depth of its encoder, one output channel; the encoder is a part.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from unfade.models.convolutions import Decoder
from unfade.models.encoders import Encoder
from unfade.models.plain import PlainEncoder
from unfade.models.resnet34 import ResNet34Encoder
from unfade.models.vgg16 import VGG16Encoder

EncoderName = Literal["plain", "vgg16", "resnet34"]


class LexyUNet(nn.Module):
    """Maps `(B, C, Y, X)` to logits `(B, out, Y, X)`; Y and X must be multiples of the encoder's last stride."""

    def __init__(self, encoder: Encoder, out: int = 1, batch_norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(encoder.widths, encoder.strides, None, batch_norm, dropout)
        self.head = nn.Conv2d(self.decoder.width, out, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(B, out, Y, X)`."""
        *skips, bottom = self.encoder(image)  #    (B, 64, Y, X) … (B, 512, Y/2^d, X/2^d)
        x = self.decoder(bottom, skips)  #         (B, 64, Y, X)
        out: Tensor = self.head(x)  #              (B, out, Y, X)
        return out


def build_encoder(
    name: EncoderName, channels: int, width: int = 64, masks: int = 0, batch_norm: bool = False
) -> PlainEncoder | VGG16Encoder | ResNet34Encoder:
    """The encoder called `name` for `channels` inputs, the last `masks` of which are masks.

    ResNet34 is batch-normalised as it is.
    """
    if name == "plain":
        return PlainEncoder(channels, width, batch_norm)
    if name == "vgg16":
        return VGG16Encoder(channels, width, masks, batch_norm)
    return ResNet34Encoder(channels, width, masks)
