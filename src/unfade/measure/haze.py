"""How much light is out of focus, told from one frame of a nuclear marker and the masks of its nuclei.

The frame is modelled as `(1 - h) * sharp + h * blurred(sharp, s) + ground`: a marker is sharp inside nuclei only, so
what lies above the ground a few pixels outside of them is haze. For a number of spreads s the share h and a smooth
ground (a polynomial of second order, as light is uneven) are fitted by least squares to the pixels clear of nuclei,
without outliers; the spread that leaves least is taken.

A marker that stains the cytoplasm a little looks like haze, but ends where the cell ends: the share found close to
nuclei and the one found further away then differ, and none is told. What cannot be told apart is a stain that falls off
around each nucleus as haze does. The same test and the bound of one half refuse channels that are no nuclear marker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.measure.regions import Floats
from unfade.records import Rows

FEWEST = 5  # nuclei
LARGEST = 0.5  # share; the image could not be solved for its sharp part
SURE = 3.0  # standard errors that a share must lie above 0
APART = 0.15  # by which shares near nuclei and further away may differ, of the share itself
SPREADS = np.geomspace(0.2, 1.6, 13)  # scanned, in diameters of a nucleus
CLIPPED = 0.1  # share of pixels outside nuclei at the lowest value from which on the ground was cut off
_SIDE = 1024  # px that are looked at around the middle of a large frame, per axis
_ROUNDS = 8  # of share, ground and sharp part in turn
_OUTLIER = 4.0  # robust standard deviations
_BLOCKS = 4  # per axis, for the error of a share

Bools = NDArray[np.bool_]


class Haze(NamedTuple):
    """Light out of focus; a share of 0 with a reason where none could be told."""

    share: float = 0.0  # of all light
    spread_px: float = 0.0  # standard deviation
    error: float = 0.0  # standard error of the share
    reason: str = ""


@dataclass(frozen=True)
class _Frame:
    """What is fitted, on blocks of pixels."""

    image: Floats  # (Y, X)
    sources: Bools  # blocks that may hold sharp light
    fitted: Bools  # blocks clear of it and of the frame's edge, where light may come from outside
    near: Bools  # (K,) of those fitted: within half a diameter of a nucleus
    ground: Floats  # (K, 6) terms of the ground
    block: NDArray[np.int64]  # (K,) part of the frame, for errors
    step: int  # px per block


class _Fit(NamedTuple):
    share: float
    sharp: Floats  # (Y, X)
    wide: Floats  # (K,) blurred sharp light
    rest: Floats  # (K,) what the fit leaves
    kept: Bools  # (K,) no outliers


def find_haze(image: NDArray[Any] | Rows, labels: NDArray[Any] | Rows) -> Haze:
    """Share and spread of the light out of focus of one channel `(Y, X)` whose nuclei have masks `(Y, X)`."""
    seen, masks = _middle(image), _middle(labels)
    area = np.bincount(np.unique(masks[masks > 0], return_inverse=True)[1])
    if len(area) < FEWEST:
        return Haze(reason=f"there are fewer than {FEWEST} nuclei")
    diameter = float(np.sqrt(4 / np.pi * np.median(area)))
    outside = seen[masks == 0]
    if not outside.size:
        return Haze(reason="there is too little room between nuclei")
    if not np.isfinite(seen).all() or np.mean(outside == seen.min()) > CLIPPED:
        return Haze(reason="the background was cut off")
    frame = _frame(seen, masks, diameter)
    if np.count_nonzero(~frame.near) < 200 or np.count_nonzero(frame.near) < 200:
        return Haze(reason="there is too little room between nuclei")
    return _judged(frame, diameter)


def _judged(frame: _Frame, diameter: float) -> Haze:
    """The best fit over all spreads, or why it is not believed."""
    spreads = SPREADS * diameter
    first = _fit(frame, spreads[len(spreads) // 2])
    scale = max(_robust(first.rest[first.kept]), 1e-9)
    losses = [_loss(_fit(frame, s).rest, scale) for s in spreads]
    best = int(np.argmin(losses))
    at = min(max(best, 1), len(spreads) - 2)
    bend, slope, _ = np.polyfit([-1, 0, 1], losses[at - 1 : at + 2], 2)
    inside = 0 < best < len(spreads) - 1
    spread = float(spreads[at] * (spreads[1] / spreads[0]) ** (-slope / (2 * bend))) if inside else spreads[best]
    fit = _fit(frame, spread)
    error, apart, unsure = _errors(frame, fit)
    if not fit.share > SURE * error:
        return Haze(reason="no light around nuclei stands out from the background")
    if not inside:
        return Haze(reason="the light around nuclei has no spread that fits")
    if fit.share >= LARGEST:
        return Haze(reason="cytoplasm or something else is as bright as haze cannot be: this is no nuclear marker")
    if apart > APART * fit.share + SURE * unsure:
        return Haze(reason="the light around nuclei does not fall off as haze does; the marker may stain cytoplasm")
    return Haze(round(fit.share, 4), round(spread, 2), round(error, 4))


def _middle(image: NDArray[Any] | Rows) -> NDArray[Any]:
    """At most `_SIDE` px per axis around the middle."""
    rows = Rows.of(image)
    (top, bottom), (left, right) = ((max(n - _SIDE, 0) // 2, n - max(n - _SIDE + 1, 0) // 2) for n in rows.shape)
    return rows.read(top, bottom)[:, left:right]


def _frame(image: NDArray[Any], masks: NDArray[Any], diameter: float) -> _Frame:
    from scipy import ndimage

    step = max(1, int(diameter / 8))
    away = ndimage.distance_transform_edt(masks == 0)
    least = _blocks(away, step).min(axis=(1, 3))
    edge = max(1, round(0.75 * diameter / step))
    fitted = least > max(3.0, 0.18 * diameter)
    inner = np.zeros_like(fitted)
    inner[edge:-edge, edge:-edge] = True
    fitted &= inner
    y, x = (np.linspace(-1, 1, n) for n in fitted.shape)
    yy, xx = (a[fitted] for a in np.meshgrid(y, x, indexing="ij"))
    rows, columns = ((np.clip((a + 1) / 2, 0, 0.999) * _BLOCKS).astype(np.int64) for a in (yy, xx))
    return _Frame(
        image=_blocks(image.astype(np.float64), step).mean(axis=(1, 3)),
        sources=least <= max(2.0, 0.12 * diameter),
        fitted=fitted,
        near=least[fitted] <= diameter / 2,
        ground=np.stack([np.ones_like(yy), yy, xx, yy * yy, xx * xx, yy * xx], axis=1),
        block=rows * _BLOCKS + columns,
        step=step,
    )


def _blocks(image: NDArray[Any], step: int) -> NDArray[Any]:
    height, width = (n // step for n in image.shape)
    return image[: height * step, : width * step].reshape(height, step, width, step)


def _fit(frame: _Frame, spread: float) -> _Fit:
    """Share, ground and sharp part for one spread, px: each from the others, in turn."""
    from scipy import ndimage

    seen = frame.image[frame.fitted]
    full = _terms(frame.image.shape)
    above = np.where(frame.sources, frame.image - np.median(seen), 0)
    sharp, share, kept = above, 0.0, np.ones(len(seen), bool)
    for _ in range(_ROUNDS):
        blurred = ndimage.gaussian_filter(sharp, spread / frame.step, mode="nearest")
        terms = np.concatenate([blurred[frame.fitted][:, None], frame.ground], axis=1)
        found = np.linalg.lstsq(terms[kept].T @ terms[kept], terms[kept].T @ seen[kept], rcond=None)[0]
        rest = seen - terms @ found
        kept = np.abs(rest) <= _OUTLIER * max(_robust(rest), 1e-9)
        share = float(found[0])
        used = min(max(share, 0.0), LARGEST)
        above = np.where(frame.sources, frame.image - full @ found[1:], 0)
        sharp = np.where(frame.sources, (above - used * blurred) / (1 - used), 0)
    return _Fit(share, sharp, terms[:, 0], rest, kept)


def _terms(shape: tuple[int, ...]) -> Floats:
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.stack([np.ones_like(y), y, x, y * y, x * x, y * x], axis=-1)


def _robust(values: Floats) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _loss(rest: Floats, scale: float) -> float:
    return float(np.minimum((rest / scale) ** 2, _OUTLIER**2).mean())


def _errors(frame: _Frame, fit: _Fit) -> tuple[float, float, float]:
    """Standard error of the share; how far shares near nuclei and further away differ, and the error of that.

    Errors by the jackknife over parts of the frame, as pixels that lie together err together.
    """
    parts = (np.ones(len(fit.kept), bool), frame.near, ~frame.near)
    sums = [_sums(frame, fit, part & fit.kept) for part in parts]  # (2, B) each
    total = [s.sum(axis=1) for s in sums]
    without = [t[:, None] - s for t, s in zip(total, sums, strict=True)]
    whole, near, far = (_quotient(w) for w in without)
    apart = abs(float(_quotient(total[1]) - _quotient(total[2])))
    return _jackknife(whole), apart, _jackknife(near - far)


def _sums(frame: _Frame, fit: _Fit, part: Bools) -> Floats:
    """Products of blurred light with what is seen and with itself, free of the ground, by part of the frame."""
    ground, wide = frame.ground[part], fit.wide[part]
    seen = fit.rest[part] + fit.share * wide  # the ground that was fitted is off already
    basis, _ = np.linalg.qr(ground)
    wide, seen = (v - basis @ (basis.T @ v) for v in (wide, seen))
    count = _BLOCKS**2
    return np.stack([np.bincount(frame.block[part], v, count) for v in (wide * seen, wide * wide)])


def _quotient(sums: Floats) -> Floats:
    return np.asarray(sums[0] / np.maximum(sums[1], 1e-12), np.float64)


def _jackknife(values: Floats) -> float:
    count = len(values)
    return float(np.sqrt((count - 1) / count * np.square(values - values.mean()).sum()))
