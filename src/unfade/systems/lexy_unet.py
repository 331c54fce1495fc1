"""lexy-unet: the plain U-Net of paper lexy (2.2.2), nuclei of single frames, with the encoder of one's choice."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from unfade.models.lexy_unet import LexyUNet as Network
from unfade.systems.base import Maps
from unfade.systems.masks import MaskSystem, paper_recipe


class LexyUNet(MaskSystem):
    """Nuclei of one frame from one channel."""

    name: ClassVar[str] = "lexy-unet"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "paper": {},
        "paper-videos": {"normalise": "background"},
        "vgg16": {"encoder": "vgg16"},
        "resnet34": {"encoder": "resnet34"},
        "narrow": {"width": 16, "batch_norm": True},
    }

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """100 epochs in batches of 64 crops (section 2.4); see `paper_recipe`."""
        return paper_recipe(preset, 100, 64)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        return Network(self.encoder(self.view.channels), self.maps, s.batch_norm, s.dropout)

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, L, K, Y, X)}`; frames do not see each other, there is no state."""
        image = inputs["image"]
        return {"maps": network(image.flatten(0, 1)).unflatten(0, image.shape[:2])}, None
