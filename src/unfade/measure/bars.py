"""Error bars of repaired movies: what a value would be with an outline or a place that is off by a little.

The mask of an object is perturbed by its uncertainty and by the error of the motion that brought it. A ratio is
measured again with the outline two pixels further in and out (its core and ring move along) and with the mask moved by
three pixels in four directions, about as far as such errors go; the differences tell what one pixel changes. With e and
p px for the likely errors of outline and place,

    s² = (outline · e)² + (place · p)² + floor²,  interval = ratio · exp(∓ widen · s).

`widen` is set so that 90 % of intervals hold the value that a nuclear marker gives (docs, guide "Repair").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.measure.intensity import intensities
from unfade.measure.regions import Floats, Groups, Regions
from unfade.measure.rings import rings
from unfade.measure.settings import BarSettings, MeasureSettings

UNKNOWN = 0.5  # error of a logarithm where a perturbed mask has no ratio
OUTLINE_PX, PLACE_PX = 2, 3  # by which masks are perturbed
SHIFTS = ((PLACE_PX, 0), (-PLACE_PX, 0), (0, PLACE_PX), (0, -PLACE_PX))
BARS = ("low_area_px", "high_area_px", "place_error_px")


def ratio_bars(
    light: NDArray[Any], off: float, regions: Regions, settings: MeasureSettings, ring_px: tuple[float, float],
    inset_px: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """What one pixel of outline and one pixel of place change in the logarithm of a channel's ratio, `(N,)` each.

    `light` `(Y, X)` is the channel without haze, `off` its background, `settings` are those of the measurement; a
    ratio that cannot be had makes NaN.
    """
    count, place = len(regions), regions.place[1:-1, 1:-1]
    (inner, outer), by = ring_px, OUTLINE_PX
    plain = (regions.core(inset_px), rings(place, count, inner, outer))
    deep = (regions.core(inset_px + by), rings(place, count, max(inner - by, 0), max(outer - by, 1)))
    wide = (regions.core(max(inset_px - by, 0)), rings(place, count, inner + by, outer + by))
    middle = _log_ratio(light, *plain, off, settings.ratio)
    low, high = (_log_ratio(light, *groups, off, settings.ratio) for groups in (deep, wide))
    moved = [_log_ratio(_moved(light, shift), *plain, off, settings.ratio) for shift in SHIFTS]
    steps = [np.abs(value - middle) / PLACE_PX for value in moved]
    return np.abs(high - low) / (2 * by), np.sqrt(np.mean(np.square(steps), axis=0))


def _moved(image: NDArray[Any], shift: tuple[int, int]) -> NDArray[Any]:
    """An image moved by (y, x); what comes in at an edge repeats it."""
    y, x = (np.clip(np.arange(n) - s, 0, n - 1) for n, s in zip(image.shape, shift, strict=True))
    return image[np.ix_(y, x)]


def errors_px(confidence: Floats, age: NDArray[Any], settings: BarSettings) -> tuple[Floats, Floats]:
    """Likely errors of outline and place of objects, px; unknown confidence counts as none lost."""
    lost = 1 - np.nan_to_num(np.asarray(confidence, np.float64), nan=1.0)
    return settings.outline_px + settings.doubt_px * lost, settings.place_px * np.sqrt(np.asarray(age, np.float64))


def interval(ratio: Floats, error: Floats, settings: BarSettings) -> tuple[Floats, Floats]:
    """Ends of the interval of a ratio whose logarithm has an error."""
    half = np.exp(settings.widen * error)
    return ratio / half, ratio * half


def bars(names: Sequence[str], values: dict[str, Any], settings: MeasureSettings) -> dict[str, Any]:
    """Columns of error bars for the objects whose `values` are measured, with what `ratio_bars` says of each channel.

    That stands under `per_outline_…` and `per_place_…`.
    """
    how = settings.bars
    outline, place = errors_px(values["confidence"], values["age"], how)
    out: dict[str, Any] = {}
    for name in names:
        per_outline, per_place = values[f"per_outline_{name}"], values[f"per_place_{name}"]
        error = np.sqrt((per_outline * outline) ** 2 + (per_place * place) ** 2 + how.floor**2)
        error = np.nan_to_num(error, nan=UNKNOWN)
        out[f"low_ratio_{name}"], out[f"high_ratio_{name}"] = interval(values[f"ratio_{name}"], error, how)
    half = how.widen * values["perimeter_px"] * outline
    out["low_area_px"], out["high_area_px"] = np.maximum(values["area_px"] - half, 0), values["area_px"] + half
    out["place_error_px"] = how.widen * np.hypot(place, outline / 2)
    return out


def _log_ratio(channel: NDArray[Any], core: Groups, ring: Groups, off: float, part: str) -> Floats:
    above = getattr(intensities(channel, core), part) - off
    below = getattr(intensities(channel, ring), part) - off
    known = (above > 0) & (below > 0)
    quotient = np.divide(above, below, out=np.full_like(above, np.nan), where=known)
    return np.asarray(np.log(quotient), np.float64)
