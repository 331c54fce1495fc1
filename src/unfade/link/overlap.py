"""The overlap linker: tracks from masks that overlap from frame to frame, tolerant of gaps, with divisions.

It follows the overlap tracker of paper imperfect, section 3.2, decides online (a frame is linked as it comes) and
keeps one label image and the masks of lost tracks, however long the movie is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unfade.errors import ShapeError
from unfade.link.assignment import greedy, optimal
from unfade.link.division import Division, divisions
from unfade.link.drift import jump
from unfade.link.objects import Floats, Frame, Front, Ints
from unfade.link.settings import LinkSettings
from unfade.link.similarity import Candidates, Shift, candidates
from unfade.records import LabelImage, Lineage

FEW = 3  # objects that a jump of the stage needs as witnesses
MOST = 0.5  # share of objects that overlap nothing before a jump is looked for


@dataclass(frozen=True)
class FrameLinks:
    """What was decided about the objects of one frame, ascending by label."""

    frame: int
    label: NDArray[np.int32]  # (N,)
    track: NDArray[np.int32]  # (N,)
    confidence: NDArray[np.float32]  # (N,) of the link to the track's previous object, 0..1; NaN where a track begins
    parents: NDArray[np.int32]  # (P, 2) child, parent of the tracks that begin by a division
    drift_px: Shift  # (y, x) by which the stage jumped since the frame before


@dataclass(frozen=True)
class LinkState:
    """What the linker keeps between two frames; of the past only small records per object."""

    front: Front
    frames: int = 0
    next_track: int = 1
    past: list[FrameLinks] = field(default_factory=list)  # shared by the states of one run


class OverlapLinker:
    """Stage that gives every object of successive label images a track."""

    lag = 0

    def __init__(self, settings: LinkSettings = LinkSettings()) -> None:
        self.settings = settings

    def start(self) -> LinkState:
        """State before the first frame."""
        return LinkState(Front.none())

    def push(self, state: LinkState, labels: LabelImage) -> tuple[LinkState, FrameLinks]:
        """Link the objects of the next frame, `(Y, X)`.

        A state goes on once: pushing two frames into the same state mixes their records.

        Raises
        ------
        ShapeError
            If the frame is not of the size of the one before.
        """
        image = np.asarray(labels, np.int32)
        before = state.front.before
        if image.ndim != 2 or (before is not None and before.labels.shape != image.shape):
            known = "(Y, X)" if before is None else before.labels.shape
            raise ShapeError(f"The linker expects label images of shape {known}, got {image.shape}.")
        frame = Frame.of(image)
        shift, found = self._candidates(state.front, frame, state.frames)
        solve = optimal if self.settings.method == "optimal" else greedy
        linked = solve(found.row, found.column, found.similarity, (len(state.front), len(frame)))
        split: list[Division] = []
        if self.settings.divisions:
            split = divisions(state.front, frame, found, linked, state.frames, shift, self.settings)
        links, next_track = _links(state, frame, found, linked, split, shift)
        state.past.append(links)
        front = _advanced(state.front, frame, links, state.frames - self.settings.gap)
        return replace(state, front=front, frames=state.frames + 1, next_track=next_track), links

    def finish(self, state: LinkState) -> Lineage:
        """All tracks and who descends from whom."""
        past = state.past
        whole, real = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
        return Lineage(
            frame=np.concatenate(whole + [np.full(len(p.label), p.frame, np.int32) for p in past]),
            label=np.concatenate(whole + [p.label for p in past]),
            track=np.concatenate(whole + [p.track for p in past]),
            confidence=np.concatenate(real + [p.confidence for p in past]),
            parents=np.concatenate([np.zeros((0, 2), np.int32)] + [p.parents for p in past]),
        )

    def _candidates(self, front: Front, frame: Frame, now: int) -> tuple[Shift, Candidates]:
        """Pairs that may be linked; with the stage's jump undone where that makes masks overlap again."""
        still = candidates(front, frame, now, (0, 0), self.settings)
        recent = front.recent
        if not self.settings.drift or front.before is None or min(recent, len(frame)) < FEW:
            return (0, 0), still
        if len(np.unique(still.row[(still.shared > 0) & (still.row < recent)])) > (1 - MOST) * recent:
            return (0, 0), still
        shift = jump(front.before, frame)
        moved = candidates(front, frame, now, shift, self.settings)
        better = moved.similarity.sum() > 2 * still.similarity.sum()
        return (shift, moved) if better else ((0, 0), still)


def _links(
    state: LinkState, frame: Frame, found: Candidates, linked: Ints, split: list[Division], shift: Shift
) -> tuple[FrameLinks, int]:
    """Tracks of the frame's objects, and the number of the next new track."""
    linked = linked.copy()
    for division in split:
        linked[division.mother] = -1
        linked[np.isin(linked, division.daughters)] = -1
    rows = np.flatnonzero(linked >= 0)
    track, sure = np.zeros(len(frame), np.int32), np.full(len(frame), np.nan, np.float32)
    track[linked[rows]] = state.front.track[rows]
    sure[linked[rows]] = _confidence(found, rows, linked[rows], len(frame))
    new = np.flatnonzero(track == 0)
    track[new] = state.next_track + np.arange(len(new))
    parents = [(track[d], state.front.track[s.mother]) for s in split for d in s.daughters]
    pairs = np.array(sorted(parents), np.int32).reshape(-1, 2)
    links = FrameLinks(state.frames, frame.label.astype(np.int32), track, sure, pairs, shift)
    return links, state.next_track + len(new)


def _confidence(found: Candidates, row: Ints, column: Ints, columns: int) -> Floats:
    """Share of a link's similarity in that of all links that its track or its object could have had."""
    _, own = found.find(row, column, columns)
    of_row = np.bincount(found.row, found.similarity, int(found.row.max(initial=0)) + 1)
    of_column = np.bincount(found.column, found.similarity, columns)
    return np.asarray(own / np.maximum(of_row[row] + of_column[column] - own, 1e-9), np.float64)


def _advanced(front: Front, frame: Frame, links: FrameLinks, oldest: int) -> Front:
    """The live tracks after a frame; those last seen before frame `oldest` end."""
    gone = np.isin(front.track, np.append(links.track, links.parents[:, 1]))
    stay = np.flatnonzero(~gone & (front.frame >= oldest))
    stay = stay[np.argsort(front.track[stay], kind="stable")]
    track, recent = front.track[stay], stay < front.recent
    lost = front.lost
    if front.before is not None:
        lost = lost.changed(track[~recent], front.before, stay[recent], track[recent])
    lost = lost.moved(links.drift_px)
    return Front(
        track=np.append(links.track.astype(np.int64), track),
        frame=np.append(np.full(len(frame), links.frame, np.int64), front.frame[stay]),
        area=np.append(frame.area, front.area[stay]),
        y=np.append(frame.y, front.y[stay] + links.drift_px[0]),
        x=np.append(frame.x, front.x[stay] + links.drift_px[1]),
        before=frame,
        lost=lost,
    )
