"""Overlap of two label images: the one place where pixels shared by objects are counted.

Every IoU, Dice, share or contingency table of the project starts from `contingency`, or from
`contingency_of_instances` where masks may overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from unfade.errors import ShapeError
from unfade.ops.relabel import Ids, checked, runs, totals
from unfade.records import KINDS, Instances

Share = NDArray[np.float64]
Counts = sparse.csr_array[np.int64, tuple[int, int]]

MOST_COLUMNS = 1 << 22  # pixels that objects are compared over together


@dataclass(frozen=True)
class Overlap:
    """Shared pixels of the objects of two label images `a` and `b`, foreground only.

    Pair p says that the objects `ids_a[i[p]]` and `ids_b[j[p]]` share `n[p]` > 0 pixels; pairs ascend by i, then j.
    """

    ids_a: Ids  # (N,) ascending, without 0
    ids_b: Ids  # (M,)
    area_a: Ids  # (N,) pixels of the whole object
    area_b: Ids  # (M,)
    i: Ids  # (P,) place in ids_a
    j: Ids  # (P,) place in ids_b
    n: Ids  # (P,) shared pixels

    def sparse_iou(self) -> Share:
        """Intersection over union of each pair, `(P,)`."""
        return self.n / (self.area_a[self.i] + self.area_b[self.j] - self.n)

    def iou(self) -> Share:
        """Intersection over union of all objects, `(N, M)`; 0 where nothing is shared."""
        return self._dense(self.sparse_iou())

    def shared(self) -> Ids:
        """Shared pixels of all objects, `(N, M)`."""
        out = np.zeros((len(self.ids_a), len(self.ids_b)), np.int64)
        out[self.i, self.j] = self.n
        return out

    def share_of_a(self) -> Share:
        """Part of the object of `a` that each pair shares, `(P,)`."""
        return self.n / self.area_a[self.i]

    def share_of_b(self) -> Share:
        """Part of the object of `b` that each pair shares, `(P,)`."""
        return self.n / self.area_b[self.j]

    def turned(self) -> Overlap:
        """The same overlap from the other side: `a` and `b` change places."""
        order = np.lexsort((self.i, self.j))
        i, j, n = self.j[order], self.i[order], self.n[order]
        return Overlap(self.ids_b, self.ids_a, self.area_b, self.area_a, i, j, n)

    def _dense(self, values: Share) -> Share:
        out = np.zeros((len(self.ids_a), len(self.ids_b)), np.float64)
        out[self.i, self.j] = values
        return out


def contingency(a: ArrayLike, b: ArrayLike) -> Overlap:
    """Count the pixels that every object of `a` shares with every object of `b`.

    Both are integer label images of the same shape and any number of axes, 0 is background; ids may start anywhere,
    skip, and exceed 65,535. Objects that touch nothing are listed with their area and appear in no pair.

    Raises
    ------
    ShapeError
        For different shapes, images that are not integers, and negative labels.
    """
    left, right = checked(a), checked(b)
    if left.shape != right.shape:
        raise ShapeError(f"Overlap needs two label images of one shape, got {left.shape} and {right.shape}.")
    (value_a, value_b), length = runs(left, right)
    ids_a, area_a, i = totals(value_a, length)
    ids_b, area_b, j = totals(value_b, length)
    both = (i >= 0) & (j >= 0)
    key, n = _grouped(i[both] * len(ids_b) + j[both], length[both], len(ids_a) * len(ids_b))
    columns = max(len(ids_b), 1)
    return Overlap(ids_a, ids_b, area_a, area_b, key // columns, key % columns, n)


def _grouped(key: Ids, weight: Ids, size: int) -> tuple[Ids, Ids]:
    """Distinct keys out of 0..size-1, ascending, and the sum of positive weights of each."""
    if size <= max(8 * len(key), 1 << 16):
        total = np.bincount(key, weight, size).astype(np.int64)
        found = np.flatnonzero(total)
        return found, total[found]
    found, place = np.unique(key, return_inverse=True)
    return found, np.bincount(place, weight, len(found)).astype(np.int64)


def contingency_of_instances(a: Instances, b: Instances) -> Overlap:
    """Count the pixels that every object of `a` shares with every object of `b`, where masks may overlap each other.

    The "ids" of the result are the places 0..N-1 of the objects in their records, as ids may stand twice there.
    Objects of different frames or kinds share nothing. Label images take part as `Instances.of(labels)`.

    Raises
    ------
    ShapeError
        If the two blocks differ in shape.
    """
    if a.shape != b.shape:
        raise ShapeError(f"Overlap needs two blocks of one shape, got {a.shape} and {b.shape}.")
    shared = _shared(a, b).tocoo()
    order = np.lexsort((shared.col, shared.row))
    return Overlap(
        ids_a=np.arange(len(a)),
        ids_b=np.arange(len(b)),
        area_a=_areas(a),
        area_b=_areas(b),
        i=shared.row[order].astype(np.int64),
        j=shared.col[order].astype(np.int64),
        n=shared.data[order].astype(np.int64),
    )


def _areas(objects: Instances) -> Ids:
    owner = np.repeat(np.arange(len(objects)), np.diff(objects.offset))
    return np.bincount(owner, objects.runs[:, 1], len(objects)).astype(np.int64)


def _shared(a: Instances, b: Instances) -> Counts:
    """Pixels that objects share, `(N, M)`, counted over some rows of the frames after the other."""
    frames, height, width = a.shape
    every = len(KINDS) * frames * height * width
    step = max(1, MOST_COLUMNS // max(width, 1)) * max(width, 1)
    total: Counts = sparse.csr_array((len(a), len(b)), dtype=np.int64)
    for first in range(0, every, step):
        in_a, in_b = (_membership(objects, first, min(step, every - first)) for objects in (a, b))
        if in_a.nnz and in_b.nnz:
            total = total + in_a @ in_b.T
    return total


def _membership(objects: Instances, begin: int, columns: int) -> Counts:
    """One row per object, one column per pixel from `begin` on, frames and kinds one after the other.

    1 stands where the object has the pixel. The range begins and ends with a row of a frame, as runs do.
    """
    frames, height, width = objects.shape
    owner = np.repeat(np.arange(len(objects)), np.diff(objects.offset))
    plane = objects.kind.astype(np.int64) * frames + objects.frame
    start = objects.runs[:, 0] + plane[owner] * (height * width) - begin
    here = (start >= 0) & (start < columns)
    owner, start, length = owner[here], start[here], objects.runs[here, 1]
    within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    rows = np.concatenate([[0], np.cumsum(np.bincount(owner, length, len(objects)))]).astype(np.int64)
    pixel = np.repeat(start, length) + within
    return sparse.csr_array((np.ones(len(pixel), np.int64), pixel, rows), shape=(len(objects), columns))
