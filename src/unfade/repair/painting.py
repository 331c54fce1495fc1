"""From carried nuclei to repaired label images: what was trusted stays, the rest takes what is free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.errors import ShapeError
from unfade.records import LabelImage
from unfade.repair.frames import Carried, SeenFrame
from unfade.repair.settings import RepairSettings
from unfade.repair.shapes import Mask, iou, masks, shared, touched

VISIBLE = 0.5  # share of a carried mask that must be free, or another nucleus is there already
COVERED = 0.5  # share of a carried mask under a doubted one that makes it an update of that one
AROUND = 0.2  # share of a doubted mask under a repaired one from which it is the same object


class Treated(NamedTuple):
    """One object of a repaired frame."""

    track: int
    origin: str  # seen | updated | interpolated
    age: int  # frames since it was seen
    confidence: float  # 0..1
    label: int  # the track it had before repair, 0 if it was missed


class Repaired(NamedTuple):
    """A repaired frame."""

    t: int
    labels: LabelImage  # (Y, X)
    objects: list[Treated]


def paint_printed(item: SeenFrame, carried: list[Carried]) -> Repaired:
    """Nuclei that stay, then the updated ones on what is free, the surest first; within their cells where known."""
    updated = {c.track: c for c in carried}
    found = masks(item.labels)
    canvas = np.where(np.isin(item.labels, list(updated)), 0, item.labels).astype(np.int32)
    objects = [Treated(k, "seen", 0, 1.0 - item.doubt.get(k, 0.0), k) for k in found if k not in updated]
    for c in sorted(carried, key=lambda c: (-c.confidence, c.track)):
        spot = c.outline.mask(_size(canvas))
        if item.cells is not None:
            spot = _within(spot, item.cells, c.track)
        if _put(canvas, spot, c.track):
            origin = "updated" if c.track in found else "interpolated"
            objects.append(Treated(c.track, origin, c.age, c.confidence, c.track if c.track in found else 0))
    return Repaired(item.t, canvas, sorted(objects))


def paint_bridged(
    item: SeenFrame, carried: list[Carried], cell_of: Mapping[int, int], owner: Mapping[int, int],
    stray: Callable[[int], int], settings: RepairSettings,
) -> Repaired:  # fmt: skip
    """Trusted nuclei, then carried ones by falling confidence, then doubted ones that nothing speaks against.

    `cell_of` are the cells of trusted tracks, `owner` those that doubted tracks would belong to; `stray` names a cell
    for a doubted track whose own is shown elsewhere. Where the cell's own track has a mask elsewhere in the frame, that
    mask is believed rather than what was carried.
    """
    found = masks(item.labels)
    canvas = np.zeros(item.labels.shape, np.int32)
    objects: list[Treated] = []
    for track, cell in cell_of.items():
        _put(canvas, found[track], cell, 0.0)
        objects.append(Treated(cell, "seen", 0, 1.0 - item.doubt.get(track, 0.0), track))
    doubted = {k: m for k, m in found.items() if k not in cell_of}
    left = np.where(np.isin(item.labels, list(doubted)), item.labels, 0) if doubted else np.zeros_like(item.labels)
    done: set[int] = set()
    own = {owner.get(k, k): k for k in doubted}
    for c in sorted(carried, key=lambda c: (-c.confidence, c.track)):
        spot = c.outline.mask(_size(canvas))
        rival, origin = _rival(c, spot, left, doubted, item.doubt, settings)
        if rival and rival not in done and _put(canvas, doubted[rival], c.track):
            done.add(rival)
            objects.append(Treated(c.track, "seen", 0, 1.0 - item.doubt.get(rival, 0.0), rival))
        wanted = not rival and _wanted(c, spot, origin, doubted.get(own.get(c.track, 0)), settings)
        if wanted and _put(canvas, spot, c.track):
            before = max(touched(spot, left).items(), key=lambda p: p[1], default=(0, 0))[0]
            objects.append(Treated(c.track, origin, c.age, c.confidence, before))
    taken, area = {o.track for o in objects}, np.bincount(canvas.ravel())
    for track, mask in doubted.items():
        cell = owner.get(track, track)
        if track in done or _shadowed(mask, canvas, area):
            continue
        cell = stray(track) if cell in taken else cell
        if _put(canvas, mask, cell):
            taken.add(cell)
            objects.append(Treated(cell, "seen", 0, 1.0 - item.doubt.get(track, 0.0), track))
    return Repaired(item.t, canvas, sorted(objects))


def _rival(
    c: Carried, spot: Mask, left: LabelImage, doubted: Mapping[int, Mask], doubt: Mapping[int, float],
    settings: RepairSettings,
) -> tuple[int, str]:  # fmt: skip
    """The doubted mask that stays in place of the carried one, or 0, and what the carried one would be called."""
    under = touched(spot, left)
    if not under:
        return 0, "interpolated"
    best = max(under, key=lambda k: iou(spot, doubted[k]))
    if iou(spot, doubted[best]) >= settings.agree:
        return best, "seen"
    widest = max(under, key=lambda k: (under[k], -k))
    covered = under[widest] >= COVERED * max(spot.area, 1)
    surer = settings.beta if c.enclosed else settings.alpha  # as in algorithm 1: of both sides, or of one
    if covered and 1 - c.confidence > surer * doubt.get(widest, 0.0):
        return widest, "seen"
    return 0, "updated" if covered else "interpolated"


def _wanted(c: Carried, spot: Mask, origin: str, own: Mask | None, settings: RepairSettings) -> bool:
    """Whether a carried mask takes the place of a doubted one, or its cell is believably missed here."""
    if origin == "updated":
        return True
    elsewhere = own is not None and not shared(spot, own)
    return not elsewhere and (c.enclosed or c.age <= settings.max_alone)


def _shadowed(mask: Mask, canvas: LabelImage, area: NDArray[np.int64]) -> bool:
    """Whether a doubted mask is an object that stands repaired already, or lies around one; `area` by id."""
    under = touched(mask, canvas)
    around = any(n > COVERED * area[k] for k, n in under.items())
    return around or sum(under.values()) > AROUND * mask.area


def _put(canvas: LabelImage, mask: Mask, value: int, visible: float = VISIBLE) -> bool:
    """Paint a mask on free pixels; not at all where less than a share of it is free."""
    h, w = mask.inside.shape
    part = canvas[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    free = mask.inside & (part == 0)
    if not free.any() or np.count_nonzero(free) < visible * mask.area:
        return False
    part[free] = value
    return True


def _within(mask: Mask, cells: LabelImage, track: int) -> Mask:
    h, w = mask.inside.shape
    return Mask(mask.y0, mask.x0, mask.inside & (cells[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w] == track))


def _size(image: NDArray[np.int32]) -> tuple[int, int]:
    if image.ndim != 2:
        raise ShapeError(f"Repair takes label images (Y, X), got an array of {image.ndim} axes.")
    return image.shape[0], image.shape[1]
