"""Time courses of many cells at once: heterogeneous answers, delays and cells that do not answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unfade.synth.fading import TimeCourse

Floats = NDArray[np.float64]


def ratios(course: TimeCourse, frames: int, n: int, rng: np.random.Generator) -> Floats:
    """Logarithm of nuclear over cytoplasmic concentration `(T, N)`, on a straight line between before and after."""
    before = np.log(course.ratio_before) + rng.normal(0, course.before_spread, n)
    after = np.log(course.ratio_after) + rng.normal(0, course.after_spread, n)
    after = np.where(rng.random(n) < course.responders, after, before)
    delay = rng.uniform(0, course.delay_frames, n)
    moved = drives(course, np.arange(frames)[:, None] - delay)
    return np.asarray(before + (after - before) * moved)


def drives(course: TimeCourse, frame: Floats) -> Floats:
    """How far the reporter has moved at each frame: 0 at rest, 1 long after the stimulus; exponential both ways."""
    if course.stimulus_frame == "never":
        return np.zeros_like(frame, float)
    out = _approach(frame - course.stimulus_frame, course.export_frames)
    if course.recovery_frame == "never":
        return out
    turn = _approach(np.array(course.recovery_frame - course.stimulus_frame, float), course.export_frames)
    back = 1 - _approach(frame - course.recovery_frame, course.recovery_frames)
    return np.where(frame <= course.recovery_frame, out, turn * back)


def _approach(elapsed: Floats, constant: float) -> Floats:
    if constant == 0:
        return (elapsed > 0).astype(float)
    return -np.expm1(-np.maximum(elapsed, 0) / constant)
