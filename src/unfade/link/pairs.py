"""The pairs linker: tracks from blocks of two frames whose objects carry the same id in both.

Paper hourglass, section 2.5 and figure 5. Block t holds frames t − 1 and t. Its objects of frame t − 1 are matched with
those that the block before found there, by highest IoU; so an id of block t becomes a track. What is only in frame t is
new, and descends from the track with the highest IoU in earlier frames, or goes on with it where it was lost. An IoU
below `least` is none. Tracks that split and become one object again within a few frames, and tracks of too few frames,
are undone; a parent ends when its children begin.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unfade.errors import ShapeError
from unfade.link.cleanup import Merge, without_remerged
from unfade.link.settings import LinkSettings
from unfade.ops.overlap import Overlap, contingency
from unfade.ops.relabel import remap
from unfade.records import LabelImage, Lineage

COVERED = 0.5  # share of a lost object that another one must cover to have taken it in

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PairLinks:
    """What was decided about the objects of one frame, ascending by label."""

    frame: int
    label: Ints  # (N,)
    track: Ints  # (N,)
    confidence: NDArray[np.float32]  # (N,) IoU of the match in the frame shared by two blocks; NaN where a track begins


@dataclass(frozen=True)
class PairState:
    """What the linker keeps between two blocks: images of tracks of the last few frames, and small records."""

    images: tuple[LabelImage, ...] = ()  # values are tracks, the latest last
    frames: int = 0
    next_track: int = 1
    past: list[PairLinks] = field(default_factory=list)  # shared by the states of one run
    parents: list[tuple[int, int]] = field(default_factory=list)  # child, parent
    merged: list[Merge] = field(default_factory=list)


class PairLinker:
    """Stage that gives every object of successive blocks of two frames a track."""

    lag = 0
    block = 2

    def __init__(self, settings: LinkSettings = LinkSettings()) -> None:
        self.settings = settings

    def start(self) -> PairState:
        """State before the first block."""
        return PairState()

    def push(self, state: PairState, block: LabelImage) -> tuple[PairState, PairLinks]:
        """Link the objects of the last frame of a block `(2, Y, X)`; before the first frame of a movie is nothing.

        Raises
        ------
        ShapeError
            If the block has not two frames, or not the size of the one before.
        """
        labels = np.asarray(block, np.int32)
        if labels.ndim != 3 or len(labels) != 2:
            raise ShapeError(f"Linker 'pairs' needs two frames per block, got {labels.shape}; use linker 'overlap'.")
        if state.images and state.images[-1].shape != labels.shape[1:]:
            raise ShapeError(f"The linker expects frames of shape {state.images[-1].shape}, got {labels.shape[1:]}.")
        ids = np.unique(labels[1])
        ids = ids[ids > 0].astype(np.int64)
        track, sure = self._matched(state, labels[0], ids)
        number = state.next_track
        new = np.flatnonzero(track == 0)
        track[new] = number + np.arange(len(new))
        number += len(new)
        number = self._descend(state, labels[1], ids, (track, new), number)
        image = remap(labels[1], ids, track)
        if state.images:
            state.merged.extend(_merges(state, image))
        links = PairLinks(state.frames, ids, track, sure)
        state.past.append(links)
        images = (*state.images, image)[-self.settings.gap - 1 :]
        return replace(state, images=images, frames=state.frames + 1, next_track=number), links

    def finish(self, state: PairState) -> Lineage:
        """All tracks and who descends from whom."""
        past, whole = state.past, [np.zeros(0, np.int64)]
        lineage = Lineage(
            frame=np.concatenate(whole + [np.full(len(p.label), p.frame) for p in past]).astype(np.int32),
            label=np.concatenate(whole + [p.label for p in past]).astype(np.int32),
            track=np.concatenate(whole + [p.track for p in past]).astype(np.int32),
            confidence=np.concatenate([np.zeros(0, np.float32)] + [p.confidence for p in past]),
            parents=np.array(sorted(state.parents), np.int32).reshape(-1, 2),
        )
        born = dict(zip(*(lineage.tracks()[name].tolist() for name in ("track", "first")), strict=True))
        soon = [m for m in state.merged if m.frame - born[m.lost] <= self.settings.merge_frames]
        return _without_brief(without_remerged(lineage, soon), self.settings.pair_frames, state.frames)

    def _matched(self, state: PairState, first: LabelImage, ids: Ints) -> tuple[Ints, NDArray[np.float32]]:
        """Track of each object by its match in the shared frame, 0 without one, and the IoU of the match."""
        track, sure = np.zeros(len(ids), np.int64), np.full(len(ids), np.nan, np.float32)
        if not state.images:
            return track, sure
        shared = contingency(first, state.images[-1])
        for mine, other, iou in _best_first(shared):
            place = np.searchsorted(ids, mine)
            if iou >= self.settings.least and place < len(ids) and ids[place] == mine:
                track[place], sure[place] = other, iou
        return track, sure

    def _descend(self, state: PairState, labels: LabelImage, ids: Ints, found: tuple[Ints, Ints], number: int) -> int:
        """Find the parents of new objects and end those parents; gives the next free number of a track."""
        track, new = found
        children: dict[int, list[int]] = {}
        for label, parent in self._parents(state, labels, ids[new], track).items():
            children.setdefault(parent, []).append(int(np.searchsorted(ids, label)))
        for parent, places in children.items():
            on = np.flatnonzero(track == parent)
            if len(on) == 0 and len(places) == 1:  # it was lost and is found again
                track[places[0]] = parent
                continue
            if not self.settings.divisions:
                continue
            for place in on.tolist():  # its own object is one of the children
                track[place] = number
                number += 1
                places = [place, *places]
            state.parents.extend((int(track[place]), parent) for place in places)
        return number

    def _parents(self, state: PairState, labels: LabelImage, new: Ints, track: Ints) -> dict[int, int]:
        """The track with the highest IoU with each new object in earlier frames, latest first, where there is one."""
        ended = {p for _, p in state.parents}
        out: dict[int, int] = {}
        for back, image in enumerate(reversed(state.images)):
            if len(out) == len(new):
                break
            shared = contingency(np.where(np.isin(labels, new), labels, 0), image)
            iou = shared.sparse_iou()
            for k in np.argsort(-iou, kind="stable"):
                mine, owner = int(shared.ids_a[shared.i[k]]), int(shared.ids_b[shared.j[k]])
                alive = owner in track
                if mine in out or iou[k] < self.settings.least or owner in ended or (back > 0 and alive):
                    continue
                out[mine] = owner
        return dict(sorted(out.items()))


def _best_first(shared: Overlap) -> list[tuple[int, int, float]]:
    """Pairs of ids with their IoU, the highest first, each object once."""
    iou = shared.sparse_iou()
    used_a, used_b, out = set(), set(), []
    for k in np.argsort(-iou, kind="stable"):
        a, b = int(shared.ids_a[shared.i[k]]), int(shared.ids_b[shared.j[k]])
        if a not in used_a and b not in used_b:
            used_a.add(a)
            used_b.add(b)
            out.append((a, b, float(iou[k])))
    return out


def _merges(state: PairState, image: LabelImage) -> list[Merge]:
    """Tracks of the frame before that have no object now, and the track whose object covers most of them."""
    shared = contingency(state.images[-1], image)
    share = shared.share_of_a()
    born = {child for child, _ in state.parents}
    out = []
    for k in np.flatnonzero(share > COVERED):
        lost, into = int(shared.ids_a[shared.i[k]]), int(shared.ids_b[shared.j[k]])
        if lost not in shared.ids_b and lost in born:
            out.append(Merge(state.frames, lost, into))
    return out


def _without_brief(lineage: Lineage, frames: int, count: int) -> Lineage:
    """Without tracks of fewer frames that end before the movie does, and without their part in families."""
    table = lineage.tracks()
    brief = (table["last"] - table["first"] + 1 < frames) & (table["last"] < count - 1)
    mothers = set(lineage.parents[:, 1].tolist())
    short = np.array([t for t in table["track"][brief].tolist() if t not in mothers], np.int64)
    keep = ~np.isin(lineage.track, short)
    nodes = {name: getattr(lineage, name)[keep] for name in ("frame", "label", "track", "confidence")}
    return replace(lineage, parents=lineage.parents[~np.isin(lineage.parents, short).any(axis=1)], **nodes)
