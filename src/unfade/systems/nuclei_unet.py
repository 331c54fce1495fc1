"""nuclei-unet: a residual U-Net for nuclei in single frames.

Preset `paper` is section II of "Cell Nuclei Segmentation in 2D Fluorescence Microscopy Images" (Beker, Zhen, Zhang):
ResNet-18 trunk, one output channel, Dice loss, connected components. Preset `default`, whose weights ship, is narrower,
keeps half resolution longer and learns besides the mask how deep a pixel lies in its nucleus and where the nucleus's
centre is, so that touching nuclei come apart.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.instances import watershed
from unfade.instances.components import by_components
from unfade.losses.crossentropy import binary_crossentropy
from unfade.losses.overlap import dice_loss
from unfade.models.unet import resnet18_unet, slim_unet
from unfade.records import Instances, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System


class NucleiUNetSettings(Settings):
    """What the network is and how its maps become nuclei."""

    trunk: Literal["resnet18", "slim"] = Field("slim", description="resnet18 as the paper, or the slim residual trunk")
    width: int = Field(48, ge=8, le=256, description="channels of the slim trunk's first stage")
    levels: int = Field(4, ge=2, le=6, description="stages of the slim trunk; it shrinks the image 2^levels times")
    blocks: int = Field(1, ge=1, le=4, description="residual blocks per stage of the slim trunk")
    targets: Literal["mask", "maps"] = Field("maps", description="mask: foreground only (paper); maps: with distance")
    diameter_px: tuple[float, float] = Field((20.0, 32.0), description="median diameters trained for, from and to, px")
    grouping_by: Literal["votes", "distance"] = Field("votes", description="votes: by the centre pixels point to")
    grouping: watershed.Grouping = Field(watershed.Grouping(), description="how maps become nuclei")


class NucleiUNet(System):
    """Nuclei of one frame from one channel."""

    name: ClassVar[str] = "nuclei-unet"
    settings_type: ClassVar[type[Settings]] = NucleiUNetSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "paper": {"trunk": "resnet18", "targets": "mask"},
    }
    of_network: ClassVar[frozenset[str]] = frozenset({"trunk", "width", "levels", "blocks", "targets"})
    settings: NucleiUNetSettings

    @property
    def view(self) -> View:
        """One frame, one channel; tiles are joined as maps."""
        stride = 16 if self.settings.trunk == "resnet18" else 2**self.settings.levels
        return View(diameter_px=self.settings.diameter_px, stride=stride, reach_px=64)

    @property
    def maps(self) -> int:
        """Number of output maps."""
        return 1 if self.settings.targets == "mask" else len(watershed.MAPS)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        if s.trunk == "resnet18":
            return resnet18_unet(self.view.channels, self.maps)
        return slim_unet(self.view.channels, self.maps, s.width, s.levels, s.blocks)

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, L, K, Y, X)}`; frames do not see each other, there is no state."""
        image = inputs["image"]
        out = network(image.flatten(0, 1))
        return {"maps": out.unflatten(0, image.shape[:2])}, None

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets `{"maps": (L, K, Y, X)}` of labels `(L, Y, X)`."""
        if self.settings.targets == "mask":
            return {"maps": (labels[:, None] > 0).astype(np.float32)}
        return {"maps": np.stack([watershed.encode(frame) for frame in labels])}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Dice alone for the paper's mask; else one term per map."""
        maps, truth = outputs["maps"].flatten(0, 1), targets["maps"].flatten(0, 1)
        if self.settings.targets == "mask":
            return {"dice": dice_loss(maps, truth)}
        inside = truth[:, 0]
        votes = F.smooth_l1_loss(maps[:, 2:4], truth[:, 2:4], reduction="none", beta=0.1).sum(1)
        return {
            "foreground": binary_crossentropy(maps[:, 0], inside),
            "dice": 0.5 * dice_loss(maps[:, 0], inside),
            "distance": binary_crossentropy(maps[:, 1], truth[:, 1]),
            "votes": (votes * inside).sum() / inside.sum().clamp_min(1.0),
            "border": 0.5 * binary_crossentropy(maps[:, 4], truth[:, 4], weight=0.2 + inside),
        }

    def activate(self, outputs: Maps) -> Tensor:
        """Sigmoid of everything but the votes."""
        maps = outputs["maps"].float()
        if self.settings.targets == "mask":
            return maps.sigmoid()
        return torch.cat([maps[:, :, :2].sigmoid(), maps[:, :, 2:4], maps[:, :, 4:].sigmoid()], dim=2)

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Nuclei with their mean foreground probability and entropy."""
        s = self.settings
        group = _components if s.targets == "mask" else GROUPINGS[s.grouping_by]
        labels = np.stack([group(frame, s.grouping, zoom) for frame in maps])
        return Instances.of(labels, *_confidence(maps[:, 0], labels))

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Background and nucleus, `(B, 2, Y, X)`."""
        inside = maps[:, 0]
        return torch.stack([1 - inside, inside], dim=1)


GROUPINGS = {"votes": watershed.by_votes, "distance": watershed.by_distance}


def _components(maps: np.ndarray, grouping: watershed.Grouping, zoom: float) -> np.ndarray:
    return by_components(maps[0], grouping.threshold, watershed.least_area(grouping, zoom))


def _confidence(inside: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean foreground probability and mean normalised entropy over each object, frame by frame, ids ascending."""
    scores, entropies = [], []
    for p, frame in zip(inside, labels, strict=True):
        where = np.flatnonzero(frame)
        owner, value = frame.ravel()[where], np.clip(p.ravel()[where].astype(np.float64), 1e-6, 1 - 1e-6)
        entropy = -(value * np.log(value) + (1 - value) * np.log1p(-value)) / np.log(2)
        n = int(owner.max()) + 1 if owner.size else 1
        area = np.bincount(owner, minlength=n)[1:]
        scores.append(np.bincount(owner, value, n)[1:] / area)
        entropies.append(np.bincount(owner, entropy, n)[1:] / area)
    return np.concatenate(scores).astype(np.float32), np.concatenate(entropies).astype(np.float32)
