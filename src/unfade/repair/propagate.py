"""Algorithm 1 of paper imperfect to the letter: which masks are replaced, by whom, and in which order.

Decisions follow from the mean uncertainties alone, so they are made for whole tracks first; masks are then moved in two
sweeps over the movie, one forward and one backward, that hold one frame each. What the algorithm leaves open is
decided so:

- frames of equal uncertainty are visited in the order of time;
- a neighbour beyond the track's first or last frame is no neighbour: it fails the test of its side;
- an update that no neighbour lends a mask to changes nothing;
- where the nucleus is missed the uncertainty is infinite, and an infinite neighbour passes the test, as in
  inf ≥ 0.85 · inf; it lends no mask unless it was filled before;
- shift and scale of a nucleus without a mask of its own come from the straight line between the nearest masks of its
  track before and after; a frame without one on either side takes the stage's drift alone;
- θ is in nats of three classes; uncertainties of systems with other classes are entropies over the largest possible
  one, and so is θ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.repair.consistency import Nodes
from unfade.repair.frames import Carried, Places, SeenFrame
from unfade.repair.motion import Carrier, Own, Step
from unfade.repair.settings import RepairSettings
from unfade.repair.shapes import Outline, averaged, masks, united

Floats = NDArray[np.float64]
Spans = dict[int, tuple[int, int]]


class Decision(NamedTuple):
    """What happens to one nucleus of one frame."""

    previous: bool  # takes the mask of the frame before
    following: bool  # takes the mask of the frame after
    previous_updated: bool  # that mask has been updated already
    following_updated: bool


@dataclass(frozen=True)
class Front:
    """The frame before (in the order of the sweep): its masks as seen, and those carried to it."""

    item: SeenFrame | None = None
    lent: dict[int, Carried] = field(default_factory=dict)
    carried: dict[int, Carried] = field(default_factory=dict)


Plan = dict[int, dict[int, Decision]]  # by frame, then by track; nuclei that are not listed stay as they are


def decide(uncertainty: Floats, settings: RepairSettings) -> list[Decision | None]:
    """Decisions for the frames of one track in the order of time, None where the mask stays.

    `uncertainty` `(F,)` is the mean over the nucleus as a share of the largest entropy, infinite without a nucleus.
    With `update = all` every frame takes the masks of all its neighbours, in the same order.
    """
    u = np.asarray(uncertainty, np.float64)
    out: list[Decision | None] = [None] * len(u)
    visited = np.zeros(len(u), bool)
    for f in np.argsort(u, kind="stable").tolist():
        before, after = f > 0, f < len(u) - 1
        previous, following = _sides(u, f, before, after, settings)
        if previous or following:
            updated_before = before and visited[f - 1] and out[f - 1] is not None
            updated_after = after and visited[f + 1] and out[f + 1] is not None
            out[f] = Decision(previous, following, bool(updated_before), bool(updated_after))
        visited[f] = True
    return out


def _sides(u: Floats, f: int, before: bool, after: bool, settings: RepairSettings) -> tuple[bool, bool]:
    """Which neighbours lend their masks to frame `f`: lines 7, 11 and 13 of the algorithm."""
    if settings.update == "all":
        return before, after
    if u[f] < settings.limit:
        return False, False
    if before and after and settings.beta * u[f] >= u[f - 1] and settings.beta * u[f] >= u[f + 1]:
        return True, True
    if before and settings.alpha * u[f] >= u[f - 1]:
        return True, False
    return False, after and bool(settings.alpha * u[f] >= u[f + 1])


def plan(nodes: Nodes, uncertainty: Floats, spans: Spans, settings: RepairSettings) -> Plan:
    """Decisions for all tracks; `spans` are first and last frame in which the cell of a track is known to be there.

    A nucleus is missed where its cell lives and no nucleus is; without cells that is inside the track's own gaps.
    """
    out: Plan = {}
    order = np.lexsort((nodes.frame, nodes.track))
    for at in np.split(order, np.flatnonzero(np.diff(nodes.track[order])) + 1) if len(order) else []:
        track, frames = int(nodes.track[at[0]]), nodes.frame[at]
        first, last = spans.get(track, (int(frames[0]), int(frames[-1])))
        first, last = min(first, int(frames[0])), max(last, int(frames[-1]))
        u = np.full(last - first + 1, np.inf)
        u[frames - first] = uncertainty[at]
        for f, decision in enumerate(decide(u, settings)):
            if decision is not None:
                out.setdefault(first + f, {})[track] = decision
    return out


class PrintedForward:
    """First sweep: what every updated nucleus gets from the frame before it."""

    lag = 0

    def __init__(self, plan: Plan, carrier: Carrier, places: Places, settings: RepairSettings) -> None:
        self.plan, self.carrier, self.places, self.settings = plan, carrier, places, settings

    def start(self) -> Front:
        """State before the first frame."""
        return Front()

    def push(self, state: Front, item: SeenFrame) -> tuple[Front, list[Carried]]:
        """What the frame's nuclei get from the left; frames in the order of time."""
        seen = _lenders(item)
        out: list[Carried] = []
        if state.item is not None:
            here = self.carrier.between(item.image, state.item.image, (item.t, state.item.t))
            back = self.carrier.between(state.item.image, item.image, (state.item.t, item.t))
            for track, decision in self.plan.get(item.t, {}).items():
                if not decision.previous:
                    continue
                lent = state.lent.get(track)
                if decision.previous_updated:
                    earlier = self.plan[item.t - 1][track]
                    right = None
                    if earlier.following and track in seen:
                        right = self.moved(seen[track], back, item.t - 1)
                    lent = merged(state.carried.get(track), right, self.settings) or lent
                if lent is not None:
                    out.append(self.moved(lent, here, item.t))
        return Front(item, seen, {c.track: c for c in out}), out

    def finish(self, state: Front) -> list[Carried]:
        """Nothing: every frame's came with it."""
        return []

    def moved(self, lent: Carried, step: Step, t: int) -> Carried:
        """A nucleus one frame further."""

        def own() -> Own:
            return Own((*lent.outline.centroid, float(lent.outline.area)), self.places.at(lent.track, t))

        return lent.older(step.carry(lent.outline, own), self.settings.half_life)


class PrintedBackward(PrintedForward):
    """Second sweep, frames in reverse: what comes from the frame after, joined with what came from the one before."""

    def push_back(self, state: Front, item: SeenFrame, left: list[Carried]) -> tuple[Front, list[Carried]]:
        """The updated nuclei of a frame."""
        given = {c.track: c for c in left}
        final: dict[int, Carried] = {}
        step = (
            None if state.item is None else self.carrier.between(item.image, state.item.image, (item.t, state.item.t))
        )
        for track, decision in self.plan.get(item.t, {}).items():
            right = None
            if decision.following and step is not None:
                lent = state.lent.get(track)
                lent = state.carried.get(track, lent) if decision.following_updated else lent
                right = None if lent is None else self.moved(lent, step, item.t)
            joined = merged(given.get(track), right, self.settings)
            if joined is not None:
                final[track] = joined
        return Front(item, _lenders(item), final), list(final.values())


def merged(left: Carried | None, right: Carried | None, settings: RepairSettings) -> Carried | None:
    """Line 10 of the algorithm, or the average weighted by certainty; one side alone is taken as it is.

    Certainty of a pixel is that of its mask times its distance to the outline, at most 2 px, over 2 px.
    """
    if left is None or right is None:
        return right if left is None else left
    if settings.fusion == "union":
        outline = united(left.outline, right.outline)
    else:
        outline = averaged(left.outline, right.outline, left.confidence, right.confidence)
    return Carried(left.track, outline, min(left.age, right.age), max(left.confidence, right.confidence))


def _lenders(item: SeenFrame) -> dict[int, Carried]:
    """The masks of a frame as they were seen."""
    return {
        track: Carried(track, Outline.of(mask), 0, 1.0 - item.doubt.get(track, 0.0))
        for track, mask in masks(item.labels).items()
    }
