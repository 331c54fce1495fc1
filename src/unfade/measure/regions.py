"""Pixels of a label image grouped by object, and the shape of every object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unfade.records import Instances, LabelImage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0))
DIAGONALS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class Groups:
    """Pixels of N groups, group after group: group n owns `pixel[start[n]:start[n] + count[n]]`; it may be empty."""

    pixel: Ints  # (P,) flat index into (Y, X)
    start: Ints  # (N,)
    count: Ints  # (N,)

    @cached_property
    def owner(self) -> Ints:
        """Group of each pixel, `(P,)`, ascending."""
        return np.repeat(np.arange(len(self.count)), self.count)


@dataclass(frozen=True)
class Regions:
    """Objects of one label image, or of some rows of one, ascending by id."""

    shape: tuple[int, int]  # of what is looked at
    size: tuple[int, int]  # of the whole image
    id: NDArray[np.int32]  # (N,)
    box: NDArray[np.int32]  # (N, 4) y0 x0 y1 x1 in the whole image, the end exclusive
    groups: Groups
    place: NDArray[np.int32]  # (Y + 2, X + 2) number of the object from 1, 0 = background, with a frame of zeros
    moments: Floats  # (N, 6) area, sums of y, x, y², x² and yx, counted from the box's first pixel

    @classmethod
    def of(cls, labels: LabelImage, top: int = 0, height_of_all: int | None = None) -> Regions:
        """Group the pixels of a label image `(Y, X)`; ids may start anywhere and skip.

        `labels` may be the rows from `top` on of a higher image; what is cut there is told wrongly.
        """
        objects = Instances.of(labels)
        height, width = labels.shape
        runs = np.diff(objects.offset)
        owner = np.repeat(np.arange(len(objects)), runs)
        first, length = objects.runs[:, 0], objects.runs[:, 1]
        begin = np.cumsum(length) - length
        pixel = np.repeat(first - begin, length) + np.arange(int(length.sum()))
        moments = _moments(owner, first // width, first % width, length, objects.box)
        count = moments[:, 0].astype(np.int64)
        place = np.zeros((height + 2, width + 2), np.int32)
        flat = place.reshape(-1)
        flat[_padded(pixel, width)] = np.repeat(np.arange(1, len(count) + 1, dtype=np.int32), count)
        groups = Groups(pixel, np.cumsum(count) - count, count)
        size = (height if height_of_all is None else height_of_all, width)
        box = objects.box + np.array([top, 0, top, 0], np.int32)
        return cls((height, width), size, objects.id, box, groups, place, moments)

    def __len__(self) -> int:
        return len(self.id)

    def area(self) -> NDArray[np.int32]:
        """Number of pixels of each object, `(N,)`."""
        return self.groups.count.astype(np.int32)

    def centroid(self) -> tuple[Floats, Floats]:
        """Mean y and x of each object, px, `(N,)` each."""
        area = self.moments[:, 0]
        return self.moments[:, 1] / area + self.box[:, 0], self.moments[:, 2] / area + self.box[:, 1]

    def touches_border(self) -> NDArray[np.bool_]:
        """Whether an object reaches the edge of the image, `(N,)`."""
        y0, x0, y1, x1 = self.box.T
        touching: NDArray[np.bool_] = (y0 == 0) | (x0 == 0) | (y1 == self.size[0]) | (x1 == self.size[1])
        return touching

    def ellipse(self) -> dict[str, Floats]:
        """Axes, px, eccentricity and orientation, rad, of the ellipse with an object's second moments, `(N,)` each.

        Axis lengths are four standard deviations along the principal axes. The orientation is the angle from the y
        axis to the major axis, towards x, in (-π/2, π/2]; NaN for an object without a longer axis.
        """
        area, y, x, yy, xx, yx = self.moments.T
        square = area * area
        along_y, along_x, mixed = (
            (area * yy - y * y) / square,
            (area * xx - x * x) / square,
            (area * yx - y * x) / square,
        )
        middle, spread = (along_y + along_x) / 2, np.hypot((along_y - along_x) / 2, mixed)
        major, minor = middle + spread, np.maximum(middle - spread, 0)
        minor[minor < 1e-12 * major] = 0  # a line has no width
        ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
        angle = 0.5 * np.arctan2(2 * mixed, along_y - along_x)
        return {
            "major_axis_px": 4 * np.sqrt(major),
            "minor_axis_px": 4 * np.sqrt(minor),
            "eccentricity": np.sqrt(1 - ratio),
            "orientation_rad": np.where(spread > 0, angle, np.nan),
        }

    def core(self, inset: float) -> Groups:
        """Pixels further than `inset` px from every pixel outside their object; all of them where none is that deep.

        What lies beyond the image's edge counts as more of the same object.
        """
        reach = math.floor(inset)
        if reach == 0:
            return self.groups
        padded = np.pad(self.place[1:-1, 1:-1], reach, mode="edge")
        step, flat = padded.shape[1], padded.reshape(-1)
        width = self.shape[1]
        at = (self.groups.pixel // width + reach) * step + self.groups.pixel % width + reach
        own = flat[at]
        deep = np.ones(len(at), bool)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                if 0 < dy * dy + dx * dx <= inset * inset:
                    deep &= flat[at + (dy * step + dx)] == own
        deep |= (np.bincount(own[deep], minlength=len(self) + 1) == 0)[own]
        count = np.bincount(own[deep], minlength=len(self) + 1)[1:]
        return Groups(self.groups.pixel[deep], np.cumsum(count) - count, count)

    def perimeter(self) -> Floats:
        """Length of each object's outline, px, `(N,)`: a line through the centres of its border pixels.

        A border pixel has one of four neighbours outside the object (or the image) and counts by its way to the other
        border pixels of the object: 1 straight, √2 diagonal, (1 + √2) / 2 from straight to diagonal. Benkrid, Crookes
        and Benkrid, Design and FPGA implementation of a perimeter estimator, IMVIP 2000.
        """
        step = self.shape[1] + 2
        flat = self.place.reshape(-1)
        at = _padded(self.groups.pixel, self.shape[1])
        own = flat[at]
        border = np.zeros(len(at), bool)
        for dy, dx in NEIGHBOURS:
            border |= flat[at + (dy * step + dx)] != own
        at, own = at[border], own[border]
        outline = np.zeros_like(flat)
        outline[at] = own
        straight = sum((outline[at + (dy * step + dx)] == own).astype(np.int64) for dy, dx in NEIGHBOURS)
        diagonal = sum((outline[at + (dy * step + dx)] == own).astype(np.int64) for dy, dx in DIAGONALS)
        weight = _PERIMETER[diagonal, straight]
        return np.bincount(own - 1, weight, len(self)).astype(np.float64)


def _perimeter_weights() -> Floats:
    """Length that a border pixel stands for, by its number of diagonal and of straight border neighbours."""
    table = np.zeros((5, 5))
    table[:3, 2:4] = 1
    table[2, 0] = table[3, 1] = np.sqrt(2)
    table[1, 1] = table[2, 1] = (1 + np.sqrt(2)) / 2
    return table


_PERIMETER = _perimeter_weights()


def _padded(pixel: Ints, width: int) -> Ints:
    """Flat indices into an image with a frame of one pixel."""
    return pixel + 2 * (pixel // width) + width + 3


def _moments(owner: Ints, y: Ints, x: Ints, length: Ints, box: NDArray[np.int32]) -> Floats:
    """Area and sums of y, x, y², x², yx of objects `(N, 6)` from their runs, in closed form along each run."""
    y0, x0 = (y - box[owner, 0]).astype(np.float64), (x - box[owner, 1]).astype(np.float64)
    n = length.astype(np.float64)
    ramp = n * (n - 1) / 2  # sum of 0..n-1
    sum_x = n * x0 + ramp
    sum_xx = n * x0 * x0 + 2 * x0 * ramp + ramp * (2 * n - 1) / 3
    columns = (n, n * y0, sum_x, n * y0 * y0, sum_xx, y0 * sum_x)
    return np.stack([np.bincount(owner, c, len(box)) for c in columns], axis=1).astype(np.float64)
