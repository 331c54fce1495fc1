"""shape-aware-unet: the comparison of paper shape-aware, a U-Net whose pixels are weighted like its masks.

"An Effective Deep Learning Framework for Cell Segmentation in Microscopy Images" (Lin, Norouzi), III.B and table I: to
see what the loss alone does, U-Nets are trained with binary cross-entropy, focal loss and shape-aware loss, from Xavier
normal weights with Adam at 0.001. Cells are the connected components of the map: what touches stays together.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.instances import boxes
from unfade.instances.components import by_components
from unfade.instances.confidence import mask_confidence
from unfade.losses.focal import focal_loss
from unfade.losses.shape_aware import shape_aware_weight, weighted_mean
from unfade.models.lexy_unet import LexyUNet, build_encoder
from unfade.ops.relabel import of_kind
from unfade.records import Instances, Kind, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System


class ShapeAwareUNetSettings(Settings):
    """The network, its loss and how its map becomes cells."""

    width: int = Field(64, ge=4, le=256, description="channels of the first level")
    loss: Literal["bce", "focal", "shape-aware"] = Field("shape-aware", description="loss of the pixels")
    alpha: float = Field(10.0, ge=0, description="weight of the outline in the shape-aware loss")
    sigma_px: float = Field(5.0, gt=0, description="reach of the outline's weight, px as the network sees them")
    most_ratio: float = Field(
        100.0, ge=1, description="largest weight of foreground, and one over the smallest; crops may hold little of it"
    )
    diameter_px: tuple[float, float] = Field((40.0, 120.0), description="median diameters trained for, from and to, px")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to a cell")
    min_area_px: float = Field(30.0, ge=0, description="smaller pieces are dropped, px as the network sees them")
    kind: Kind = Field("cell", description="what an object is")


class ShapeAwareUNet(System):
    """Cells of one frame from one channel, as far as they do not touch."""

    name: ClassVar[str] = "shape-aware-unet"
    settings_type: ClassVar[type[ShapeAwareUNetSettings]] = ShapeAwareUNetSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {"width": 16, "diameter_px": [28.0, 60.0], "sigma_px": 2.5},
        "paper": {},
        "paper-bce": {"loss": "bce"},
        "paper-focal": {"loss": "focal"},
    }
    of_network: ClassVar[frozenset[str]] = frozenset({"width"})
    settings: ShapeAwareUNetSettings

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """Adam at 0.001 (III.B) until validation gets no better; the patience is a choice."""
        return {"train": {"rate": 1e-3, "decay": 0.0, "schedule": "constant", "patience": 10}}

    @property
    def view(self) -> View:
        """One frame; tiles are joined as maps."""
        return View(kinds=(self.settings.kind,), diameter_px=self.settings.diameter_px, stride=16, reach_px=96)

    def network(self) -> nn.Module:
        """A fresh network, Xavier normal."""
        network = LexyUNet(build_encoder("plain", 1, self.settings.width))
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        return network

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, L, 1, Y, X)}`; frames do not see each other."""
        image = inputs["image"]
        out: Tensor = network(image.flatten(0, 1))
        return {"maps": out.reshape(*image.shape[:2], *out.shape[1:])}, None

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets `maps (L, 1, Y, X)`, `distance (L, Y, X)` to the nearest cell boundary and `ratio (L,)`."""
        targets = boxes.encode(of_kind(labels, self.settings.kind), 1)
        inside = (targets["labels"][:, None] > 0).astype(np.float32)
        return {"maps": inside, "distance": targets["distance"], "ratio": targets["ratio"]}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Cross-entropy, plain, focal or weighted by equation 3."""
        s = self.settings
        logits, truth = outputs["maps"][:, :, 0], targets["maps"][:, :, 0]
        if s.loss == "focal":
            return {"focal": focal_loss(logits, truth).mean()}
        each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        if s.loss == "bce":
            return {"bce": each.mean()}
        ratio = targets["ratio"].clamp(1 / s.most_ratio, s.most_ratio)[..., None, None]
        weight = shape_aware_weight(targets["distance"], truth, ratio, s.alpha, s.sigma_px)
        return {"shape-aware": weighted_mean(each, weight)}

    def activate(self, outputs: Maps) -> Tensor:
        """Sigmoid."""
        return outputs["maps"].float().sigmoid()

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Background and cell, `(B, 2, Y, X)`."""
        return torch.cat([1 - maps[:, :1], maps[:, :1]], dim=1)

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Connected components with their mean probability and entropy."""
        s = self.settings
        labels = np.stack([by_components(frame[0], s.threshold, s.min_area_px * zoom**2) for frame in maps])
        return Instances.of(labels, *mask_confidence(maps[:, 0], labels), kind=s.kind)
