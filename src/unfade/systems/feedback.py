"""Systems that see their own previous mask: one step of the network unrolled over the frames of a sequence.

Paper lexy, 2.2.3 and 2.2.4: while training on stills, previous masks and references are estimates; on a movie only the
first frame uses an estimate, "subsequent frames use the model's actual predictions" (section 3).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from unfade.records import View
from unfade.settings import Settings
from unfade.systems.base import Maps
from unfade.systems.masks import MaskSettings, MaskSystem


class FeedbackSettings(MaskSettings):
    """A network that sees its previous mask."""

    feed: Literal["mask", "probability"] = Field("mask", description="what is fed back: the mask or its probability")


class FeedbackSystem(MaskSystem):
    """Unrolls `step` over a sequence; the state is the previous mask and, where one is seen, the reference."""

    settings_type: ClassVar[type[Settings]] = FeedbackSettings
    sampler: ClassVar[str] = "estimates"
    sees_reference: ClassVar[bool] = False
    settings: FeedbackSettings

    @property
    def view(self) -> View:
        """One frame, its own previous mask, and perhaps a reference."""
        return replace(super().view, feedback=True, reference=self.sees_reference)

    @abstractmethod
    def step(self, network: nn.Module, frame: Tensor, previous: Tensor, reference: Tensor) -> Tensor:
        """Logits `(B, K, Y, X)` of `frame (B, C, Y, X)`, `previous (B, 1, Y, X)`, `reference (B, C + 1, Y, X)`."""

    def feedback(self, maps: Tensor) -> Tensor:
        """What the next step sees, `(B, 1, Y, X)`, of activated maps `(B, K, Y, X)`; carries no gradient."""
        inside = maps[:, :1].detach()
        return inside if self.settings.feed == "probability" else (inside > self.settings.splitting.threshold).float()

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits of every frame, and `{"previous", "reference"}` to carry on.

        Besides `image (B, L, C, Y, X)` the inputs may hold `previous (B, L or 1, 1, Y, X)`, estimates that a frame sees
        instead of the network's own output; `own (B, L)`, nonzero where it sees its own output all the same; and
        `reference (B, 1, C + 1, Y, X)`, a frame and its mask. Where nothing is known of the first frame, its previous
        mask is empty and the reference is the frame itself; then the first frame and what was found there.
        """
        image = inputs["image"]
        fed: Tensor | None = None if state is None else state["previous"]
        reference: Tensor | None = None if state is None else state["reference"]
        reference = inputs["reference"][:, 0] if "reference" in inputs else reference
        maps = []
        for n in range(image.shape[1]):
            frame = image[:, n]
            previous = _previous(inputs, n, fed, torch.zeros_like(frame[:, :1]))
            seen = torch.cat([frame, previous], dim=1) if reference is None else reference
            maps.append(self.step(network, frame, previous, seen))
            fed = self.feedback(maps[-1].float().sigmoid())
            reference = torch.cat([frame, fed], dim=1) if reference is None else reference
        return {"maps": torch.stack(maps, dim=1)}, {"previous": fed, "reference": reference}


def _previous(inputs: Maps, n: int, fed: Tensor | None, nothing: Tensor) -> Tensor:
    """The previous mask that frame `n` sees: its estimate, the fed-back output, or an empty mask."""
    known = inputs.get("previous")
    if known is None or n >= known.shape[1]:
        return nothing if fed is None else fed
    if fed is None or "own" not in inputs:
        return known[:, n]
    return torch.where(inputs["own"][:, n, None, None, None] > 0, fed, known[:, n])
