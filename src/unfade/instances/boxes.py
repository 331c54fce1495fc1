"""Boxes with small masks: what Mask R-CNN learns of label images, and label images from what it finds.

Masks overlap freely; every object is painted by itself and kept as runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.ops.distance import boundary_distance
from unfade.ops.overlap import contingency_of_instances
from unfade.ops.relabel import NUCLEUS, areas
from unfade.records import KINDS, Instances, Kind

Float = NDArray[np.float32]
Labels = NDArray[np.int32]


def encode(labels: Labels, least_px: int = 4) -> dict[str, NDArray[Any]]:
    """Targets of label images `(L, Y, X)`: `labels` without specks, `distance`, `ratio (L,)`, `dropped (L,)`.

    `distance (L, Y, X)` is that to the nearest cell boundary in pixels, `ratio` the number of background over that of
    foreground pixels (paper shape-aware, III.A), `dropped` counts the objects of fewer than `least_px` pixels, which
    make no box and are taken out.
    """
    kept, dropped = zip(*(without_specks(frame, least_px) for frame in labels), strict=True)
    inside = np.array([np.count_nonzero(frame) for frame in kept], np.float64)
    size = labels.shape[1] * labels.shape[2]
    return {
        "labels": np.stack(kept),
        "distance": np.stack([boundary_distance(frame) for frame in kept]),
        "ratio": ((size - inside) / np.maximum(inside, 1)).astype(np.float32),
        "dropped": np.array(dropped, np.int32),
    }


def without_specks(labels: Labels, least_px: int) -> tuple[Labels, int]:
    """A label image `(Y, X)` without cells of fewer than `least_px` pixels, and how many those were."""
    ids, area = areas(labels % NUCLEUS)
    small = ids[area < least_px]
    if len(small) == 0:
        return labels, 0
    return np.where(np.isin(labels % NUCLEUS, small), 0, labels).astype(np.int32), len(small)


def compartments(cells: Labels, nuclei: Labels) -> Labels:
    """Labels of cells `(…, Y, X)` that mark the pixels of their nuclei, which may have ids of their own.

    Nucleus pixels outside every cell are left out; a cell may have no nucleus.
    """
    return np.where((cells > 0) & (nuclei > 0), cells + NUCLEUS, cells).astype(np.int32)


@dataclass(frozen=True)
class Regions:
    """What was found in one frame, before it is painted: everything in pixels of that frame."""

    boxes: Float  # (N, 4) x0 y0 x1 y1
    score: Float  # (N,)
    chances: Float  # (N, K, m, m) class probabilities inside the box, the first class is background
    parts: Float  # (N, 3, m, m) total, data and model part of the uncertainty
    whole: NDArray[np.bool_]  # (N,) not cut by the edge of a tile

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def joined(cls, parts: Sequence[Regions]) -> Regions:
        """All of them, in order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def at(self, places: NDArray[Any]) -> Regions:
        """Those at some places."""
        return Regions(*(getattr(self, name)[places] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Painted:
    """One object on the pixels of the frame."""

    place: int  # in the regions
    kind: Kind
    y: int
    x: int
    mask: NDArray[np.bool_]
    doubt: NDArray[np.float64]  # (3,) mean over the mask


def paint(
    regions: Regions, shape: tuple[int, int], kinds: Sequence[Kind] = ("cell",), least_px: float = 9.0
) -> Instances:
    """Objects of regions in a frame `(Y, X)`.

    With two classes the mask is where the object is likelier than background, and `kinds` names what it is. With
    three, background, cytosol and nucleus, a cell is where background is not the likeliest, its nucleus where nucleus
    is; both share the id.
    """
    found: list[Painted] = []
    for n in range(len(regions)):
        found += _painted(regions, n, shape, kinds, least_px)
    return _as_instances(found, regions, shape)


def uncertainty_map(regions: Regions, shape: tuple[int, int]) -> Float:
    """Total, data and model part `(3, Y, X)` of every pixel, of the most uncertain object there; 0 outside boxes."""
    out = np.zeros((3, *shape), np.float32)
    for n in range(len(regions)):
        (y0, rows), (x0, columns) = _grid(regions.boxes[n], shape, regions.parts.shape[-1])
        part = np.einsum("ym,cmn,xn->cyx", rows, regions.parts[n], columns)
        place = out[:, y0 : y0 + len(rows), x0 : x0 + len(columns)]
        np.copyto(place, part, where=part[0] > place[0])
    return out


def without_doubles(found: Instances, whole: NDArray[np.bool_], most_iou: float, most_share: float = 0.7) -> Instances:
    """Objects of one frame of which none is another once more.

    Taken from the surest on, after them those that a tile cut, the largest first; what overlaps one already taken by
    more than `most_iou`, or lies in it by `most_share` of its own area and was cut, is left out. A nucleus goes with
    its cell. Ids stay as they are.
    """
    ids = np.unique(found.id)
    leading = np.array([np.flatnonzero(found.id == k)[0] for k in ids], np.int64)
    if len(ids) < 2:
        return found
    one = taken(found, leading)
    overlap = contingency_of_instances(one, one)
    near: dict[int, list[tuple[int, float, float]]] = {}
    shares = zip(overlap.i, overlap.j, overlap.sparse_iou(), overlap.share_of_a(), strict=True)
    for i, j, iou, share in shares:
        if i != j:
            near.setdefault(int(i), []).append((int(j), float(iou), float(share)))
    cut = ~whole[one.id - 1]
    kept = np.zeros(len(one), bool)
    for n in np.lexsort((-one.score, np.where(cut, -one.areas(), 0), cut)):
        kept[n] = not any(
            kept[m] and (iou > most_iou or (cut[n] and share > most_share)) for m, iou, share in near.get(int(n), ())
        )
    return taken(found, np.flatnonzero(np.isin(found.id, one.id[kept])))


def taken(found: Instances, places: NDArray[Any]) -> Instances:
    """The objects at some places, in that order."""
    counts = np.diff(found.offset)[places]
    rows = np.repeat(found.offset[places] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    columns = ("frame", "id", "kind", "box", "score", "u_total", "u_data", "u_model")
    return replace(
        found,
        **{name: getattr(found, name)[places] for name in columns},
        runs=found.runs[rows],
        offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def numbered(found: Instances) -> Instances:
    """The same objects with ids from 1 on, in the order of their ids."""
    _, place = np.unique(found.id, return_inverse=True)
    return replace(found, id=(place + 1).astype(np.int32))


def _painted(regions: Regions, n: int, shape: tuple[int, int], kinds: Sequence[Kind], least_px: float) -> list[Painted]:
    (y, rows), (x, columns) = _grid(regions.boxes[n], shape, regions.chances.shape[-1])
    chances = np.einsum("ym,cmn,xn->cyx", rows, regions.chances[n], columns)
    parts = np.einsum("ym,cmn,xn->cyx", rows, regions.parts[n], columns)
    masks: list[tuple[Kind, NDArray[np.bool_]]] = [(kinds[0], chances[0] < 0.5)]
    if len(chances) == 3:
        likeliest = chances.argmax(0)
        masks = [("cell", likeliest > 0), ("nucleus", likeliest == 2)]
    if np.count_nonzero(masks[0][1]) < least_px:
        return []
    return [Painted(n, kind, y, x, mask, parts[:, mask].mean(1)) for kind, mask in masks if mask.any()]


def _grid(box: Float, shape: tuple[int, int], side: int) -> tuple[tuple[int, Float], tuple[int, Float]]:
    """First row and interpolation matrix `(rows, side)` of the pixels whose middle lies in a box; likewise columns."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return _line(y0, y1, shape[0], side), _line(x0, x1, shape[1], side)


def _line(start: float, stop: float, length: int, side: int) -> tuple[int, Float]:
    first, last = max(0, int(np.ceil(start - 0.5))), min(length, int(np.ceil(stop - 0.5)))
    at = (np.arange(first, max(last, first)) + 0.5 - start) / max(stop - start, 1e-6) * side - 0.5
    at = np.clip(at, 0, side - 1)
    low = np.minimum(at.astype(int), max(side - 2, 0))
    out = np.zeros((len(at), side), np.float32)
    out[np.arange(len(at)), low] = 1 - (at - low)
    out[np.arange(len(at)), np.minimum(low + 1, side - 1)] += (at - low).astype(np.float32)
    return first, out


def _as_instances(found: Sequence[Painted], regions: Regions, shape: tuple[int, int]) -> Instances:
    runs = [_runs(one, shape[1]) for one in found]
    boxes = [_tight(one) for one in found]
    doubt = np.array([one.doubt for one in found], np.float32).reshape(-1, 3)
    places = np.array([one.place for one in found], np.int64)
    return Instances(
        shape=(1, *shape),
        frame=np.zeros(len(found), np.int32),
        id=(places + 1).astype(np.int32),
        kind=np.array([KINDS.index(one.kind) for one in found], np.uint8),
        box=np.array(boxes, np.int32).reshape(-1, 4),
        runs=np.concatenate(runs) if runs else np.zeros((0, 2), np.int64),
        offset=np.cumsum([0, *(len(r) for r in runs)]).astype(np.int64),
        score=regions.score[places].astype(np.float32),
        u_total=doubt[:, 0],
        u_data=doubt[:, 1],
        u_model=doubt[:, 2],
    )


def _runs(one: Painted, width: int) -> NDArray[np.int64]:
    """Runs `(R, 2)` of a mask: first pixel in the frame, length."""
    step = np.diff(np.pad(one.mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(step == 1)
    last = np.nonzero(step == -1)[1]
    return np.stack([(row + one.y) * width + first + one.x, last - first], axis=1).astype(np.int64)


def _tight(one: Painted) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(one.mask.any(1)), np.flatnonzero(one.mask.any(0))
    return one.y + rows[0], one.x + columns[0], one.y + rows[-1] + 1, one.x + columns[-1] + 1
