"""track-net: paper lexy's U-Net with the previous frame's mask as a further channel (2.2.3)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from unfade.models.track_net import TrackNet as Network
from unfade.systems.feedback import FeedbackSystem
from unfade.systems.masks import paper_recipe


class TrackNet(FeedbackSystem):
    """Nuclei of one frame from one channel and the previous mask."""

    name: ClassVar[str] = "track-net"
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
        return Network(self.encoder(self.view.channels + 1, 1), self.maps, s.batch_norm, s.dropout)

    def step(self, network: nn.Module, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        """Logits of a frame and the previous mask; there is no reference."""
        out: Tensor = network(frame, previous)
        return out
