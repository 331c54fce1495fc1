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

from unfade.instances import watershed
from unfade.instances.components import by_components
from unfade.instances.confidence import mask_confidence
from unfade.losses.crossentropy import binary_crossentropy
from unfade.losses.hard_pixels import hard_pixel_loss, hard_pixels_of, with_hard_pixels
from unfade.losses.hypotheses import best_heads, evolving_top
from unfade.losses.overlap import dice_loss
from unfade.models.unet import resnet18_unet, slim_unet
from unfade.records import Instances, View
from unfade.settings import Settings
from unfade.systems.base import Maps
from unfade.systems.votes import VoteSettings, VoteSystem


class NucleiUNetSettings(VoteSettings):
    """What the network is and how its maps become nuclei."""

    trunk: Literal["resnet18", "slim"] = Field("slim", description="resnet18 as the paper, or the slim residual trunk")
    width: int = Field(48, ge=8, le=256, description="channels of the slim trunk's first stage")
    levels: int = Field(4, ge=2, le=6, description="stages of the slim trunk; it shrinks the image 2^levels times")
    blocks: int = Field(1, ge=1, le=4, description="residual blocks per stage of the slim trunk")
    targets: Literal["mask", "maps"] = Field("maps", description="mask: foreground only (paper); maps: with distance")
    mask_loss: Literal["dice", "bce", "hard", "dice+hard", "bce+hard"] = Field(
        "dice", description="loss of targets = mask; hard: cross-entropy of the K worst pixels (II.5, table I)"
    )
    hard_pixels: int = Field(6000, ge=1, description="K of a 256x256 patch; other crops have the same share of pixels")
    heads: int = Field(1, ge=1, le=16, description="answers per pixel; more than one learn winner-takes-all")
    evolving: bool = Field(False, description="whether several heads learn at first and ever fewer later")
    hard_share: float = Field(0.5, ge=0, le=1, description="weight of the hard pixels in bce+hard; the rest is BCE's")


class NucleiUNet(VoteSystem):
    """Nuclei of one frame from one channel."""

    name: ClassVar[str] = "nuclei-unet"
    settings_type: ClassVar[type[Settings]] = NucleiUNetSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "paper": {"trunk": "resnet18", "targets": "mask"},
    }
    of_network: ClassVar[frozenset[str]] = frozenset({"trunk", "width", "levels", "blocks", "targets", "heads"})
    settings: NucleiUNetSettings

    @classmethod
    def recipe(cls, preset: str) -> dict[str, Any]:
        """The preset whose weights ship also sees nuclei with patches and spots inside, which must stay whole."""
        return {"sampler": {"textured": 0.2}} if preset == "default" else {}

    @property
    def view(self) -> View:
        """One frame, one channel; tiles are joined as maps."""
        stride = 16 if self.settings.trunk == "resnet18" else 2**self.settings.levels
        return View(diameter_px=self.settings.diameter_px, stride=stride, reach_px=64)

    @property
    def maps(self) -> int:
        """Number of output maps of one head."""
        return 1 if self.settings.targets == "mask" else len(watershed.MAPS)

    @property
    def vectors(self) -> tuple[tuple[int, int], ...]:
        """The votes, where there are any."""
        return super().vectors if self.settings.targets == "maps" else ()

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s, out = self.settings, self.maps * self.settings.heads
        if s.trunk == "resnet18":
            network = resnet18_unet(self.view.channels, out)
        else:
            network = slim_unet(self.view.channels, out, s.width, s.levels, s.blocks)
        network.heads = s.heads
        return network

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, L, K, Y, X)}`; frames do not see each other, there is no state."""
        image = inputs["image"]
        out = network(image.flatten(0, 1))
        return {"maps": out.unflatten(0, image.shape[:2])}, None

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets `{"maps": (L, K, Y, X)}` of labels `(L, Y, X)`."""
        if self.settings.targets == "mask":
            return {"maps": (labels[:, None] > 0).astype(np.float32)}
        return super().encode(labels, image)

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Dice alone for the paper's mask; else one term per map. Of several heads the best of a crop learns."""
        s, maps, truth = self.settings, outputs["maps"], targets["maps"]
        if s.heads == 1:
            return self._terms(outputs, targets)
        per_head = [
            [
                _total(self._terms({"maps": one}, {"maps": true}))
                for one, true in zip(part, torch.split(truth, 1), strict=True)
            ]
            for part in (torch.split(head, 1) for head in maps.chunk(s.heads, dim=2))
        ]
        done = float(targets["progress"]) if "progress" in targets else 1.0
        losses = torch.stack([torch.stack(row) for row in per_head], dim=1)
        return {"heads": best_heads(losses, evolving_top(done, s.heads) if s.evolving else 1)}

    def _terms(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Terms of one head."""
        if self.settings.targets == "maps":
            return super().loss(outputs, targets)
        return self._mask_loss(outputs["maps"].flatten(0, 2), targets["maps"].flatten(0, 2))

    def _mask_loss(self, maps: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Terms of the paper's losses (II.4, II.5) over maps `(N, Y, X)`."""
        s = self.settings
        terms = {}
        if s.mask_loss.startswith("dice"):
            terms["dice"] = dice_loss(maps, truth)
        if s.mask_loss.endswith("hard"):
            terms["hard"] = hard_pixel_loss(maps, truth, hard_pixels_of(s.hard_pixels, *maps.shape[-2:]))
        if s.mask_loss == "bce":
            terms["bce"] = binary_crossentropy(maps, truth)
        if s.mask_loss == "bce+hard":
            return {"bce and hard": with_hard_pixels(binary_crossentropy(maps, truth), terms["hard"], s.hard_share)}
        return terms

    def activate(self, outputs: Maps) -> Tensor:
        """Sigmoid of everything but the votes; of several heads their mean."""
        maps = outputs["maps"]
        if maps.shape[2] > self.maps:
            heads = [self.activate({"maps": head}) for head in maps.chunk(self.settings.heads, dim=2)]
            return torch.stack(heads).mean(0)
        return super().activate(outputs) if self.settings.targets == "maps" else outputs["maps"].float().sigmoid()

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Nuclei with their mean foreground probability and entropy."""
        s = self.settings
        if s.targets == "maps":
            return super().decode(maps, zoom)
        least = watershed.least_area(s.grouping, zoom)
        labels = np.stack([by_components(frame[0], s.grouping.threshold, least) for frame in maps])
        return Instances.of(labels, *mask_confidence(maps[:, 0], labels))


def _total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()
