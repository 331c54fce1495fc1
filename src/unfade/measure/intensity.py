"""Intensities of groups of pixels: sums by one pass, medians by one sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.measure.regions import Floats, Groups, Ints
from unfade.measure.settings import MeasureSettings
from unfade.ops.bands import rows_of
from unfade.records import Rows

_ROUNDS = 6  # of taking haze off; each leaves at most haze / (1 - haze) of the error before


class Intensity(NamedTuple):
    """Intensities of each group, `(N,)` each; NaN for empty groups, and where a pixel is NaN."""

    mean: Floats
    median: Floats
    std: Floats  # of the pixels as they are, divided by n
    max: Floats
    integrated: Floats


def background_of(channel: NDArray[Any] | Rows, settings: MeasureSettings) -> float:
    """What is subtracted from the intensities of one channel `(Y, X)` of a frame."""
    if settings.background == "constant":
        return settings.background_value
    if settings.background == "percentile":
        return percentile_of(Rows.of(channel), settings.background_percentile)
    return 0.0


def percentile_of(image: Rows, percent: float) -> float:
    """Percentile of an image `(Y, X)` by linear interpolation between its sorted pixels; NaN if one is NaN, 0 of none.

    A huge image is read by bands, twice: pixels of up to 32 bits are counted by their upper 16 bits, then those that
    share them with the pixels sought by the lower 16.
    """
    size = int(np.prod(image.shape))
    if size == 0:
        return 0.0
    at = percent / 100 * (size - 1)
    ranks = np.array([int(at), min(int(at) + 1, size - 1)])
    bands = image.ranges(rows_of(image.shape))
    first = image.read(*bands[0])
    if len(bands) > 1 and first.dtype.itemsize <= 4:
        low, high = _ranked(image, bands, ranks)
    else:
        flat = np.concatenate([first.ravel(), *(image.read(*band).ravel() for band in bands[1:])])
        known = flat.dtype.kind != "f" or not np.isnan(flat).any()
        low, high = np.partition(flat, ranks)[ranks].astype(np.float64).tolist() if known else (np.nan, np.nan)
    return float(low if low == high else low + (high - low) * (at - int(at)))


def _ranked(image: Rows, bands: list[tuple[int, int]], ranks: Ints) -> list[float]:
    """The pixels of some ranks among all of an image of up to 32 bits; NaN if one is NaN."""
    upper = np.zeros(1 << 16, np.int64)
    for band in bands:
        pixels = image.read(*band)
        if pixels.dtype.kind == "f" and np.isnan(pixels).any():
            return [np.nan] * len(ranks)
        ordinal, restore = _ordinal(pixels.ravel())
        upper += np.bincount(ordinal >> np.uint32(16), minlength=len(upper))
    bins = np.searchsorted(np.cumsum(upper), ranks, "right")
    lower = {int(b): np.zeros(1 << 16, np.int64) for b in bins}
    for band in bands:
        ordinal, _ = _ordinal(image.read(*band).ravel())
        for b, counts in lower.items():
            counts += np.bincount(ordinal[ordinal >> np.uint32(16) == b] & np.uint32(0xFFFF), minlength=len(counts))
    before = np.cumsum(upper) - upper
    rests = [
        np.searchsorted(np.cumsum(lower[int(b)]), k - before[b], "right") for b, k in zip(bins, ranks, strict=True)
    ]
    found: list[float] = restore(((bins << 16) + rests).astype(np.uint32)).astype(np.float64).tolist()
    return found


def haze_reach(settings: MeasureSettings) -> int:
    """Rows above and below that a row without haze depends on."""
    return 0 if settings.haze_share() == 0 else _ROUNDS * int(4 * settings.haze_px + 0.5)


def without_haze(channel: NDArray[Any], settings: MeasureSettings) -> NDArray[Any]:
    """One channel `(Y, X)` without the light out of focus, or as it is where its share is 0.

    The image is modelled as `(1 - haze) * sharp + haze * blurred(sharp)` and solved for the sharp part by repeated
    substitution; an offset of the camera passes through unchanged.
    """
    share = settings.haze_share()
    if share == 0:
        return channel
    from scipy import ndimage

    seen = channel.astype(np.float32)
    sharp: NDArray[Any] = seen
    for _ in range(_ROUNDS):
        blurred = ndimage.gaussian_filter(sharp, settings.haze_px, mode="nearest")
        sharp = (seen - share * blurred) / (1 - share)
    return sharp


def light(image: Rows, channel: int, settings: MeasureSettings) -> Rows:
    """One channel of a frame `(C, Y, X)` without haze, by rows: those of the whole channel, whatever is read."""
    reach, height = haze_reach(settings), image.shape[-2]

    def read(first: int, stop: int) -> NDArray[Any]:
        top = max(first - reach, 0)
        seen = image.read(top, min(stop + reach, height))[channel]
        return without_haze(seen, settings)[first - top : stop - top]

    return Rows(image.shape[-2:], read)


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
