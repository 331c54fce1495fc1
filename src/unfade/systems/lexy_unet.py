"""lexy-unet: the plain U-Net of paper lexy (2.2.2), nuclei of single frames, with the encoder of one's choice."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from unfade.models.lexy_unet import LexyUNet as Network
from unfade.systems.base import Maps
from unfade.systems.masks import MaskSystem


class LexyUNet(MaskSystem):
    """Nuclei of one frame from one channel."""

    name: ClassVar[str] = "lexy-unet"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "vgg16": {"encoder": "vgg16"},
        "resnet34": {"encoder": "resnet34"},
        "narrow": {"width": 16, "batch_norm": True},
    }

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        return Network(self.encoder(self.view.channels), self.maps, s.batch_norm, s.dropout)

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, L, K, Y, X)}`; frames do not see each other, there is no state."""
        image = inputs["image"]
        return {"maps": network(image.flatten(0, 1)).unflatten(0, image.shape[:2])}, None
