"""Huge frames in bands of rows, each with all rows that its objects and what is looked at around them lie in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.records import Instances, Rows

BAND_PX = 1 << 22  # pixels that are worked on together
LEAST_ROWS = 512  # of a band


class Band(NamedTuple):
    """Rows of a frame, and the objects that are dealt with there."""

    first: int
    stop: int
    own: NDArray[np.int32] | None  # their ids; None: all


def rows_of(shape: tuple[int, ...]) -> int:
    """Rows of a frame `(…, Y, X)` that are worked on together: all where it is of usual size."""
    height, width = shape[-2:]
    return max(height, 1) if height * width <= BAND_PX else max(BAND_PX // width, LEAST_ROWS)


def bands_of(labels: Rows, reach: int) -> list[Band]:
    """The bands of a label image `(Y, X)`; one of usual size is one band.

    An object belongs to the band that holds its first row. The band's rows are those of its objects and `reach` more
    on either side, so an object whose pieces lie far apart makes a large band.
    """
    height = labels.shape[0]
    cuts = labels.ranges(rows_of(labels.shape))
    if len(cuts) < 2:
        return [Band(0, height, None)]
    ids, top, bottom = _extents(labels, cuts)
    bands: list[Band] = []
    for first, stop in cuts:
        mine = (top >= first) & (top < stop)
        if mine.any() or not bands:
            start = int(top[mine].min(initial=first + reach)) - reach
            end = int(bottom[mine].max(initial=start + 1)) + reach
            bands.append(Band(max(start, 0), min(end, height), ids[mine]))
    return bands


def _extents(labels: Rows, cuts: list[tuple[int, int]]) -> tuple[NDArray[np.int32], NDArray[Any], NDArray[Any]]:
    """Ids, first rows and ends of all objects, read band by band."""
    found = [Instances.of(labels.read(first, stop)) for first, stop in cuts]
    each = [
        np.stack([f.id, f.box[:, 0] + first, f.box[:, 2] + first], axis=1)
        for f, (first, _) in zip(found, cuts, strict=True)
    ]
    every = np.concatenate(each)
    every = every[np.argsort(every[:, 0], kind="stable")]  # pieces of an object follow each other downwards
    ids, first = np.unique(every[:, 0], return_index=True)
    if len(ids) == 0:
        return ids.astype(np.int32), every[:, 1], every[:, 2]
    return ids.astype(np.int32), every[first, 1], np.maximum.reduceat(every[:, 2], first)
