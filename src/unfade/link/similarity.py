"""How well objects of a frame continue the live tracks: overlap first, then distance and area.

similarity(a, b) = IoU(a, b) + w · max(0, 1 - d(a, b) / (reach · stride of a)) · min(area) / max(area)

with d the distance of the centroids and the stride of `Front`, a length that follows from how far apart objects are.
The overlap tracker that paper imperfect, section 3.2, builds on uses overlap alone; the second part keeps small, fast
objects whose masks no longer overlap, and breaks ties between those that do. A pair of daughters is judged as one
object by the same measure: the union of their masks and its centroid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from unfade.link.objects import Floats, Frame, Front, Ints
from unfade.link.settings import LinkSettings
from unfade.ops.overlap import contingency

Shift = tuple[int, int]


class Disc(NamedTuple):
    """Area and centroid of P masks, px."""

    area: Floats
    y: Floats
    x: Floats

    def __or__(self, other: Disc) -> Disc:
        """Unions of two masks each that share no pixel."""
        area = self.area + other.area
        y, x = self.area * self.y + other.area * other.y, self.area * self.x + other.area * other.x
        return Disc(area, y / area, x / area)


@dataclass(frozen=True)
class Step:
    """Live tracks and the frame that they are to be linked to."""

    front: Front
    frame: Frame
    now: int  # number of the frame
    settings: LinkSettings
    shift: Shift = (0, 0)  # (y, x) px that the stage jumped since the frame before

    def before(self, row: Ints) -> Disc:
        """The last masks of the tracks at `row` (P,) of the front."""
        return Disc(self.front.area[row], self.front.y[row], self.front.x[row])

    def after(self, column: Ints) -> Disc:
        """The objects at `column` (P,) of the frame, where they would be without the jump."""
        frame = self.frame
        return Disc(frame.area[column], frame.y[column] - self.shift[0], frame.x[column] - self.shift[1])

    def weight(self, row: Ints) -> Floats:
        """Discount of tracks that lack n frames: 1 / (1 + n)."""
        return np.asarray(1 / (self.now - self.front.frame[row]), np.float64)


@dataclass(frozen=True)
class Candidates:
    """Pairs of live track and object that may belong together, ascending by track, then by object."""

    row: Ints  # (P,) place in the front
    column: Ints  # (P,) place in the frame
    shared: Ints  # (P,) pixels that the masks share
    iou: Floats  # (P,)
    similarity: Floats  # (P,) after the discount for missing frames

    def best(self, value: Floats, rows: int) -> Floats:
        """Largest value of each of the first `rows` tracks, 0 without candidates."""
        out = np.zeros(rows)
        mine = self.row < rows
        np.maximum.at(out, self.row[mine], value[mine])
        return out

    def find(self, row: Ints, column: Ints, columns: int) -> tuple[Ints, Floats]:
        """Shared pixels and similarity of given pairs, 0 for pairs that are no candidates."""
        if len(self.row) == 0:
            return np.zeros(len(row), np.int64), np.zeros(len(row))
        key, wanted = self.row * columns + self.column, row * columns + column
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = key[place] == wanted
        return np.where(hit, self.shared[place], 0), np.where(hit, self.similarity[place], 0.0)


def candidates(step: Step) -> Candidates:
    """Every pair of track and object whose similarity is at least `settings.least`."""
    front, frame, settings = step.front, step.frame, step.settings
    key, shared = _overlapping(front, frame, step.shift)
    near = _near(front, frame, step.shift, settings.reach)
    every = np.union1d(key, near)
    row, column = np.divmod(every, max(len(frame), 1))
    common = np.zeros(len(every), np.int64)
    common[np.searchsorted(every, key)] = shared
    ours, theirs = step.before(row), step.after(column)
    value = similarity(ours, theirs, common, front.stride[row], settings) * step.weight(row)
    keep = (value >= settings.least) & (value > 0)
    iou = common / (ours.area + theirs.area - common)
    return Candidates(row[keep], column[keep], common[keep], iou[keep], value[keep])


def similarity(ours: Disc, theirs: Disc, shared: Ints, stride: Floats, settings: LinkSettings) -> Floats:
    """Similarity of P pairs of masks that share so many pixels; `stride` (P,) px belongs to the first ones."""
    iou = shared / (ours.area + theirs.area - shared)
    far = np.hypot(theirs.y - ours.y, theirs.x - ours.x) / np.maximum(settings.reach * stride, 1e-9)
    size = np.minimum(ours.area, theirs.area) / np.maximum(ours.area, theirs.area)
    total: Floats = iou + settings.proximity * np.maximum(0, 1 - far) * size
    return total


def _overlapping(front: Front, frame: Frame, shift: Shift) -> tuple[Ints, Ints]:
    """Keys `row * objects + column` of pairs that share pixels, ascending, and the pixels they share."""
    columns, keys, shared = len(frame), [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    if front.before is not None and len(front.before) and columns:
        former, latter = _aligned(shift, frame.labels.shape)
        found = contingency(front.before.labels[former], frame.labels[latter])
        row = np.searchsorted(front.before.label, found.ids_a[found.i])
        keys.append(row * columns + np.searchsorted(frame.label, found.ids_b[found.j]))
        shared.append(found.n)
    lost = front.lost.moved(shift)
    height, width = frame.labels.shape
    inside = (lost.y >= 0) & (lost.y < height) & (lost.x >= 0) & (lost.x < width)
    if inside.any() and columns:
        found = contingency(lost.track[inside], frame.labels[lost.y[inside], lost.x[inside]])
        row = np.searchsorted(front.track[front.recent :], found.ids_a[found.i]) + front.recent
        keys.append(row * columns + np.searchsorted(frame.label, found.ids_b[found.j]))
        shared.append(found.n)
    return np.concatenate(keys), np.concatenate(shared)


def _near(front: Front, frame: Frame, shift: Shift, reach: float) -> Ints:
    """Keys of pairs whose centroids are within reach of each other."""
    if reach == 0 or len(front) == 0 or len(frame) == 0:
        return np.zeros(0, np.int64)
    limit = reach * front.stride
    ours = KDTree(np.stack([front.y, front.x], axis=1))
    theirs = KDTree(np.stack([frame.y - shift[0], frame.x - shift[1]], axis=1))
    pairs = ours.sparse_distance_matrix(theirs, float(limit.max()), output_type="ndarray")
    pairs = pairs[pairs["v"] < limit[pairs["i"]]]
    return np.asarray(pairs["i"] * len(frame) + pairs["j"], np.int64)


def _aligned(shift: Shift, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Parts of two images that show the same place when the second is moved by `shift`."""
    former = tuple(slice(max(-s, 0), max(n - max(s, 0), 0)) for s, n in zip(shift, shape, strict=True))
    latter = tuple(slice(max(s, 0), max(n + min(s, 0), 0)) for s, n in zip(shift, shape, strict=True))
    return former, latter
