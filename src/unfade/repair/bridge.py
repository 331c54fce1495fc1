"""Bridging: gaps are crossed step by step from both ends, and what was lost is joined to what appears where it went.

Beyond paper imperfect, which only lets the next neighbours speak: in a stretch of many frames in which all masks are
doubtful nobody there is certain. Here trusted masks are carried on from frame to frame, forward and backward, at most
`max_age` frames, never over a division; a cell that was trusted only once or twice is carried only between two of its
masks. Where both meet they are blended in place and form, the nearer end weighing
more. A doubted mask that agrees with what was carried stays; so does one that is no less sure than what was carried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.records import LabelImage
from unfade.repair.consistency import STABLE, Nodes
from unfade.repair.frames import Carried, Places, SeenFrame
from unfade.repair.motion import Carrier, Own, Step
from unfade.repair.settings import RepairSettings
from unfade.repair.shapes import Mask, Outline, blended, iou, masks, touched

KEPT_NAME = 0.3  # advantage in IoU of the track that the linker believes in
NEAR = 1.0  # diameters within which the linker is believed though masks do not overlap


@dataclass(frozen=True)
class Births:
    """Divisions that are believed."""

    first: dict[int, int]  # first frame of each daughter's track
    last: dict[int, int]  # first frame in which a mother's track is its daughters'


def believed_births(nodes: Nodes, trusted: NDArray[np.bool_], parents: NDArray[np.int32]) -> Births:
    """Divisions of a trusted mask into trusted masks; `parents` `(P, 2)` are child, parent.

    Where a doubted mask falls apart no cell has divided: neighbours have come apart that were seen as one.
    """
    first: dict[int, int] = {}
    sure_first: dict[int, bool] = {}
    sure_last: dict[int, bool] = {}
    for k in np.argsort(nodes.frame, kind="stable").tolist():
        track, sure = int(nodes.track[k]), bool(trusted[k])
        first.setdefault(track, int(nodes.frame[k]))
        sure_first.setdefault(track, sure)
        sure_last[track] = sure
    daughters: dict[int, list[int]] = {}
    for child, mother in parents.tolist():
        daughters.setdefault(mother, []).append(child)
    believed = {m: c for m, c in daughters.items() if len(c) > 1 and sure_last[m] and all(sure_first[d] for d in c)}
    born = {d: first[d] for children in believed.values() for d in children}
    return Births(born, {m: min(first[d] for d in c) for m, c in believed.items()})


@dataclass
class Joins:
    """Which trusted masks are the same cell: the record of the forward sweep."""

    fresh: int  # next id above all tracks
    cell: dict[tuple[int, int], int] = field(default_factory=dict)  # by (frame, track)
    count: dict[int, int] = field(default_factory=dict)  # trusted masks by cell
    first: dict[int, int] = field(default_factory=dict)  # first frame in which a cell is trusted
    born: dict[int, int] = field(default_factory=dict)  # frame before which a cell was not, by cell
    mother: dict[int, int] = field(default_factory=dict)  # cell that divided, by track
    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # (first frame, cell) by track
    strays: dict[int, int] = field(default_factory=dict)  # cell by doubted track whose own cell is shown elsewhere

    def add(self, t: int, track: int, cell: int) -> None:
        """A trusted mask is one of this cell."""
        self.cell[t, track] = cell
        self.count[cell] = self.count.get(cell, 0) + 1
        runs = self.runs.setdefault(track, [])
        if not runs or runs[-1][1] != cell:
            runs.append((t, cell))

    def owners(self, t: int, tracks: list[int]) -> dict[int, int]:
        """Cells that the masks of these tracks would be in frame t: that of the track's last trusted mask, or next."""
        out = {}
        for track in tracks:
            runs = self.runs.get(track)
            if runs:
                out[track] = next((cell for first, cell in reversed(runs) if first <= t), runs[0][1])
        return out

    def stray(self, track: int) -> int:
        """Cell of a doubted track whose own cell another mask shows: the same in every frame, and no other's."""
        if track not in self.strays:
            self.strays[track], self.fresh = self.fresh, self.fresh + 1
        return self.strays[track]

    def parents(self, pairs: NDArray[np.int32], births: Births) -> NDArray[np.int32]:
        """Pairs (child, parent) of cells, of the divisions that are believed."""
        out = [
            (self.runs[c][0][1], self.mother[m])
            for c, m in pairs.tolist()
            if m in births.last and c in births.first and m in self.mother
        ]
        return np.array(sorted({p for p in out if p[0] != p[1]}), np.int32).reshape(-1, 2)


class Lost(NamedTuple):
    """A cell on its way: carried so far, the track it was last seen in, and how often it was seen."""

    carried: Carried
    track: int


@dataclass(frozen=True)
class BridgeState:
    """The frame before and the cells alive in it, by cell."""

    image: NDArray[np.generic] | None = None
    alive: dict[int, Lost] = field(default_factory=dict)


class BridgeForward:
    """First sweep: carries trusted masks forward and joins what appears to what was lost."""

    lag = 0

    def __init__(
        self, limit: float, births: Births, carrier: Carrier, places: Places, settings: RepairSettings, fresh: int
    ) -> None:
        self.limit, self.births, self.carrier, self.settings = limit, births, carrier, settings
        self.places = places
        self.joins = Joins(fresh=fresh)

    def start(self) -> BridgeState:
        """State before the first frame."""
        return BridgeState()

    def push(self, state: BridgeState, item: SeenFrame) -> tuple[BridgeState, list[Carried]]:
        """Cells that are carried to the next frame because no trusted mask shows them."""
        found = masks(item.labels)
        seen = {k: m for k, m in found.items() if item.doubt.get(k, 0.0) < self.limit}
        gone = {self.joins.mother.get(m) for m, t in self.births.last.items() if t == item.t}
        alive = {cell: lost for cell, lost in state.alive.items() if cell not in gone}
        coming = {cell: lost for cell, lost in alive.items() if lost.track not in seen or lost.carried.age > 0}
        if state.image is not None and coming:
            step = self.carrier.between(item.image, state.image, (item.t, item.t - 1))
            coming = {cell: self.moved(lost, step, item.t) for cell, lost in coming.items()}
        going_on = {lost.track: cell for cell, lost in alive.items() if cell not in coming}
        owner = self._joined(seen, coming, going_on, item.labels)
        now: dict[int, Lost] = {}
        for track, mask in seen.items():
            cell = owner.get(track)
            cell = self._new(track, item.t) if cell is None else cell
            self.joins.add(item.t, track, cell)
            if track in self.births.last:
                self.joins.mother[track] = cell
            now[cell] = Lost(Carried(cell, Outline.of(mask), 0, 1.0 - item.doubt.get(track, 0.0)), track)
        kept = {c: x for c, x in coming.items() if c not in now and x.carried.age <= self.settings.max_age}
        return BridgeState(item.image, now | kept), [lost.carried for lost in kept.values()]

    def finish(self, state: BridgeState) -> list[Carried]:
        """Nothing: every frame's came with it."""
        return []

    def moved(self, lost: Lost, step: Step, t: int) -> Lost:
        """A cell one frame further."""
        outline = lost.carried.outline

        def own() -> Own:
            return Own((*outline.centroid, float(outline.area)), self.places.at(lost.track, t))

        return Lost(lost.carried.older(step.carry(outline, own), self.settings.half_life), lost.track)

    def _new(self, track: int, t: int) -> int:
        """A cell that was not there before; it has its track's id unless another cell has it already."""
        cell = track
        if track in self.joins.first:
            cell, self.joins.fresh = self.joins.fresh, self.joins.fresh + 1
        self.joins.first[cell] = t
        if track in self.births.first and cell == track:
            self.joins.born[cell] = self.births.first[track]
        return cell

    def _joined(
        self, seen: dict[int, Mask], coming: dict[int, Lost], going_on: dict[int, int], labels: LabelImage
    ) -> dict[int, int]:
        """Cell of each seen track, for those that are some cell that was there before; best overlap first."""
        owner = {track: cell for track, cell in going_on.items() if track in seen}
        pairs: list[tuple[float, int, int]] = []
        for cell, lost in coming.items():
            spot = lost.carried.outline.mask((labels.shape[0], labels.shape[1]))
            for track in {*touched(spot, labels), lost.track}:
                if track in owner or track not in seen:
                    continue
                value = self._likeness(lost, spot, track, seen[track])
                if value >= self.settings.join:
                    pairs.append((value, cell, track))
        taken: set[int] = set()
        for _, cell, track in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])):
            if cell not in taken and track not in owner:
                owner[track] = cell
                taken.add(cell)
        return owner

    def _likeness(self, lost: Lost, spot: Mask, track: int, mask: Mask) -> float:
        """IoU of a carried cell and a seen one; the track that the linker believes in comes before others."""
        if track == lost.track:
            (y0, x0), (y1, x1) = lost.carried.outline.centroid, mask.centroid
            near = np.hypot(y1 - y0, x1 - x0) < NEAR * np.sqrt(4 / np.pi * mask.area)
            return max(iou(spot, mask), self.settings.join if near else 0.0) + (KEPT_NAME if near else 0.0)
        return 0.0 if track in self.births.first else iou(spot, mask)


class BridgeBackward:
    """Second sweep, frames in reverse: carries trusted masks backward and blends them with what came forward."""

    lag = 0

    def __init__(self, forward: BridgeForward) -> None:
        self.forward, self.joins, self.settings = forward, forward.joins, forward.settings

    def start(self) -> BridgeState:
        """State after the last frame."""
        return BridgeState()

    def push_back(self, state: BridgeState, item: SeenFrame, left: list[Carried]) -> tuple[BridgeState, list[Carried]]:
        """The carried cells of a frame, from both sides."""
        here = {track for track in np.unique(item.labels).tolist() if (item.t, track) in self.joins.cell}
        cells = {self.joins.cell[item.t, track]: track for track in here}
        coming = {c: x for c, x in state.alive.items() if c not in cells and self._may_go_back(c, item.t, x)}
        if state.image is not None and coming:
            step = self.forward.carrier.between(item.image, state.image, (item.t, item.t + 1))
            coming = {cell: self.forward.moved(lost, step, item.t) for cell, lost in coming.items()}
        found = masks(np.where(np.isin(item.labels, list(here)), item.labels, 0)) if here else {}
        now = {
            cell: Lost(Carried(cell, Outline.of(found[track]), 0, 1.0 - item.doubt.get(track, 0.0)), track)
            for cell, track in cells.items()
        }
        earlier = {c.track: c for c in left}
        later = {cell: lost.carried for cell, lost in coming.items()}
        both = {c: _both(earlier[c], later[c]) for c in earlier.keys() & later.keys()}
        one = {c: x for c, x in (earlier | later).items() if c not in both and self.joins.count[c] >= STABLE}
        return BridgeState(item.image, now | coming), [x for _, x in sorted((both | one).items())]

    def _may_go_back(self, cell: int, t: int, lost: Lost) -> bool:
        return lost.carried.age < self.settings.max_age and t >= self.joins.born.get(cell, 0)


def _both(left: Carried, right: Carried) -> Carried:
    """The two blended, the younger one weighing more."""
    outline = blended(left.outline, right.outline, left.age / (left.age + right.age))
    return Carried(left.track, outline, min(left.age, right.age), max(left.confidence, right.confidence), True)
