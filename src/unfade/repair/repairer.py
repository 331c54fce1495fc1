"""The three sweeps of a repair behind one face: look, carry forward, carry backward and paint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unfade.records import LabelImage, Lineage
from unfade.repair.bridge import BridgeBackward, BridgeForward, believed_births
from unfade.repair.consistency import Inspector, Nodes, doubts
from unfade.repair.frames import Carried, Places, SeenFrame
from unfade.repair.motion import Carrier, Motion
from unfade.repair.painting import Repaired, paint_bridged, paint_printed
from unfade.repair.propagate import PrintedBackward, PrintedForward, Spans, plan
from unfade.repair.settings import RepairSettings

Ask = Callable[[int], SeenFrame]


class Repairer:
    """A repair of one movie: what is doubted is known, and frames can be swept.

    `frames_of` sweeps read one frame at a time; what the forward sweep gives must be kept by the caller, on disk for
    long movies, and handed to the backward sweep.
    """

    def __init__(
        self,
        nodes: Nodes,
        parents: NDArray[np.int32],
        settings: RepairSettings,
        motion: Motion | None,
        spans: Spans | None = None,
    ) -> None:
        self.nodes, self.settings = nodes, settings
        self.doubt = doubts(nodes, settings)
        self.trusted = self.doubt < settings.limit
        self.carrier = Carrier(settings.motion, motion, settings.drift)
        self._bounds: dict[int, NDArray[np.int64]] = {}
        order = np.argsort(nodes.frame, kind="stable")
        cuts = np.flatnonzero(np.diff(nodes.frame[order])) + 1
        for at in np.split(order, cuts) if len(order) else []:
            self._bounds[int(nodes.frame[at[0]])] = at
        fresh = int(nodes.track.max(initial=0)) + 1
        self.forward: PrintedForward | BridgeForward
        self.backward: PrintedBackward | BridgeBackward
        if settings.policy == "printed":
            made = plan(nodes, self.doubt, spans or {}, settings)
            everywhere = Places(nodes)
            self.forward = PrintedForward(made, self.carrier, everywhere, settings)
            self.backward = PrintedBackward(made, self.carrier, everywhere, settings)
        else:
            births = believed_births(nodes, self.trusted, parents)
            places = Places(nodes, self.trusted)
            self.forward = BridgeForward(settings.limit, births, self.carrier, places, settings, fresh)
            self.backward = BridgeBackward(self.forward)
        self._parents = parents

    def doubt_of(self, t: int) -> dict[int, float]:
        """Uncertainty of the tracks of a frame."""
        at = self._bounds.get(t, np.zeros(0, np.int64))
        return dict(zip(self.nodes.track[at].tolist(), self.doubt[at].tolist(), strict=True))

    def seen(
        self, t: int, image: NDArray[np.generic], labels: LabelImage, cells: LabelImage | None = None
    ) -> SeenFrame:
        """A frame with what is known of its objects."""
        return SeenFrame(t, image, labels, self.doubt_of(t), cells)

    def sweep_forward(self, frames: Iterable[SeenFrame]) -> Iterator[list[Carried]]:
        """What is carried to each frame from earlier ones, frames in the order of time."""
        state = self.forward.start()
        for item in frames:
            state, out = self.forward.push(state, item)  # type: ignore[arg-type]
            yield out

    def sweep_backward(self, frames: Iterable[tuple[SeenFrame, list[Carried]]]) -> Iterator[Repaired]:
        """Repaired frames, from the last to the first; each comes with what the forward sweep carried to it."""
        state = self.backward.start()
        for item, left in frames:
            state, out = self.backward.push_back(state, item, left)  # type: ignore[arg-type]
            yield self._painted(item, out)

    def _painted(self, item: SeenFrame, carried: list[Carried]) -> Repaired:
        if isinstance(self.backward, PrintedBackward):
            return paint_printed(item, carried)
        joins = self.backward.joins
        tracks = list(item.doubt)
        cells = {k: joins.cell[item.t, k] for k in tracks if (item.t, k) in joins.cell}
        return paint_bridged(item, carried, cells, joins.owners(item.t, tracks), joins.stray, self.settings)

    def parents(self) -> NDArray[np.int32]:
        """Pairs (child, parent) of the repaired movie, those that are believed."""
        if isinstance(self.backward, PrintedBackward):
            return self._parents
        return self.backward.joins.parents(self._parents, self.backward.forward.births)


def inspect(frames: Iterable[tuple[NDArray[np.generic], LabelImage, Mapping[int, float]]]) -> Nodes:
    """All objects of a movie from its frames: image, track ids `(Y, X)` and uncertainties by track."""
    stage = Inspector()
    state = stage.start()
    for image, labels, uncertainty in frames:
        state, _ = stage.push(state, image, labels, uncertainty)
    return stage.finish(state)


def lineage_of(repaired: Mapping[int, Repaired], parents: NDArray[np.int32]) -> Lineage:
    """Nodes and tracks of repaired frames; the confidence of a link is the smaller one of its two objects."""
    rows = [(t, o.track, o.confidence) for t in sorted(repaired) for o in repaired[t].objects]
    frame, track = (np.array([r[k] for r in rows], np.int32) for k in (0, 1))
    sure = np.array([r[2] for r in rows], np.float32)
    order = np.lexsort((frame, track))
    link = np.full(len(rows), np.nan, np.float32)
    same = np.flatnonzero(np.diff(track[order]) == 0) + 1
    link[order[same]] = np.minimum(sure[order[same]], sure[order[same - 1]])
    there = np.isin(parents, track).all(axis=1) if len(parents) else np.zeros(0, bool)
    return replace(Lineage(frame, track, track, link, parents), parents=parents[there])
