"""Motion of a picture that moves as one: a single affine map from frame to frame, by Gauss-Newton steps.

Lucas and Kanade, "An iterative image registration technique", IJCAI 1981, over the whole frame and from coarse to fine.
A frame is compared with the mean of the frames before it, laid over each other: one noisy frame would let the maps
drift. What changes in the light is fitted beside the map and does not pull at it (Hager and Belhumeur, "Efficient
region tracking with parametric models of geometry and illumination", TPAMI 1998): brightness, contrast, that of the
bright parts, and more of what changed over the last frames, as nuclei that go on fading. Pixels that fit badly all the
same weigh less (Huber's weights).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.repair.lucas_kanade import pyramid
from unfade.repair.motion import GRAIN, smaller

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

PAST = 12  # frames that a frame is compared with
SLOW = 4.0  # diameters over which the light may change for other reasons than nuclei and cells
DIM = 0.05  # of the range of light: below it, differences count for less and less
STEPS = 12  # at every size
PULL = np.array([1e-3, 1e-3, 1e-6] * 2)  # by which flow is held back where little is seen: slopes more than shifts
LEAST = 8  # blocks of the shorter side below which nothing can be compared
PATIENCE = 3  # frames in a row that do not fit, after which a new shot begins
SEEN = 0.3  # share of the picture that must stay in view
ALIKE = 0.5  # correlation from which frames show the same
SLIGHT, WORSE = 0.25, 0.005  # diameters: a map that moves nothing further may leave frames so much less alike
SMALL = 1e-3  # px at the border from which a step is the last one
USUAL = 1.345  # errors, in units of their spread, from which a pixel weighs less


class Placed(NamedTuple):
    """Where a frame lies."""

    matrix: Doubles  # (3, 3) of (y, x, 1) px: what lies at p in the frame before lies at matrix · p in this one
    shot: int  # frames of the same number lie in known places of each other


@dataclass
class Past:
    """The last frames of a shot, made coarser, and where places of the newest lie in each, `(3, 3)` of their pixels."""

    pictures: list[Floats] = field(default_factory=list)
    places: list[Doubles] = field(default_factory=list)
    shot: int = 0  # number of the shot that goes on
    shots: int = 1  # numbers given so far
    missed: int = 0  # frames in a row that did not fit


class WholePicture:
    """Flow of a stage that drifts and a cell that turns, stretches or shears: one affine map for all pixels."""

    def __init__(self, diameter_px: float = 18.0) -> None:
        self.shrink = max(1, round(diameter_px / (2 * GRAIN)))
        self.coarse_px = diameter_px / self.shrink

    def between(self, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """Flow `(2, Y, X)` px from `first` `(Y, X)` to `second`."""
        grid = np.indices(first.shape, np.float64)
        matrix = self.matrix(first, second)
        moved = np.tensordot(matrix[:2, :2], grid, 1) + matrix[:2, 2, None, None]
        return np.asarray(moved - grid, np.float32)

    def matrix(self, first: NDArray[Any], second: NDArray[Any]) -> Doubles:
        """The map `(3, 3)` of places (y, x, 1) px: what lies at p in `first` lies at matrix · p in `second`."""
        past = self.start()
        self.next(past, first)
        return self.next(past, second).matrix

    def start(self) -> Past:
        """No frame yet."""
        return Past()

    def next(self, past: Past, image: NDArray[Any]) -> Placed:
        """Where the next frame `(Y, X)` lies.

        A map is believed only where frames are alike by it, and more so than without it. Else nothing moves and the
        frame is a shot of its own, as one out of focus; after `PATIENCE` of them the last one begins a shot.
        """
        picture = self._prepared(image)
        found = np.eye(3)
        if not np.ptp(picture) > 0:  # nothing is seen, as where the shutter stayed closed
            past.shots += 1
            return Placed(found, past.shots - 1)
        if past.pictures:
            fitted = self._found(past, picture) if min(picture.shape) >= LEAST else None
            if fitted is None:
                return self._missed(past, picture)
            found = fitted
        back = np.linalg.inv(found)
        past.missed = 0
        past.pictures = [*past.pictures[1 - PAST :], picture]
        past.places = [*(place @ back for place in past.places[1 - PAST :]), np.eye(3)]
        scale = np.array([[self.shrink, 0, (self.shrink - 1) / 2], [0, self.shrink, (self.shrink - 1) / 2], [0, 0, 1]])
        return Placed(np.asarray(scale @ found @ np.linalg.inv(scale), np.float64), past.shot)

    def _missed(self, past: Past, picture: Floats) -> Placed:
        """A frame that does not fit those before."""
        past.missed += 1
        past.shots += 1
        if past.missed == PATIENCE:
            past.pictures, past.places, past.shot, past.missed = [picture], [np.eye(3)], past.shots - 1, 0
        return Placed(np.eye(3), past.shots - 1)

    def _prepared(self, image: NDArray[Any]) -> Floats:
        """The image made coarser; roots of the light even out bright and dark, slow changes are taken off."""
        coarse = smaller(image, self.shrink)
        low, high = np.percentile(coarse, [1, 99])
        root = np.sqrt(np.maximum(coarse - low, 0) + DIM * (high - low))
        slow = ndimage.gaussian_filter(root, SLOW * self.coarse_px)
        return np.asarray(ndimage.gaussian_filter(root, 1.0) - slow, np.float32)

    def _found(self, past: Past, picture: Floats) -> Doubles | None:
        """The map from the frame before, in pixels of the coarse picture; None if it is not believed."""
        laid = [_laid(*pair) for pair in zip(past.pictures, past.places, strict=True)]
        usual: Floats = np.mean(laid, axis=0)
        light = [usual, np.maximum(usual, 0) ** 2]
        if len(laid) > 2:
            half = len(laid) // 2
            light.append(np.mean(laid[half:], axis=0) - np.mean(laid[:half], axis=0))
        share = np.zeros((2, 3))
        for size in zip(pyramid(usual), pyramid(picture), *(pyramid(part) for part in light), strict=True):
            before, now, *changes = (np.asarray(part, np.float64) for part in size)
            share = _fitted(before, now, share, changes)
        if not self._believed(np.asarray(usual, np.float64), np.asarray(picture, np.float64), share):
            return None
        half_px = np.array(picture.shape) / 2
        to_share = np.array([[1 / half_px[0], 0, 0.5 / half_px[0] - 1], [0, 1 / half_px[1], 0.5 / half_px[1] - 1]])
        out = np.eye(3)
        out[:2] += half_px[:, None] * share @ np.concatenate([to_share, [[0, 0, 1]]])
        return out

    def _believed(self, a: Doubles, b: Doubles, share: Doubles) -> bool:
        """Whether `b`, moved by a flow, is more like `a` than unmoved, by their correlation where both are seen."""
        half = np.array(a.shape) / 2
        at, inside = _reached(a.shape, share)
        if inside.sum() < SEEN * inside.size:
            return False
        moved = ndimage.map_coordinates(b, at, order=1, mode="nearest")[inside]
        with np.errstate(invalid="ignore", divide="ignore"):
            before, after = (float(np.corrcoef(a[inside], other)[0, 1]) for other in (b[inside], moved))
        slight = np.hypot(*(np.abs(share).sum(1) * half)) < SLIGHT * self.coarse_px
        return after > ALIKE and after > before - (WORSE if slight else 0)


def _laid(picture: Floats, place: Doubles) -> Floats:
    """A picture as it lies in the frame whose places `place` takes there."""
    if np.array_equal(place, np.eye(3)):
        return picture
    return np.asarray(ndimage.affine_transform(picture, place[:2, :2], place[:2, 2], order=1, mode="nearest"))


def _reached(shape: tuple[int, ...], share: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    """Where a flow takes every pixel `(2, Y, X)`, and which stay in view `(Y, X)`."""
    half = np.array(shape) / 2
    at = np.indices(shape, np.float64) + np.tensordot(share, _frame(shape), 1) * half[:, None, None]
    return at, np.asarray(((at >= 0) & (at <= 2 * half[:, None, None] - 1)).all(0))


def _frame(shape: tuple[int, ...]) -> Doubles:
    """Places `(3, Y, X)` of the pixels: row and column in -1..1, and 1."""
    y, x = (((np.arange(n) + 0.5) / n * 2 - 1) for n in shape)
    return np.stack([*np.meshgrid(y, x, indexing="ij"), np.ones(shape)])


def _fitted(a: Doubles, b: Doubles, share: Doubles, light: list[Doubles]) -> Doubles:
    """A better flow from `a` to `b`, `(2, 3)`: in units of half the sides, of (y, x, 1) in -1..1.

    Slopes are those of `a`, which is a mean of several frames: the noise in those of a single one makes flow too short.
    `light` are pictures of how the light may change besides becoming brighter everywhere.
    """
    half = np.array(a.shape) / 2
    turned = np.concatenate([np.gradient(a, axis=k) * half[k] * _frame(a.shape) for k in (0, 1)])
    columns = np.concatenate([turned, np.ones((1, *a.shape)), light])
    amount = np.zeros(1 + len(light))
    for _ in range(STEPS):
        at, inside = _reached(a.shape, share)
        if inside.sum() < 0.2 * inside.size:
            return np.zeros((2, 3))
        error = (a - ndimage.map_coordinates(b, at, order=1, mode="nearest"))[inside]
        step, amount = _step(columns[:, inside], error, amount)
        share = share + step
        if np.abs(step).sum(1).max() * half.max() < SMALL:
            break
    return share


def _step(columns: Doubles, error: Doubles, amount: Doubles) -> tuple[Doubles, Doubles]:
    """The flow `(2, 3)` and the change of light `(K,)` that explain an error `(N,)` best, of columns `(6 + K, N)`."""
    left = np.abs(error - amount @ columns[6:])
    spread = 1.4826 * float(np.median(left)) + 1e-12
    weighted = columns * np.minimum(1.0, USUAL * spread / np.maximum(left, 1e-12))
    matrix = weighted @ columns.T
    pull = np.trace(matrix[:6, :6]) / 6 * PULL
    if not pull.any():
        return np.zeros((2, 3)), amount
    matrix += np.diag(np.concatenate([pull, 1e-6 * np.diag(matrix)[6:] + 1e-12]))
    found = np.asarray(np.linalg.solve(matrix, weighted @ error), np.float64)
    return found[:6].reshape(2, 3), found[6:]
