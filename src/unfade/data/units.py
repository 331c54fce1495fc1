"""Lengths and times of file formats in the units of the project: µm and seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

JITTER = 0.01  # steps that differ from the median step by more than this part make time stamps irregular

_UM = {
    "m": 1e6, "meter": 1e6, "metre": 1e6,
    "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3,
    "µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "å": 1e-4, "angstrom": 1e-4,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6,
    "in": 25400.0, "inch": 25400.0, "thou": 25.4,
}  # fmt: skip

_S = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "µs": 1e-6, "us": 1e-6, "microsecond": 1e-6,
    "ns": 1e-9, "nanosecond": 1e-9,
    "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0,
}  # fmt: skip


def length_um(value: float | str | None, unit: str | None) -> float | None:
    """A length in µm, or None where the value is no positive number or the unit is no length (`pixel`)."""
    return _converted(value, unit, _UM)


def time_s(value: float | str | None, unit: str | None) -> float | None:
    """A duration in seconds, or None where the value is no positive number or the unit is no time."""
    return _converted(value, unit, _S)


def _converted(value: float | str | None, unit: str | None, table: dict[str, float]) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    name = (unit or "").strip().replace("\\u00B5", "µ").replace("μ", "µ").lower()
    factor = table.get(name)
    if factor is None or not math.isfinite(number) or number <= 0:
        return None
    return float(f"{number * factor:.12g}")  # 65 nm is 0.065 µm, not 0.06500000000000001


def spacing(times_s: Sequence[float]) -> tuple[float | None, tuple[float, ...] | None]:
    """Frame interval of time stamps, and the stamps themselves where they are irregular.

    Stamps that do not rise are worth nothing: both are None.
    """
    stamps = np.asarray(times_s, float)
    steps = np.diff(stamps)
    if len(steps) == 0 or not np.all(np.isfinite(stamps)) or not np.all(steps > 0):
        return None, None
    middle = float(np.median(steps))
    if np.any(np.abs(steps - middle) > JITTER * middle):
        return middle, tuple(stamps.tolist())
    return float(f"{(stamps[-1] - stamps[0]) / len(steps):.9g}"), None
