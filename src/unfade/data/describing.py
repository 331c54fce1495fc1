"""What a movie holds, for people: format, axes, calibration, and what its first frame tells of intensities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unfade.data.axes import DROPPED, depth
from unfade.data.frames import Source, damaged
from unfade.data.reading import ReadSettings, inspect
from unfade.errors import AxisError, UnfadeError
from unfade.records import Image

PERCENTILES = (1, 50, 99)
SATURATED = 1e-4  # part of the pixels at the top value from which a channel is called saturated
CLIPPED = 0.01  # part of the pixels at 0 from which a channel is called clipped


def describe(path: Path | str, options: ReadSettings = ReadSettings()) -> dict[str, Any]:
    """Facts on a movie as plain values; only its first frame is read.

    `channels` holds one entry per channel with its intensities in the first frame; `warnings` are sentences. A z axis
    is a warning here, and NaN pixels are.

    Raises
    ------
    InputError
        One of its kinds, if the movie cannot be opened at all.
    """
    source = inspect(path, options)
    layout, known = source.layout, source.calibration
    warnings = list(source.notes)
    try:
        planes = depth(layout, options.project, options.z, str(source.path))
    except AxisError as error:
        planes = (0,)
        warnings.append(str(error))
    if source.present is not None:
        warnings.append(f"the file announces {layout.size('T')} frames and holds only the first {source.present}")
    channels, heard = _channels(source, planes[0])
    return {
        "path": str(source.path),
        "format": source.format,
        "axes": layout.axes.replace(DROPPED, ""),
        "shape": [n for a, n in zip(layout.axes, layout.shape, strict=True) if a != DROPPED],
        "frames": layout.size("T"),
        "height": layout.size("Y"),
        "width": layout.size("X"),
        "dtype": str(source.dtype),
        "pixel_um": options.pixel_um or known.pixel_um,
        "interval_s": options.interval_s or known.interval_s,
        "times_s": None if known.times_s is None or options.interval_s else list(known.times_s),
        "channels": channels,
        "warnings": [*warnings, *heard],
    }


def _channels(source: Source, z: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Intensities of each channel in the first frame, and what is odd about them."""
    try:
        frame = source.planes.block(0, z)
    except UnfadeError:
        raise
    except Exception as error:
        raise damaged(source.path, "frame 0", error) from None
    facts, heard = [], []
    for name, image in zip(source.channels, frame, strict=True):
        entry, odd = _intensities(image)
        facts.append({"name": name, **entry})
        heard += [f"channel '{name}': {text}" for text in odd]
    return facts, heard


def _intensities(image: Image) -> tuple[dict[str, float], list[str]]:
    odd: list[str] = []
    values = image.ravel()
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        bad = values.size - int(np.count_nonzero(finite))
        if bad:
            odd.append(f"{bad} NaN or infinite pixels in the first frame, a run stops at them")
            values = values[finite]
    if values.size == 0:
        return {}, odd
    low, high = values.min(), values.max()
    top, zero = float(np.mean(values == high)), float(np.mean(values == 0))
    if low == high:
        odd.append(f"the first frame is constant ({low:g})")
    elif _full_scale(high) and top > SATURATED:
        odd.append(f"saturated: {top:.1%} of the pixels are at {high:g}")
    if low == 0 and zero > CLIPPED and low != high:
        odd.append(f"clipped: {zero:.0%} of the pixels are exactly 0, its background cannot be measured")
    found = {f"percentile_{p}": float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)}
    return {"min": float(low), "max": float(high), **found, "at_max": top, "at_zero": zero}, odd


def _full_scale(high: np.generic) -> bool:
    """Whether the brightest pixel is at the top of an 8, 10, 12, 14 or 16 bit camera."""
    return high.dtype.kind in "iu" and int(high) in (255, 1023, 4095, 16383, 65535)
