"""How the learning rate runs over a training."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from unfade.settings import Settings

Schedule = Literal["cosine", "constant", "steps", "restarts"]
LEAST = 0.01  # of the rate, at the end of the cosine


class RateSettings(Settings):
    """The course of the learning rate; part of every training's settings."""

    steps: int = Field(20_000, ge=1, description="optimiser steps")
    rate: float = Field(1e-3, gt=0, description="learning rate (its peak under the cosine schedule)")
    schedule: Schedule = Field(
        "cosine", description="cosine | constant | steps: times `drop` every `cycle` | restarts: cosine every `cycle`"
    )
    warmup: int = Field(200, ge=0, description="steps over which the rate rises linearly")
    cycle: int = Field(1000, ge=1, description="steps between two drops or restarts of the rate")
    drop: float = Field(0.1, gt=0, le=1, description="what the rate is multiplied by under the schedule 'steps'")


def rate_at(settings: RateSettings, step: int, done: float) -> float:
    """Learning rate of a step, counted from 0, when the part `done` (0..1) of the training lies behind it.

    `restarts` is SGDR with cycles of equal length (Loshchilov and Hutter, ICLR 2017, equation 5, lowest rate 0).
    """
    rise = min(1.0, (step + 1) / max(settings.warmup, 1))
    if settings.schedule == "cosine":
        fall = max(0.5 * (1 + math.cos(math.pi * min(done, 1.0))), LEAST)
    elif settings.schedule == "steps":
        fall = settings.drop ** (step // settings.cycle)
    elif settings.schedule == "restarts":
        fall = 0.5 * (1 + math.cos(math.pi * (step % settings.cycle) / settings.cycle))
    else:
        fall = 1.0
    return settings.rate * rise * fall


def ends_cycle(settings: RateSettings, steps_done: int) -> bool:
    """Whether the rate restarts after this many steps: the weights are as converged as they get in the cycle."""
    return settings.schedule == "restarts" and steps_done % settings.cycle == 0
