"""split-net: the variant that paper lexy proposes (section 4), frame and previous mask in encoders of their own."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from unfade.models.split_net import SplitNet as Network
from unfade.systems.feedback import FeedbackSystem
from unfade.systems.masks import paper_recipe


class SplitNet(FeedbackSystem):
    """Nuclei of one frame from one channel and the previous mask, which meet at the bottleneck alone."""

    name: ClassVar[str] = "split-net"
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
        """That of Siam-Net, which has two encoders too; the paper did not train this one. See `paper_recipe`."""
        return paper_recipe(preset, 50, 32)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        channels = self.view.channels
        return Network(self.encoder(channels), self.encoder(1, 1), self.maps, s.batch_norm, s.dropout)

    def step(self, network: nn.Module, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        """Logits of a frame and the previous mask; there is no reference."""
        out: Tensor = network(frame, previous)
        return out
