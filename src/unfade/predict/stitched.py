"""Frames too large for one piece: found part by part, in bounded memory, and joined where parts overlap.

A part is a core and a margin around it. The margin shows the network what it would see in the whole frame and holds
whole objects, so that an object on a seam is found alike from both sides; it is kept by the part whose core holds the
middle of its box. Intensities are scaled by the whole frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.ops.overlap import contingency_of_instances
from unfade.records import Instances, Rows, View

WHOLE_PX = 4096 * 4096  # frames up to this many pixels, as the network sees them, are taken in one piece
CORE_PX = 3072  # longest side of a core as the network sees it
GRID_PX = 64  # cores and margins are multiples of this, as are the strides of networks
OBJECTS = 3.0  # the margin holds objects of this many usual diameters
SAME = 0.5  # share of the smaller of two objects from which they are one
COLUMNS = ("frame", "id", "kind", "box", "score", "u_total", "u_data", "u_model")

Box = tuple[int, int, int, int]  # y0 x0 y1 x1


@dataclass(frozen=True)
class Part:
    """A piece of a frame."""

    core: Box  # the cores of all parts tile the frame
    seen: Box  # the core with its margin, cut at the frame's edge


def parts_of(size: tuple[int, int], view: View, zoom: float) -> list[Part]:
    """The parts that a frame `(Y, X)` is taken in; one part where the frame is small enough for one piece."""
    height, width = size
    enlarged = max(1.0, zoom)
    if height * width * enlarged**2 <= WHOLE_PX:
        return [Part((0, 0, height, width), (0, 0, height, width))]
    margin = _grid((view.reach_px + OBJECTS * view.diameter_px[1]) / zoom)
    side = max(GRID_PX, int(CORE_PX / enlarged) // GRID_PX * GRID_PX)
    rows, columns = _cuts(height, side), _cuts(width, side)
    return [
        Part(
            (y0, x0, y1, x1),
            (max(0, y0 - margin), max(0, x0 - margin), min(height, y1 + margin), min(width, x1 + margin)),
        )
        for (y0, y1), (x0, x1) in product(rows, columns)
    ]


def _grid(length: float) -> int:
    return int(-(-length // GRID_PX)) * GRID_PX


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    """Ranges of nearly equal length, at most `side`, that begin at multiples of the grid."""
    count = -(-length // side)
    starts = [min(_grid(length * k / count), length) for k in range(count)] + [length]
    return [(a, b) for a, b in pairwise(starts) if b > a]


def find_stitched(image: NDArray[Any], parts: Sequence[Part], find: Callable[[NDArray[Any]], Instances]) -> Instances:
    """Objects of a frame `(C, Y, X)`, part after part; `find` gives those of a piece `(C, y, x)`."""
    return joined([find_part(image, part, find) for part in parts], parts, image.shape[-2:])


def find_part(image: NDArray[Any] | Rows, part: Part, find: Callable[[NDArray[Any]], Instances]) -> Instances:
    """Objects of one part, placed in the frame `(C, Y, X)`; those that a cut edge may have shortened are left out."""
    y0, x0, y1, x1 = part.seen
    height, width = image.shape[-2:]
    piece = np.ascontiguousarray(Rows.of(image).read(y0, y1)[..., x0:x1])
    found = placed(find(piece), (y0, x0), (height, width))
    top, left, bottom, right = found.box.T
    cut = ((top == y0) & (y0 > 0)) | ((left == x0) & (x0 > 0))
    cut |= ((bottom == y1) & (y1 < height)) | ((right == x1) & (x1 < width))
    return picked(found, np.flatnonzero(~cut | _owned(found, part)))


def joined(found: Sequence[Instances], parts: Sequence[Part], size: tuple[int, int]) -> Instances:
    """Objects of all parts as those of one frame, numbered from 1 in the order of their first pixels.

    Every part gives the objects whose middle lies in its core. Where two parts gave the same object it stays once, and
    what no part gave, though one saw it, is added. A nucleus and its cell go on sharing their number.
    """
    shift = np.cumsum([0, *(int(f.id.max(initial=0)) for f in found)])
    unique = [replace(f, id=(f.id + n).astype(np.int32)) for f, n in zip(found, shift, strict=False)]
    own = [_owned(f, part) for f, part in zip(unique, parts, strict=True)]
    whole = concatenated([picked(f, np.flatnonzero(o)) for f, o in zip(unique, own, strict=True)], size)
    rest = concatenated([picked(f, np.flatnonzero(~o)) for f, o in zip(unique, own, strict=True)], size)
    whole = picked(whole, _distinct(whole, parts))
    if len(rest):
        known = picked(whole, np.flatnonzero(_near_seams(whole, parts)))
        lost = picked(rest, np.flatnonzero(~_covered(rest, known)))
        whole = concatenated([whole, picked(lost, _distinct(lost, parts))], size)
    order = np.argsort(whole.runs[whole.offset[:-1], 0], kind="stable") if len(whole) else np.zeros(0, np.int64)
    whole = picked(whole, order)
    _, first, place = np.unique(whole.id, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first)) + 1
    return replace(whole, id=rank[place].astype(np.int32), uncertainty=_map_of(found, parts, size))


def _map_of(found: Sequence[Instances], parts: Sequence[Part], size: tuple[int, int]) -> NDArray[np.float32] | None:
    """The uncertainty map of the frame from the cores of all parts, if they have one."""
    first = found[0].uncertainty
    if first is None:
        return None
    out = np.zeros((*first.shape[:2], *size), np.float32)
    for one, part in zip(found, parts, strict=True):
        (y0, x0, y1, x1), (top, left, _, _) = part.core, part.seen
        assert one.uncertainty is not None
        out[..., y0:y1, x0:x1] = one.uncertainty[..., y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _owned(found: Instances, part: Part) -> NDArray[np.bool_]:
    """Whether the middle of each object's box lies in the core."""
    y0, x0, y1, x1 = part.core
    y, x = (found.box[:, 0] + found.box[:, 2]) // 2, (found.box[:, 1] + found.box[:, 3]) // 2
    inside: NDArray[np.bool_] = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    return inside


def _distinct(found: Instances, parts: Sequence[Part]) -> NDArray[np.int64]:
    """Places of the objects that stay where several are the same: the largest, of equal ones the first."""
    near = np.flatnonzero(_near_seams(found, parts))
    seam = picked(found, near)
    if len(seam) < 2:
        return np.arange(len(found))
    pairs = contingency_of_instances(seam, seam)
    share = pairs.n / np.minimum(pairs.area_a[pairs.i], pairs.area_b[pairs.j])
    larger = pairs.area_b[pairs.j] > pairs.area_a[pairs.i]
    first = (pairs.area_b[pairs.j] == pairs.area_a[pairs.i]) & (pairs.j < pairs.i)
    gone = np.unique(pairs.i[(share > SAME) & (larger | first)])
    return np.setdiff1d(np.arange(len(found)), near[gone])


def _near_seams(found: Instances, parts: Sequence[Part]) -> NDArray[np.bool_]:
    """Whether an object lies where more than one part sees."""
    seen = np.zeros(len(found), np.int64)
    for part in parts:
        y0, x0, y1, x1 = part.seen
        top, left, bottom, right = found.box.T
        seen += (bottom > y0) & (top < y1) & (right > x0) & (left < x1)
    return np.asarray(seen > 1)


def _covered(some: Instances, others: Instances) -> NDArray[np.bool_]:
    """Whether more than half of the smaller of an object and one of `others` is shared."""
    out = np.zeros(len(some), bool)
    if len(others):
        pairs = contingency_of_instances(some, others)
        share = pairs.n / np.minimum(pairs.area_a[pairs.i], pairs.area_b[pairs.j])
        out[pairs.i[share > SAME]] = True
    return out


def placed(found: Instances, corner: tuple[int, int], size: tuple[int, int]) -> Instances:
    """Objects of a piece whose first pixel is `corner` of a frame of `size`, as objects of that frame."""
    (dy, dx), (height, width) = corner, size
    y, x = np.divmod(found.runs[:, 0], found.shape[2])
    runs = np.stack([(y + dy) * width + x + dx, found.runs[:, 1]], axis=1)
    box = found.box + np.array([dy, dx, dy, dx], np.int32)
    return replace(found, shape=(found.shape[0], height, width), runs=runs, box=box)


def picked(found: Instances, places: NDArray[np.int64]) -> Instances:
    """The objects at some places, in that order."""
    counts = np.diff(found.offset)[places]
    begin = np.cumsum(counts) - counts
    rows = np.repeat(found.offset[places] - begin, counts) + np.arange(int(counts.sum()))
    columns = {name: getattr(found, name)[places] for name in COLUMNS}
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(found, runs=found.runs[rows], offset=offset, **columns)


def concatenated(found: Sequence[Instances], size: tuple[int, int]) -> Instances:
    """Objects of several records of the same frames as one record."""
    first = found[0]
    columns = {name: np.concatenate([getattr(f, name) for f in found]) for name in COLUMNS}
    counts = np.concatenate([np.diff(f.offset) for f in found])
    return replace(
        first,
        shape=(first.shape[0], *size),
        runs=np.concatenate([f.runs for f in found]),
        offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        **columns,
    )
