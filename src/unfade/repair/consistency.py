"""Uncertainty from temporal consistency: a nucleus does not change its area, its form or its contrast at once.

Masks of any origin can be judged this way, also those of a network that is sure of itself where a nucleus has faded and
its whole cell looks like one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import ShapeError
from unfade.ops.overlap import contingency
from unfade.records import LabelImage
from unfade.repair.settings import RepairSettings
from unfade.repair.shapes import Mask, masks, shared

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RING_PX = 4  # width of the surroundings that a mask's contrast is taken against
STABLE = 3  # frames that make a stretch of consistent masks believable
LONGEST = 6  # frames beyond which a longer stretch is no better
WITNESSES = 5  # tracks that must agree on the usual size of a nucleus
MANY = 0.25  # share of the movie's tracks that they must be, for a signal that fades does so in many cells
NESTED = 0.75  # share of the smaller mask inside the larger one
HELD = 0.5  # share of what a mask lost or won that others hold, from which it is a matter between them
SPREAD = 0.5  # standard deviation of the logarithm of the areas of a movie's nuclei
UNUSUAL = 0.6  # the same, from which an area is doubted by itself


@dataclass(frozen=True)
class Nodes:
    """All seen objects of a movie, one entry each, ascending by frame."""

    frame: Ints  # (N,)
    track: Ints  # (N,)
    y: Floats  # (N,) centroid, px
    x: Floats
    area: Floats  # (N,) px
    uncertainty: Floats  # (N,) of the system, 0..1 or NaN
    contrast: Floats  # (N,) logarithm of mean intensity inside over that around
    alike: Floats  # (N,) IoU with the track's mask of the frame before, centroids made equal; NaN without one
    nested: Floats  # (N,) share of the smaller of these two masks that lies in the larger one; NaN without one
    cut: NDArray[np.bool_]  # (N,) touches the border

    def __len__(self) -> int:
        return len(self.frame)


class Found(NamedTuple):
    """An object of a frame, its place and area."""

    mask: Mask
    y: float  # centroid, px
    x: float
    area: int  # px


@dataclass(frozen=True)
class InspectorState:
    """What was found so far, and the masks of the frame before."""

    frames: int = 0
    rows: list[tuple[Floats, ...]] = field(default_factory=list)  # shared by the states of one run
    before: Mapping[int, Found] = field(default_factory=dict)
    labels: LabelImage | None = None


class Inspector:
    """Stage: frames with their track labels to `Nodes`; keeps one frame, whatever the length of the movie."""

    lag = 0

    def start(self) -> InspectorState:
        """State before the first frame."""
        return InspectorState()

    def push(
        self, state: InspectorState, image: NDArray[np.generic], labels: LabelImage, uncertainty: Mapping[int, float]
    ) -> tuple[InspectorState, None]:
        """Take the next frame: image and track ids `(Y, X)`, and the uncertainty of tracks where it is known.

        Raises
        ------
        ShapeError
            If image and labels differ in size.
        """
        if np.shape(image) != np.shape(labels):
            raise ShapeError(f"Frame {state.frames} has an image {np.shape(image)} but labels {np.shape(labels)}.")
        here = {k: Found(m, *m.centroid, m.area) for k, m in masks(labels).items()}
        contrast = _contrasts(image, labels)
        nested = _nested(state.labels, labels)
        rows = []
        height, width = labels.shape
        for track, found in here.items():
            mask, y, x, area = found
            old = state.before.get(track)
            alike = np.nan if old is None else _alike(old, found)
            h, w = mask.inside.shape
            cut = mask.y0 == 0 or mask.x0 == 0 or mask.y0 + h == height or mask.x0 + w == width
            doubt = uncertainty.get(track, np.nan)
            rows.append((track, y, x, area, doubt, contrast[track], alike, nested.get(track, np.nan), float(cut)))
        table = np.array(rows, np.float64).reshape(-1, 9).T
        state.rows.append((np.full(table.shape[1], state.frames, np.float64), *table))
        return InspectorState(state.frames + 1, state.rows, here, labels), None

    def finish(self, state: InspectorState) -> Nodes:
        """All objects."""
        columns = [np.concatenate(parts) for parts in zip(*state.rows, strict=True)] if state.rows else [_NONE] * 10
        frame, track, y, x, area, doubt, contrast, alike, nested, cut = columns
        whole = (frame.astype(np.int64), track.astype(np.int64))
        return Nodes(*whole, y, x, area, doubt, contrast, alike, nested, cut > 0)


_NONE = np.zeros(0)


def doubts(nodes: Nodes, settings: RepairSettings) -> Floats:
    """Uncertainty `(N,)`, 0..1, of every object, from the system, from its neighbours in time, or the larger of both.

    What the system does not say counts as 0 where neighbours are asked too.

    Raises
    ------
    ShapeError
        If only the system is to be asked and it says nothing.
    """
    own = nodes.uncertainty
    if settings.uncertainty == "system":
        if len(own) and np.isnan(own).all():
            raise ShapeError("The labels carry no uncertainty; take it from neighbours in time instead.")
        return np.asarray(np.nan_to_num(own, nan=0.0), np.float64)
    found = inconsistency(nodes, settings)
    return found if settings.uncertainty == "consistency" else np.fmax(found, own)


def inconsistency(nodes: Nodes, settings: RepairSettings) -> Floats:
    """How little each mask fits the believable part of its track, 0..1.

    A track is cut where area or form jump. Of its stretches the most believable one is the reference: long (up to
    `LONGEST` frames), sure, and of the size that nuclei have in this movie. From there the reference follows the
    masks that fit, forward and backward. The doubt of a mask is 1 - (1 - a)(1 - f)(1 - c) with

    a = 1 - exp(-(ln(area / reference) / s)² / 2), s such that a factor of `jump` reaches the threshold,
    f = how far its IoU with both neighbours in time, centroids made equal, falls below 0.6, over 0.6,
    c = 0.4 · the share of the reference's contrast that is lost,

    or, where the usual size of a nucleus is known, the doubt that such an area raises by itself.
    """
    out = np.zeros(len(nodes))
    order = np.lexsort((nodes.frame, nodes.track))
    bounds = np.flatnonzero(np.diff(nodes.track[order], prepend=-1, append=-1))
    size = _usual_area(nodes, order, bounds, settings)
    for a, b in pairwise(bounds):
        at = order[a:b]
        out[at] = _of_track(nodes, at, size, settings)
    if size is not None:
        off = np.log(nodes.area / size)
        off[nodes.cut & (off < 0)] = 0.0
        out = np.maximum(out, 1 - np.exp(-0.5 * (off / UNUSUAL) ** 2))
    return out


def _of_track(nodes: Nodes, at: Ints, size: float | None, settings: RepairSettings) -> Floats:
    """Doubt of the nodes of one track, in the order of time."""
    width = np.log(settings.jump) / np.sqrt(-2 * np.log(1 - settings.limit))
    log_area = np.log(nodes.area[at])
    jump = float(np.log(settings.jump))
    stretches = _stretches(nodes, at, settings)
    weights = [_belief(nodes, at[p], size) for p in stretches]
    best = stretches[int(np.argmax(weights))]
    area = np.empty(len(at))
    area[best] = 0.0
    contrast = float(np.median(np.abs(nodes.contrast[at[best]])))
    for way in (range(best[-1] + 1, len(at)), range(best[0] - 1, -1, -1)):
        recent = log_area[best[-LONGEST:] if way.step > 0 else best[:LONGEST][::-1]].tolist()
        for k in way:
            off = log_area[k] - median(recent)
            cut_off = nodes.cut[at[k]] and off < 0  # what the border cuts is smaller
            area[k] = 0.0 if cut_off else 1 - np.exp(-0.5 * (off / width) ** 2)
            if abs(off) < jump:
                recent = [*recent[1 - LONGEST :], float(log_area[k])]
    next_to = np.append(nodes.alike[at[1:]], np.nan)
    neighbours = np.stack([nodes.alike[at], next_to])
    known = ~np.isnan(neighbours).all(axis=0)
    form = np.zeros(len(at))
    form[known] = np.clip((0.6 - np.nanmax(neighbours[:, known], axis=0)) / 0.6, 0, 1)
    lost = np.clip(1 - np.abs(nodes.contrast[at]) / contrast, 0, 1) if contrast > 0.05 else np.zeros(len(at))
    return np.asarray(1 - (1 - area) * (1 - form) * (1 - 0.4 * lost), np.float64)


def _stretches(nodes: Nodes, at: Ints, settings: RepairSettings) -> list[Ints]:
    """Places within a track between jumps of area or form; an area is held against the last few ones."""
    log_area, form = np.log(nodes.area[at]).tolist(), nodes.alike[at].tolist()
    cuts, start, jump = [], 0, float(np.log(settings.jump))
    for k in range(1, len(at)):
        usual = median(log_area[max(start, k - LONGEST) : k])
        if abs(log_area[k] - usual) > jump or form[k] < 0.5:
            cuts.append(k)
            start = k
    return np.split(np.arange(len(at)), cuts)


def _belief(nodes: Nodes, at: Ints, size: float | None) -> float:
    """How believable a stretch is: its length, sureness, and whether it is of a usual size."""
    sure = 1.0 - float(np.nan_to_num(nodes.uncertainty[at], nan=0.5).mean())
    weight = min(len(at), LONGEST) * max(sure, 0.02)
    if size is not None:
        weight *= float(np.exp(-0.5 * (np.log(np.median(nodes.area[at]) / size) / SPREAD) ** 2))
    return weight


def _usual_area(nodes: Nodes, order: Ints, bounds: Ints, settings: RepairSettings) -> float | None:
    """Usual area of a nucleus: that of the diameter given, or what tracks tell that lose a nucleus in a larger mask.

    Where a stable mask jumps to one that holds it whole, or back, the smaller one is the nucleus: a signal that fades
    leaves the cell. What the border cuts is no witness, as it shrinks while it leaves. None if too few tracks do so, by
    number or as a share of all that are long enough to: single cells whose masks jump are mistakes of single cells.
    """
    if settings.diameter_px is not None:
        return float(np.pi / 4 * settings.diameter_px**2)
    small, long = [], 0
    for a, b in pairwise(bounds):
        at = order[a:b]
        long += len(at) > STABLE
        parts = _stretches(nodes, at, settings)
        for one, two in pairwise(parts):
            jump = [at[one[-1]], at[two[0]]]
            if not nodes.nested[jump[1]] >= NESTED or nodes.cut[jump].any():
                continue
            inner = min(one, two, key=lambda p: float(np.median(nodes.area[at[p]])))
            if len(inner) >= STABLE:
                small.append(float(np.median(nodes.area[at[inner]])))
    return float(np.median(small)) if len(small) >= max(WITNESSES, MANY * long) else None


def _alike(before: Found, now: Found) -> float:
    both = shared(before.mask, now.mask, round(now.y - before.y), round(now.x - before.x))
    return both / max(before.area + now.area - both, 1)


def _nested(before: LabelImage | None, labels: LabelImage) -> dict[int, float]:
    """Share of the smaller of a track's two masks that lies in the larger one; 0 where others hold the rest of it.

    What a mask loses to others it did not lose with its signal: it was divided, split or joined.
    """
    if before is None:
        return {}
    pairs = contingency(before, labels)
    same = np.flatnonzero(pairs.ids_a[pairs.i] == pairs.ids_b[pairs.j])
    i, j, n = pairs.i[same], pairs.j[same], pairs.n[same]
    old, new = pairs.area_a[i], pairs.area_b[j]
    held = np.where(  # by other objects, of the pixels of the larger one
        old > new, np.bincount(pairs.i, pairs.n)[i] - n, np.bincount(pairs.j, pairs.n)[j] - n
    )
    taken = held > HELD * np.abs(old - new)
    share = np.where(taken, 0.0, n / np.minimum(old, new))
    return dict(zip(pairs.ids_b[j].tolist(), share.tolist(), strict=True))


def _contrasts(image: NDArray[np.generic], labels: LabelImage) -> dict[int, float]:
    """Logarithm of the mean intensity of each object over that of the free pixels around it; 0 without any."""
    count = int(labels.max(initial=0)) + 1
    darkest, brightest = float(np.min(image)), float(np.max(image))
    near = ndimage.maximum_filter(labels, 2 * RING_PX + 1).ravel()
    at = np.flatnonzero(near)
    light, own = np.asarray(image).ravel()[at] - darkest, labels.ravel()[at]
    body = own > 0
    groups = ((own[body], light[body]), (near[at][~body], light[~body]))  # the objects, and what is around them
    sums = [np.bincount(ids, values, count) for ids, values in groups]
    sizes = [np.bincount(ids, minlength=count) for ids, _ in groups]
    inside, around = (s / np.maximum(n, 1) for s, n in zip(sums, sizes, strict=True))
    floor = 1e-3 * (brightest - darkest) + 1e-9
    value = np.where(sizes[1] > 0, np.log((inside + floor) / (around + floor)), 0.0)
    return {int(k): float(value[k]) for k in np.flatnonzero(sizes[0]) if k}
