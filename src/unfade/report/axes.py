"""Axes of the charts: round ticks, time in units that people read, positions in per cent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfade.records import Calibration

UNITS = (("s", 1.0, 180.0), ("min", 60.0, 3 * 3600.0), ("h", 3600.0, 96 * 3600.0), ("d", 86400.0, np.inf))
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
TIME_ROUND = (1.0, 2.0, 5.0, 10.0)
SIXTIETHS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 180.0)  # steps of seconds and minutes

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: its place in per cent of the axis, and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high`."""

    low: float
    high: float
    title: str
    ticks: tuple[Tick, ...]

    def place(self, values: Values) -> Values:
        """Positions of values along the axis, 0..1 inside it."""
        return (values - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Clock:
    """Times of the frames in one unit; frame numbers where no time is known."""

    values: Values  # (T,)
    unit: str  # "frame" if no time is known

    @property
    def title(self) -> str:
        """Title of the time axis."""
        return "frame" if self.unit == "frame" else f"time ({self.unit})"

    def text(self, frame: int) -> str:
        """The time of a frame with its unit, or an empty text if it is unknown."""
        if self.unit == "frame" or not 0 <= frame < len(self.values):
            return ""
        return f"{self.values[frame]:.4g} {self.unit}"

    def step(self) -> float | None:
        """Time between two frames, None if it varies, or no time is known."""
        if self.unit == "frame" or len(self.values) < 2:
            return None
        steps = np.diff(self.values)
        return float(steps[0]) if np.allclose(steps, steps[0], rtol=1e-6) else None

    def axis(self, margin: float = 0.0) -> Axis:
        """The time axis over all frames, wider by `margin` on either side."""
        low, high = (float(self.values[0]), float(self.values[-1])) if len(self.values) else (0.0, 0.0)
        if not high > low:
            low, high = low - 0.5, low + 0.5
        steps = SIXTIETHS if self.unit in ("s", "min") else TIME_ROUND
        return axis(low - margin, high + margin, self.title, whole=self.unit == "frame", steps=steps)


def clock(frames: int, calibration: Calibration) -> Clock:
    """Times of the frames in seconds, minutes, hours or days, whichever suits the length of the movie."""
    seconds = [calibration.seconds(t) for t in range(frames)]
    known = [s for s in seconds if s is not None]
    if len(known) < frames or frames == 0:
        return Clock(np.arange(frames, dtype=np.float64), "frame")
    unit, size = next((unit, size) for unit, size, longest in UNITS if known[-1] < longest)
    return Clock(np.asarray(known, np.float64) / size, unit)


def axis(
    low: float, high: float, title: str, *, count: int = 7, whole: bool = False, steps: tuple[float, ...] = ROUND
) -> Axis:
    """An axis with about `count` round ticks inside `low`..`high`; `whole` keeps them to whole numbers."""
    step = _step((high - low) / count, steps)
    step = max(1.0, float(np.ceil(step))) if whole else step
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    decimals = next((d for d in range(8) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 8)
    ticks = tuple(
        Tick(round(100 * (n * step - low) / (high - low), 3), f"{n * step:,.{decimals}f}")
        for n in range(first, last + 1)
    )
    return Axis(low, high, title, ticks)


def from_zero(values: Values, title: str) -> Axis:
    """An axis for counts: from 0 to a little above the highest value, whole numbers."""
    high = max(float(values.max(initial=0.0)), 1.0)
    return axis(0.0, 1.06 * high, title, count=5, whole=True)


def around(values: Values, title: str, share: float = 1.0) -> Axis:
    """An axis that holds all values but `share` per cent at either end, and a margin."""
    good = values[np.isfinite(values)]
    if len(good) == 0:
        return axis(0.0, 1.0, title, count=5)
    low, high = (float(v) for v in np.percentile(good, (share, 100.0 - share)))
    margin = 0.05 * (high - low) if high > low else max(0.05 * abs(high), 1e-6)
    return axis(low - margin, high + margin, title)


def _step(rough: float, steps: tuple[float, ...]) -> float:
    """The smallest round step that is not below `rough`."""
    if steps is SIXTIETHS and 1.0 <= rough <= SIXTIETHS[-1]:
        return next(s for s in SIXTIETHS if s >= rough * (1 - 1e-9))
    power = 10.0 ** np.floor(np.log10(rough))
    plain = ROUND if steps is SIXTIETHS else steps
    return float(power * next(s for s in plain if s * power >= rough * (1 - 1e-9)))
