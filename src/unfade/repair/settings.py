"""How uncertain masks are repaired."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from unfade.settings import Settings

Warp = Literal["flow", "mean-flow", "shift", "none"]
CLASSES = 3  # of the network whose entropy paper imperfect thresholds


class RepairSettings(Settings):
    """How uncertain masks are found, and what takes their place."""

    policy: Literal["bridged", "printed"] = Field(
        "bridged", description="bridged = gaps are crossed step by step from both ends | printed = paper imperfect"
    )
    motion: Warp = Field(
        "mean-flow",
        description="how a mask is moved: flow = pixel by pixel | mean-flow | shift = shift and scale | none",
    )
    flow: str = Field("ilk", description="a registered estimator of dense flow")
    flow_weights: str | None = Field(None, description="weights of an estimator that is a network")
    uncertainty: Literal["both", "system", "consistency"] = Field(
        "both", description="system = what the system says | consistency = from neighbours in time | both = the larger"
    )
    update: Literal["uncertain", "all"] = Field("uncertain", description="printed only: which masks are replaced")
    fusion: Literal["union", "certainty"] = Field(
        "union", description="printed only: union of both neighbours | average weighted by certainty"
    )
    theta: float = Field(
        0.5, gt=0, le=math.log(CLASSES), description="uncertain from here on; nats of three classes, at most ln 3"
    )
    alpha: float = Field(0.7, gt=0, le=1, description="how much surer a single neighbour must be")
    beta: float = Field(0.85, gt=0, le=1, description="how much surer both neighbours must be")
    max_age: int = Field(24, ge=1, le=1000, description="frames that a mask is carried at most, on either side")
    max_alone: int = Field(
        3, ge=0, le=1000, description="the same where nothing shows the cell and no mask beyond encloses the gap"
    )
    half_life: float = Field(16.0, gt=0, description="frames after which a carried mask is half as sure")
    jump: float = Field(1.5, gt=1, description="factor of area from one frame to the next that is not believed")
    join: float = Field(0.25, gt=0, le=1, description="IoU of a carried mask and one that appears that makes them one")
    agree: float = Field(0.6, gt=0, le=1, description="IoU with what was carried from which a doubted mask may stay")
    drift: bool = Field(True, description="whether the stage's drift is estimated and removed first")
    diameter_px: float | None = Field(None, gt=0, description="usual diameter of a nucleus; unset = from the movie")

    @property
    def limit(self) -> float:
        """`theta` as a share of the largest possible entropy, in which uncertainties 0..1 are given."""
        return self.theta / math.log(CLASSES)
