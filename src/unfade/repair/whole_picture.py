"""Motion of a picture that moves as one: a single affine map between two frames, by Gauss-Newton steps.

Lucas and Kanade, "An iterative image registration technique", IJCAI 1981, over the whole frame and from coarse to fine.
Pixels that fit badly, as those of nuclei whose signal just left them, weigh less (Huber's weights).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.repair.lucas_kanade import pyramid
from unfade.repair.motion import EVEN, GRAIN, evened, smaller

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

STEPS = 12  # at every size
PULL = [1e-3, 1e-3, 1e-6] * 2  # by which flow is held back where little is seen: slopes more than shifts
SEEN = 0.3  # share of the picture that must stay in view
GAIN, ALIKE = 0.005, 0.3  # by how much frames must become more alike by the map, and how much at least (correlations)
SMALL = 1e-3  # px at the border from which a step is the last one
USUAL = 1.345  # errors, in units of their spread, from which a pixel weighs less


class WholePicture:
    """Flow of a stage that drifts and a cell that turns, stretches or shears: one affine map for all pixels."""

    def __init__(self, diameter_px: float = 18.0) -> None:
        self.shrink = max(1, round(diameter_px / (2 * GRAIN)))
        self.even_px = EVEN * diameter_px / self.shrink

    def between(self, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        grid = np.indices(first.shape, np.float64)
        matrix = self.matrix(first, second)
        moved = np.tensordot(matrix[:2, :2], grid, 1) + matrix[:2, 2, None, None]
        return np.asarray(moved - grid, np.float32)

    def matrix(self, first: NDArray[Any], second: NDArray[Any]) -> Doubles:
        """The map `(3, 3)` of places (y, x, 1) px: what lies at p in `first` lies at matrix · p in `second`.

        It is believed only where it makes the frames clearly more alike than they are without it; else nothing moves.
        """
        a, b = (
            pyramid(ndimage.gaussian_filter(evened(smaller(image, self.shrink), self.even_px), 1.0))
            for image in (first, second)
        )
        share = np.zeros((2, 3))
        for coarse, other in zip(a, b, strict=True):
            share = _fitted(np.asarray(coarse, np.float64), np.asarray(other, np.float64), share)
        if not _better(np.asarray(a[-1], np.float64), np.asarray(b[-1], np.float64), share):
            return np.eye(3)
        half = self.shrink * np.array(a[-1].shape) / 2
        to_share = np.array([[1 / half[0], 0, 0.5 / half[0] - 1], [0, 1 / half[1], 0.5 / half[1] - 1], [0, 0, 1]])
        out = np.eye(3)
        out[:2] += half[:, None] * share @ to_share
        return out


def _better(a: Doubles, b: Doubles, share: Doubles) -> bool:
    """Whether `b`, moved by a flow, is more like `a` than unmoved, by their correlation where both are seen."""
    half = np.array(a.shape) / 2
    at = np.indices(a.shape, np.float64) + np.tensordot(share, _frame(a.shape), 1) * half[:, None, None]
    inside = ((at >= 0) & (at <= 2 * half[:, None, None] - 1)).all(0)
    if inside.sum() < SEEN * inside.size:
        return False
    moved = ndimage.map_coordinates(b, at, order=1, mode="nearest")[inside]
    with np.errstate(invalid="ignore", divide="ignore"):
        before, after = (float(np.corrcoef(a[inside], other)[0, 1]) for other in (b[inside], moved))
    return after > before + GAIN and after > ALIKE


def _frame(shape: tuple[int, ...]) -> Doubles:
    """Places `(3, Y, X)` of the pixels: row and column in -1..1, and 1."""
    y, x = (((np.arange(n) + 0.5) / n * 2 - 1) for n in shape)
    return np.stack([*np.meshgrid(y, x, indexing="ij"), np.ones(shape)])


def _fitted(a: Doubles, b: Doubles, share: Doubles) -> Doubles:
    """A better flow from `a` to `b`, `(2, 3)`: in units of half the sides, of (y, x, 1) in -1..1."""
    places, half = _frame(a.shape), np.array(a.shape) / 2
    grid = np.indices(a.shape, np.float64)
    slopes = [np.gradient(b, axis=k) for k in (0, 1)]
    for _ in range(STEPS):
        at = grid + np.tensordot(share, places, 1) * half[:, None, None]
        inside = ((at >= 0) & (at <= 2 * half[:, None, None] - 1)).all(0)
        if inside.sum() < 0.2 * inside.size:
            return np.zeros((2, 3))
        warped = ndimage.map_coordinates(b, at, order=1, mode="nearest")
        error = (a - warped)[inside]
        spread = 1.4826 * float(np.median(np.abs(error))) + 1e-12
        weight = np.minimum(1.0, USUAL * spread / np.maximum(np.abs(error), 1e-12))
        known = places[:, inside]
        slope = (ndimage.map_coordinates(s, at, order=1, mode="nearest")[inside] for s in slopes)
        columns = np.concatenate([s * h * known for s, h in zip(slope, half, strict=True)])
        matrix = (columns * weight) @ columns.T
        matrix += np.trace(matrix) / 6 * np.diag(PULL)
        if not matrix.any():
            return share
        step = np.linalg.solve(matrix, (columns * weight) @ error).reshape(2, 3)
        share = share + step
        if np.abs(step).sum(1).max() * half.max() < SMALL:
            break
    return share
