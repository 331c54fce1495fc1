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
from unfade.link.cleanup import Merge, without_remerged
from unfade.link.division import Division, divisions, merges
from unfade.link.drift import jump
from unfade.link.objects import Floats, Frame, Front, Ints
from unfade.link.settings import LinkSettings
from unfade.link.similarity import Candidates, Shift, Step, candidates
from unfade.records import LabelImage, Lineage

FEW = 3  # objects that a jump of the stage needs as witnesses
POOR = 0.3  # median IoU below which a jump of the stage is looked for, and above which it is believed


@dataclass(frozen=True)
class FrameLinks:
    """What was decided about the objects of one frame, ascending by label."""

    frame: int
    label: NDArray[np.int32]  # (N,)
    track: NDArray[np.int32]  # (N,)
    confidence: NDArray[np.float32]  # (N,) of the link to the track's previous object, 0..1; NaN where a track begins
    parents: NDArray[np.int32]  # (P, 2) child, parent of the tracks that begin by a division
    merged: NDArray[np.int32]  # (M, 2) track that lost its object, track whose object now covers both
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
        step, found = self._candidates(Step(state.front, Frame.of(image), state.frames, self.settings))
        solve = optimal if self.settings.method == "optimal" else greedy
        linked = solve(found.row, found.column, found.similarity, (len(step.front), len(step.frame)))
        split = divisions(step, found, linked) if self.settings.divisions else []
        for division in split:
            linked[np.isin(linked, division.daughters)] = -1
            linked[division.mother] = -2
        links, next_track = _links(step, found, linked, split, state.next_track)
        state.past.append(links)
        front = _advanced(step, links)
        return replace(state, front=front, frames=state.frames + 1, next_track=next_track), links

    def finish(self, state: LinkState) -> Lineage:
        """All tracks and who descends from whom; divisions whose daughters became one object again are undone."""
        past = state.past
        whole, real = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
        lineage = Lineage(
            frame=np.concatenate(whole + [np.full(len(p.label), p.frame, np.int32) for p in past]),
            label=np.concatenate(whole + [p.label for p in past]),
            track=np.concatenate(whole + [p.track for p in past]),
            confidence=np.concatenate(real + [p.confidence for p in past]),
            parents=np.concatenate([np.zeros((0, 2), np.int32)] + [p.parents for p in past]),
        )
        merged = [Merge(p.frame, lost, into) for p in past for lost, into in p.merged.tolist()]
        return without_remerged(lineage, merged)

    def _candidates(self, step: Step) -> tuple[Step, Candidates]:
        """Pairs that may be linked, with the stage's jump undone where that makes masks overlap again."""
        still, front = candidates(step), step.front
        if not self.settings.drift or front.before is None or min(front.recent, len(step.frame)) < FEW:
            return step, still
        if _usual_overlap(step, still) >= POOR:
            return step, still
        jumped = replace(step, shift=jump(front.before, step.frame))
        moved = candidates(jumped)
        return (jumped, moved) if _usual_overlap(jumped, moved) >= POOR else (step, still)


def _usual_overlap(step: Step, found: Candidates) -> float:
    """Median of the best IoU of the objects of the frame before that are in view after the stage's jump."""
    rows, (height, width), (dy, dx) = step.front.recent, step.frame.labels.shape, step.shift
    y, x = step.front.y[:rows] + dy, step.front.x[:rows] + dx
    seen = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return float(np.median(found.best(found.iou, rows)[seen])) if seen.sum() >= FEW else 0.0


def _links(
    step: Step, found: Candidates, linked: Ints, split: list[Division], next_track: int
) -> tuple[FrameLinks, int]:
    """Tracks of the frame's objects, and the number of the next new track."""
    front, frame = step.front, step.frame
    rows = np.flatnonzero(linked >= 0)
    track, sure = np.zeros(len(frame), np.int32), np.full(len(frame), np.nan, np.float32)
    track[linked[rows]] = front.track[rows]
    sure[linked[rows]] = _confidence(found, rows, linked[rows], len(frame))
    new = np.flatnonzero(track == 0)
    track[new] = next_track + np.arange(len(new))
    parents = sorted((int(track[d]), int(front.track[s.mother])) for s in split for d in s.daughters)
    links = FrameLinks(
        frame=step.now,
        label=frame.label.astype(np.int32),
        track=track,
        confidence=sure,
        parents=np.array(parents, np.int32).reshape(-1, 2),
        merged=front.track[merges(step, found, linked)].astype(np.int32),
        drift_px=step.shift,
    )
    return links, next_track + len(new)


def _confidence(found: Candidates, row: Ints, column: Ints, columns: int) -> Floats:
    """Share of a link's similarity in that of all links that its track or its object could have had."""
    _, own = found.find(row, column, columns)
    of_row = np.bincount(found.row, found.similarity, int(found.row.max(initial=0)) + 1)
    of_column = np.bincount(found.column, found.similarity, columns)
    return np.asarray(own / np.maximum(of_row[row] + of_column[column] - own, 1e-9), np.float64)


def _advanced(step: Step, links: FrameLinks) -> Front:
    """The live tracks after a frame; those that lack more frames than allowed end."""
    front, frame, (dy, dx) = step.front, step.frame, step.shift
    gone = np.isin(front.track, np.append(links.track, links.parents[:, 1]))
    stay = np.flatnonzero(~gone & (front.frame >= step.now - step.settings.gap))
    stay = stay[np.argsort(front.track[stay], kind="stable")]
    track, recent = front.track[stay], stay < front.recent
    lost = front.lost
    if front.before is not None:
        lost = lost.changed(track[~recent], front.before, stay[recent], track[recent])
    lost = lost.moved(step.shift)
    return Front(
        track=np.append(links.track.astype(np.int64), track),
        frame=np.append(np.full(len(frame), links.frame, np.int64), front.frame[stay]),
        area=np.append(frame.area, front.area[stay]),
        y=np.append(frame.y, front.y[stay] + dy),
        x=np.append(frame.x, front.x[stay] + dx),
        before=frame,
        lost=lost,
    )
