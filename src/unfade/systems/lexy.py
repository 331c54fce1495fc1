"""lexy: nuclei from a reporter channel alone, found by looking along the movie.

Paper lexy ("Automated Deep Learning Approach for Nucleus Segmentation in Fluorescence LEXY Videos", Bosboom) feeds a
network its own previous mask, and its masks drift. Here nothing is fed back: one U-Net sees the frame together with
earlier and later ones, near and far, and so finds a nucleus that has faded where it was seen before, or is seen again
later. As in the nuclei network, pixels vote for the centre of their nucleus. The paper's own networks are the systems
lexy-unet, track-net and siam-net.

Offline, the window looks both ways. The online setting replaces later frames by the current one, for the same weights:
they are trained with windows cut off at any frame.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from torch import nn

from unfade.models.unet import slim_unet
from unfade.records import Evidence, View
from unfade.settings import Settings
from unfade.systems.base import Maps
from unfade.systems.votes import VoteSettings, VoteSystem

OFFSETS = (-18, -12, -8, -5, -3, -2, -1, 0, 1, 2, 3, 5, 8, 12, 18)


class EvidenceSettings(Settings):
    """How the frames around decide together with a frame, once the network has looked at each.

    Masks are then those of all frames heard. With `--uncertainty`, the doubt is that of the members about the window of
    the single frame, averaged over such a mask; what the frames around say does not lower it.
    """

    reach: int = Field(12, ge=0, le=100, description="frames on either side; 0 = every frame by itself")
    keep: float = Field(0.9, gt=0, le=1, description="weight of a frame over that of the next one nearer")
    level: float = Field(0.65, gt=0, lt=1, description="probability that speaks neither for nor against a nucleus")


class FollowedSettings(EvidenceSettings):
    """The same where frames follow the picture: all lie where they belong, and are heard alike."""

    reach: int = Field(30, ge=0, le=100, description="frames on either side; 0 = every frame by itself")
    keep: float = Field(1.0, gt=0, le=1, description="weight of a frame over that of the next one nearer")
    level: float = Field(0.5, gt=0, lt=1, description="probability that speaks neither for nor against a nucleus")


class LexySettings(VoteSettings):
    """Which frames the network sees, how wide it is, and how its maps become nuclei."""

    offsets: tuple[int, ...] = Field(OFFSETS, min_length=1, description="frames seen at once, 0 is the one segmented")
    online: bool = Field(False, description="look at no later frame: the current one stands in for it")
    width: int = Field(32, ge=8, le=256, description="channels of the first stage")
    levels: int = Field(4, ge=2, le=6, description="stages; the network shrinks the image 2^levels times")
    blocks: int = Field(1, ge=1, le=4, description="residual blocks per stage")
    evidence: EvidenceSettings = Field(EvidenceSettings(), description="what the frames around say")
    followed: FollowedSettings = Field(FollowedSettings(), description="what they say where they follow the picture")
    diameter_px: tuple[float, float] = Field((22.0, 26.0), description="median diameters trained for, from and to, px")


class Lexy(VoteSystem):
    """Nuclei of each frame from one channel of the frames around it."""

    name: ClassVar[str] = "lexy"
    settings_type: ClassVar[type[Settings]] = LexySettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "online": {"online": True},
        "frame": {"offsets": (0,)},
    }
    of_network: ClassVar[frozenset[str]] = frozenset({"offsets", "width", "levels", "blocks"})
    sampler: ClassVar[str] = "windows"
    settings: LexySettings

    @property
    def view(self) -> View:
        """A window of frames of one channel, all normalised alike; tiles are joined as maps."""
        s, window = self.settings, len(self.settings.offsets) > 1
        return View(
            offsets=tuple(min(o, 0) for o in s.offsets) if s.online else s.offsets,
            normalise="running" if s.online else "movie",
            diameter_px=s.diameter_px,
            stride=2**s.levels,
            reach_px=64,
            evidence=self._heard(s.evidence) if window else None,
            followed=self._heard(s.followed) if window else None,
        )

    def _heard(self, near: EvidenceSettings) -> Evidence | None:
        """How the frames around are heard; None if they are not."""
        if near.reach == 0:
            return None
        return Evidence(near.reach, 0 if self.settings.online else near.reach, near.keep, near.level)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        return slim_unet(len(s.offsets), 5, s.width, s.levels, s.blocks)

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Logits `{"maps": (B, 1, 5, Y, X)}` of the current frame from a window `{"image": (B, L, 1, Y, X)}`.

        Where the window is a single frame, the frames of the input are so many windows.
        """
        image = inputs["image"]
        if len(self.settings.offsets) == 1:
            return {"maps": network(image.flatten(0, 1)).unflatten(0, image.shape[:2])}, None
        return {"maps": network(image.flatten(1, 2))[:, None]}, None
