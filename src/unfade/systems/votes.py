"""What the systems share whose pixels vote for the centre of their nucleus."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unfade.instances import watershed
from unfade.instances.confidence import mask_confidence
from unfade.losses.votes import vote_terms
from unfade.records import Instances
from unfade.settings import Settings
from unfade.systems.base import Maps, System

GROUPINGS = {"votes": watershed.by_votes, "distance": watershed.by_distance}


class VoteSettings(Settings):
    """For which sizes a network is trained, and how its maps become nuclei."""

    diameter_px: tuple[float, float] = Field((20.0, 32.0), description="median diameters trained for, from and to, px")
    grouping_by: Literal["votes", "distance"] = Field("votes", description="votes: by the centre pixels point to")
    grouping: watershed.Grouping = Field(watershed.Grouping(), description="how maps become nuclei")


class VoteSystem(System):
    """Everything but the network: targets, loss, activation and nuclei of maps `(B, L, 5, Y, X)`."""

    settings: VoteSettings

    @property
    def vectors(self) -> tuple[tuple[int, int], ...]:
        """The votes."""
        return ((2, 3),)

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets `{"maps": (L, 5, Y, X)}` of labels `(L, Y, X)`."""
        return {"maps": np.stack([watershed.encode(frame) for frame in labels])}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """One term per map."""
        return vote_terms(outputs["maps"].flatten(0, 1), targets["maps"].flatten(0, 1))

    def activate(self, outputs: Maps) -> Tensor:
        """Sigmoid of everything but the votes."""
        maps = outputs["maps"].float()
        return torch.cat([maps[:, :, :2].sigmoid(), maps[:, :, 2:4], maps[:, :, 4:].sigmoid()], dim=2)

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Nuclei with their mean foreground probability and entropy."""
        s = self.settings
        labels = np.stack([GROUPINGS[s.grouping_by](frame, s.grouping, zoom) for frame in maps])
        return Instances.of(labels, *mask_confidence(maps[:, 0], labels))

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Background and nucleus, `(B, 2, Y, X)`."""
        inside = maps[:, 0]
        return torch.stack([1 - inside, inside], dim=1)
