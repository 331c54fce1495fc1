"""Intensities of groups of pixels: sums by one pass, medians by one sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.measure.regions import Floats, Groups, Ints
from unfade.measure.settings import MeasureSettings

_ROUNDS = 6  # of taking haze off; each leaves at most haze / (1 - haze) of the error before


class Intensity(NamedTuple):
    """Intensities of each group, `(N,)` each; NaN for empty groups, and where a pixel is NaN."""

    mean: Floats
    median: Floats
    std: Floats  # of the pixels as they are, divided by n
    max: Floats
    integrated: Floats


def background_of(channel: NDArray[Any], settings: MeasureSettings) -> float:
    """What is subtracted from the intensities of one channel `(Y, X)` of a frame."""
    if settings.background == "constant":
        return settings.background_value
    if settings.background == "percentile":
        return float(np.percentile(channel, settings.background_percentile)) if channel.size else 0.0
    return 0.0


def without_haze(channel: NDArray[Any], settings: MeasureSettings) -> NDArray[Any]:
    """One channel `(Y, X)` without the light out of focus, or as it is where its share is 0.

    The image is modelled as `(1 - haze) * sharp + haze * blurred(sharp)` and solved for the sharp part by repeated
    substitution; an offset of the camera passes through unchanged.
    """
    if settings.haze == 0:
        return channel
    from scipy import ndimage

    seen = channel.astype(np.float32)
    sharp: NDArray[Any] = seen
    for _ in range(_ROUNDS):
        blurred = ndimage.gaussian_filter(sharp, settings.haze_px, mode="nearest")
        sharp = (seen - settings.haze * blurred) / (1 - settings.haze)
    return sharp


def intensities(channel: NDArray[Any], groups: Groups) -> Intensity:
    """Intensities of groups of pixels in one channel `(Y, X)`, before any background is subtracted."""
    picked = channel.reshape(-1)[groups.pixel]
    filled = groups.count > 0
    if not filled.any():
        return Intensity(*(np.full(len(filled), np.nan) for _ in Intensity._fields))
    start, count = groups.start[filled], groups.count[filled]
    values = picked.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite pixels make NaN
        total = np.add.reduceat(values, start)
        mean = _spread(total / count, filled)
        values -= mean[groups.owner]
        np.multiply(values, values, out=values)
        std = np.sqrt(np.add.reduceat(values, start) / count)
    top = np.maximum.reduceat(picked, start).astype(np.float64)
    low, high = start + (count - 1) // 2, start + count // 2
    median = np.where(np.isnan(top), np.nan, _between(picked, groups.owner, low, high))
    return Intensity(mean, *(_spread(v, filled) for v in (median, std, top, total)))


def _between(values: NDArray[Any], owner: Ints, low: Ints, high: Ints) -> Floats:
    """Mean of the values at the places `low` and `high` once all are sorted by owner, then by value; no NaN among them.

    Owner and value are sorted together as one integer where both fit into 64 bits.
    """
    if values.dtype.kind in "bu" and values.dtype.itemsize <= 2 and owner[-1] < 2**16:
        small = (owner.astype(np.uint32) << np.uint32(16)) | values
        small.sort()
        both = small[[low, high]] & np.uint32(0xFFFF)
    elif values.dtype.itemsize <= 4:
        ordinal, restore = _ordinal(values)
        key = (owner.astype(np.uint64) << np.uint64(32)) | ordinal
        key.sort()
        both = restore((key[[low, high]] & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    else:
        rising = np.argsort(values)
        grouped = owner[rising].astype(np.uint16) if owner[-1] < 2**16 else owner[rising]  # 16 bits: radix sort
        both = values[rising[np.argsort(grouped, kind="stable")[[low, high]]]]
    lower, upper = both.astype(np.float64)
    middle: Floats = (lower + upper) / 2
    return middle


def _ordinal(values: NDArray[Any]) -> tuple[NDArray[np.uint32], Callable[[NDArray[np.uint32]], NDArray[Any]]]:
    """Numbers of up to 32 bits as unsigned integers of the same order, and the way back."""
    if values.dtype.kind == "f":
        bits = values.astype(np.float32).view(np.uint32)
        top = np.uint32(1 << 31)
        return np.where(bits & top, ~bits, bits | top), lambda u: np.where(u & top, u & ~top, ~u).view(np.float32)
    least = int(np.iinfo(values.dtype).min) if values.dtype.kind == "i" else 0
    return (values.astype(np.int64) - least).astype(np.uint32), lambda u: u.astype(np.int64) + least


def _spread(values: Floats, filled: NDArray[np.bool_]) -> Floats:
    """Values of the groups that have pixels at their places among all groups, NaN elsewhere."""
    out = np.full(len(filled), np.nan)
    out[filled] = values
    return out
