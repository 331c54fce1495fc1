"""Motion between two frames: dense flow that brightness does not mislead, drift of the stage, and carrying of masks.

A flow `(2, Y, X)` (y, x) px from a first to a second frame says that what lies at p in the first lies at p + flow(p) in
the second. To bring a mask of the second frame to the first it is read at p + flow(p).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from unfade.repair.lucas_kanade import iterative_flow, pyramid
from unfade.repair.settings import Warp
from unfade.repair.shapes import Mask, Outline, mean_flow

Floats = NDArray[np.float32]
Array = NDArray[Any]


GRAIN = 6.0  # px of a nucleus' diameter at which motion is looked for
WINDOW, WARPS = 0.7, 3  # half width of its windows in diameters, and refinements per scale
EVEN = 1.2  # reach of the evening of light, in diameters
FLOOR = 5.0  # spread of light, over its mean in the frame, beyond which it is damped


class Motion(Protocol):
    """Dense flow between two frames."""

    def between(self, first: Array, second: Array) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        ...


def evened(image: Array, reach_px: float) -> Floats:
    """The image without its local mean, over the spread of what is left: fading of the frame changes nothing.

    Where light spreads more than `FLOOR` times as much as it does on average it is damped.
    """
    plain = np.asarray(image, np.float32)
    rest = plain - ndimage.gaussian_filter(plain, reach_px, truncate=3)
    spread = np.sqrt(ndimage.gaussian_filter(rest * rest, reach_px, truncate=3))
    return np.asarray(rest / (spread + FLOOR * float(spread.mean()) + 1e-6), np.float32)


class TotalVariation:
    """TV-L1 flow of scikit-image (Zach, Pock and Bischof, 2007), on evened images."""

    def __init__(self, diameter_px: float = 18.0) -> None:
        self.shrink = max(1, round(diameter_px / GRAIN))
        self.even_px = EVEN * diameter_px / self.shrink

    def between(self, first: Array, second: Array) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        from skimage.registration import optical_flow_tvl1

        a, b = (evened(smaller(image, self.shrink), self.even_px) for image in (first, second))
        flow = np.asarray(optical_flow_tvl1(a, b), np.float32)
        return np.asarray(self.shrink * _enlarged(flow, (first.shape[0], first.shape[1])), np.float32)


class IterativeLucasKanade:
    """Iterative Lucas-Kanade flow (Le Besnerais and Champagnat, 2005) on evened images made coarser.

    Windows reach 0.7 diameters of a nucleus from their middle: wide enough that the cell around a nucleus that fades
    tells where it goes.
    """

    def __init__(self, diameter_px: float = 18.0) -> None:
        self.shrink = max(1, round(diameter_px / GRAIN))
        self.even_px = EVEN * diameter_px / self.shrink
        self.radius = max(3, round(WINDOW * diameter_px / self.shrink))
        self._kept: list[tuple[Array, list[Floats]]] = []  # the last two images and what became of them

    def between(self, first: Array, second: Array) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        b, a = self._prepared(second), self._prepared(first)
        flow = iterative_flow(a, b, self.radius, WARPS)
        return np.asarray(self.shrink * _enlarged(flow, (first.shape[0], first.shape[1])), np.float32)

    def _prepared(self, image: Array) -> list[Floats]:
        """The image made coarser and evened, at all sizes; every frame comes twice in a row, on either side."""
        for known, made in self._kept:
            if known is image:
                return made
        made = pyramid(evened(smaller(image, self.shrink), self.even_px))
        self._kept = [*self._kept[-1:], (image, made)]
        return made


def smaller(image: Array, factor: int) -> Floats:
    """Means of blocks; the last rows and columns are repeated to fill a block."""
    image = np.asarray(image, np.float32)
    if factor == 1:
        return image
    height, width = image.shape
    full = np.pad(image, ((0, -height % factor), (0, -width % factor)), mode="edge")
    rows, columns = full.shape
    return np.asarray(full.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3)), np.float32)


def _enlarged(flow: Floats, shape: tuple[int, ...]) -> Floats:
    """Bilinear values of maps `(2, y, x)` made of blocks at the pixels of a larger `(Y, X)`."""
    at = []
    for small, large in zip(flow.shape[1:], shape, strict=True):
        factor = np.ceil(large / small)
        at.append(np.clip((np.arange(large) + 0.5) / factor - 0.5, 0, small - 1))
    (i, fy), (j, fx) = ((np.minimum(p.astype(np.int64), n - 2), p) for p, n in zip(at, flow.shape[1:], strict=True))
    wy, wx = (fy - i).astype(np.float32)[:, None], (fx - j).astype(np.float32)
    rows = flow[:, i] * (1 - wy) + flow[:, i + 1] * wy
    return np.asarray(rows[..., j] * (1 - wx) + rows[..., j + 1] * wx, np.float32)


def drift_between(first: Array, second: Array) -> tuple[int, int]:
    """Shift (y, x) px of the whole picture from `first` to `second`, by phase correlation (Kuglin and Hines, 1975).

    It is believed only where it makes the two frames more alike than they are without it.
    """
    a, b = (np.asarray(image, np.float32) - np.float32(np.mean(image)) for image in (first, second))
    product = fft.rfft2(b) * np.conj(fft.rfft2(a))
    score = fft.irfft2(product / (np.abs(product) + 1e-6 * np.abs(product).mean() + 1e-12), a.shape)
    score = ndimage.gaussian_filter(score, 1.0, mode="wrap")
    peak = np.unravel_index(int(np.argmax(score)), score.shape)
    dy, dx = (int(p) - n if 2 * int(p) > n else int(p) for p, n in zip(peak, a.shape, strict=True))
    if (dy, dx) == (0, 0) or max(abs(dy) / a.shape[0], abs(dx) / a.shape[1]) > 0.25:
        return 0, 0
    moved, still = _alike(a, b, dy, dx), _alike(a, b, 0, 0)
    return (dy, dx) if moved > still + 0.02 else (0, 0)


def _alike(a: Floats, b: Floats, dy: int, dx: int) -> float:
    """Correlation of `a` with `b` where they overlap once `a` is moved by (dy, dx)."""
    height, width = a.shape
    left = a[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)].ravel()
    right = b[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)].ravel()
    spread = float(left.std() * right.std())
    return float(((left - left.mean()) * (right - right.mean())).mean()) / spread if spread > 0 else 0.0


class Own(NamedTuple):
    """Centroid and area of an object's own mask at both frames, as far as they are known or lie between known ones."""

    source: tuple[float, float, float]  # y, x, area
    target: tuple[float, float, float] | None


class Carrier:
    """Carries outlines from one frame to a neighbour of it; the flow is computed only if something is carried.

    `warp` says how: pixel by pixel, by the mean flow over the nucleus, by shift and scale of its own masks, or not at
    all.
    """

    def __init__(self, warp: Warp, motion: Motion | None, drift: bool = True) -> None:
        self.warp, self.motion, self.drift = warp, motion, drift
        self.flows = 0  # dense flows computed so far
        self.largest_drift_px = 0.0  # length of the stage's longest step so far
        self._drifts: dict[tuple[int, int], tuple[int, int]] = {}

    def between(self, target: Array, source: Array, frames: tuple[int, int] | None = None) -> Step:
        """The step that brings masks of the frame `source` to the frame `target`, images `(Y, X)`.

        Where the numbers of both frames are given, the drift between them is found once for both directions.
        """
        return Step(self, target, source, frames)

    def drifted(self, target: Array, source: Array, frames: tuple[int, int] | None) -> tuple[int, int]:
        """Drift of the stage, px; 0 where it is not asked for."""
        if not self.drift or self.warp == "none":
            return 0, 0
        if frames is not None and frames[::-1] in self._drifts:
            dy, dx = self._drifts[frames[::-1]]
            return -dy, -dx
        found = drift_between(target, source)
        self.largest_drift_px = max(self.largest_drift_px, round(float(np.hypot(*found)), 2))
        if frames is not None:
            self._drifts[frames] = found
        return found


class Step:
    """The motion between two frames, computed when first asked for."""

    def __init__(self, carrier: Carrier, target: Array, source: Array, frames: tuple[int, int] | None = None) -> None:
        self._carrier, self._target, self._source, self._frames = carrier, target, source, frames
        self._flow: Floats | None = None
        self._drift: tuple[int, int] | None = None

    @property
    def drift_px(self) -> tuple[int, int]:
        """Drift of the stage from the target to the source frame."""
        if self._drift is None:
            self._drift = self._carrier.drifted(self._target, self._source, self._frames)
        return self._drift

    @property
    def flow(self) -> Floats:
        """Flow `(2, Y, X)` px from the target to the source frame, drift included."""
        if self._flow is None:
            dy, dx = self.drift_px
            moved = np.asarray(self._source)
            if (dy, dx) != (0, 0):
                moved = ndimage.shift(np.asarray(moved, np.float32), (-dy, -dx), order=0, mode="nearest")
            motion = self._carrier.motion
            if motion is None:
                raise TypeError("dense flow was asked of a carrier without motion")
            flow = motion.between(self._target, moved)
            self._flow = np.ascontiguousarray(flow) + np.array([dy, dx], np.float32)[:, None, None]
            self._carrier.flows += 1
        return self._flow

    def carry(self, outline: Outline, own: Callable[[], Own] | None = None) -> Outline:
        """The outline as it lies in the target frame; `own` gives the object's own masks, for shift and scale."""
        warp = self._carrier.warp
        if warp == "flow":
            return outline.warped(self.flow)
        if warp == "mean-flow":
            dy, dx = mean_flow(outline, self.flow)
            return outline.shifted(-dy, -dx)
        if warp == "none":
            return outline
        dy, dx = self.drift_px
        known = None if own is None else own()
        if known is None or known.target is None:
            return outline.shifted(-dy, -dx)
        (y0, x0, before), (y1, x1, after) = known.source, known.target
        scaled = outline.scaled(float(np.clip(np.sqrt(after / before), 0.5, 2.0))) if after != before else outline
        return scaled.shifted(y1 - y0, x1 - x0)


def outlines(found: dict[int, Mask]) -> dict[int, Outline]:
    """Outline of every mask."""
    return {key: Outline.of(mask) for key, mask in found.items()}
