"""siam-net: paper lexy's Track-Net with a reference frame and mask in a second encoder of the same weights (2.2.4)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from unfade.models.siam_net import SiamNet as Network
from unfade.systems.feedback import FeedbackSystem
from unfade.systems.masks import paper_recipe


class SiamNet(FeedbackSystem):
    """Nuclei of one frame from one channel, the previous mask and a reference frame with its mask."""

    name: ClassVar[str] = "siam-net"
    sees_reference: ClassVar[bool] = True
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
        """50 epochs in batches of 32 crops (section 2.4); see `paper_recipe`."""
        return paper_recipe(preset, 50, 32)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        return Network(self.encoder(self.view.channels + 1, 1), self.maps, s.batch_norm, s.dropout)

    def step(self, network: nn.Module, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        """Logits of a frame, the previous mask and the reference."""
        out: Tensor = network(frame, previous, reference)
        return out
