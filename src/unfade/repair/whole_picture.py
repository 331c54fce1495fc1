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
from unfade.repair.motion import EVEN, GRAIN, enlarged, evened, smaller

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

STEPS = 12  # at every size
SMALL = 1e-3  # px at the border from which a step is the last one
USUAL = 1.345  # errors, in units of their spread, from which a pixel weighs less


class WholePicture:
    """Flow of a stage that drifts and a cell that turns, stretches or shears: one affine map for all pixels."""

    def __init__(self, diameter_px: float = 18.0) -> None:
        self.shrink = max(1, round(diameter_px / (2 * GRAIN)))
        self.even_px = EVEN * diameter_px / self.shrink

    def between(self, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        a, b = (
            pyramid(ndimage.gaussian_filter(evened(smaller(image, self.shrink), self.even_px), 1.0))
            for image in (first, second)
        )
        return np.asarray(self.shrink * enlarged(affine_flow(a, b), (first.shape[0], first.shape[1])), np.float32)


def affine_flow(first: list[Floats], second: list[Floats]) -> Floats:
    """Flow `(2, Y, X)` px of the affine map that explains best how the second picture differs from the first.

    Both are pyramids, the coarsest size first.
    """
    share = np.zeros((2, 3))  # flow in units of half the picture's sides, of (y, x, 1) in -1..1
    for a, b in zip(first, second, strict=True):
        share = _fitted(np.asarray(a, np.float64), np.asarray(b, np.float64), share)
    half = np.array(first[-1].shape) / 2
    return np.asarray(np.tensordot(share, _frame(first[-1].shape), 1) * half[:, None, None], np.float32)


def _frame(shape: tuple[int, ...]) -> Doubles:
    """Places `(3, Y, X)` of the pixels: row and column in -1..1, and 1."""
    y, x = (((np.arange(n) + 0.5) / n * 2 - 1) for n in shape)
    return np.stack([*np.meshgrid(y, x, indexing="ij"), np.ones(shape)])


def _fitted(a: Doubles, b: Doubles, share: Doubles) -> Doubles:
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
        matrix += 1e-6 * np.trace(matrix) / 6 * np.eye(6)
        if not matrix.any():
            return share
        step = np.linalg.solve(matrix, (columns * weight) @ error).reshape(2, 3)
        share = share + step
        if np.abs(step).sum(1).max() * half.max() < SMALL:
            break
    return share
