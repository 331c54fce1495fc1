"""Where a translocation reporter is at a given time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.synth.settings import Reporter


def drive(frame: float, reporter: Reporter) -> float:
    """How far the reporter has moved at `frame`: 0 at rest, 1 long after the stimulus; exponential both ways."""
    if reporter.stimulus_frame == "never":
        return 0.0
    out = -math.expm1(-max(frame - reporter.stimulus_frame, 0.0) / reporter.export_frames)
    if reporter.recovery_frame == "never" or frame <= reporter.recovery_frame:
        return out
    turn = -math.expm1(-max(reporter.recovery_frame - reporter.stimulus_frame, 0.0) / reporter.export_frames)
    return turn * math.exp(-(frame - reporter.recovery_frame) / reporter.recovery_frames)


def ratio(frame: float, before: NDArray[Any], after: NDArray[Any], reporter: Reporter) -> NDArray[np.float64]:
    """Nuclear over cytoplasmic concentration at `frame`, on a straight line between the logarithms of both."""
    moved = drive(frame, reporter)
    return np.asarray(before, float) ** (1 - moved) * np.asarray(after, float) ** moved
