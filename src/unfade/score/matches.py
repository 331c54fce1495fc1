"""One pass over result and truth: which result mask covers which marker, and how well the outlines agree.

Everything that the tracking measures need is kept as small arrays over objects; no image outlives its frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.errors import ShapeError, TruthError, UnfadeError
from unfade.ops.overlap import Overlap, contingency
from unfade.ops.tracks import pieces

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
LabelFrames = Iterable[NDArray[Any]]

COLUMNS = ("track", "first", "last", "parent")
UNMATCHED = -1


@dataclass(frozen=True)
class Side:
    """Objects and tracks of the result or of the truth, every track without gaps.

    Node n is an object: track `track[n]` (a place, not an id) in frame `frame[n]`; nodes ascend by frame. Tracks
    ascend by `id`.
    """

    frame: Ints  # (N,)
    track: Ints  # (N,)
    id: Ints  # (R,)
    first: Ints  # (R,)
    last: Ints  # (R,)
    parent: Ints  # (R,) place of the parent track, -1 without one
    cuts: int = 0  # tracks more than the table had rows: cut at gaps and where a parent outlived a child's birth

    @cached_property
    def by_track(self) -> Ints:
        """Order of the nodes by track, then by frame, `(N,)`."""
        return np.lexsort((self.frame, self.track))

    @cached_property
    def offset(self) -> Ints:
        """Track r owns the places `offset[r]:offset[r + 1]` of `by_track`, `(R + 1,)`."""
        return np.searchsorted(self.track[self.by_track], np.arange(len(self.id) + 1))

    @cached_property
    def children(self) -> Ints:
        """Number of children of each track, `(R,)`."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.id))

    def node(self, track: Ints, frame: Ints) -> Ints:
        """Node of each track in each frame (shapes broadcast); -1 where the track does not live."""
        track, frame = np.broadcast_arrays(track, frame)
        lives = (frame >= self.first[track]) & (frame <= self.last[track])
        place = self.offset[track] + np.where(lives, frame - self.first[track], 0)
        return np.where(lives, self.by_track[place], UNMATCHED)


@dataclass(frozen=True)
class Outlines:
    """Objects of the segmentation truth, each with the IoU of the result mask that covers more than half of it."""

    frame: Ints  # (S,)
    id: Ints  # (S,)
    iou: Floats  # (S,) 0 where no mask covers more than half
    frames: int  # frames with a segmentation truth


@dataclass(frozen=True)
class Matches:
    """What one pass over a sequence found.

    A marker of the truth is matched by the result mask that covers more than half of its pixels; no two masks can.
    """

    truth: Side
    result: Side
    match: Ints  # (N,) result node of each truth node, -1 without one
    frames: int
    outlines: Outlines

    @cached_property
    def covers(self) -> Ints:
        """How many markers each result mask matches, `(M,)`."""
        return np.bincount(self.match[self.match >= 0], minlength=len(self.result.frame))

    @cached_property
    def single(self) -> Ints:
        """Result node of each truth node where that mask matches no other marker, else -1, `(N,)`."""
        covers = np.append(self.covers, 0)  # the place -1 stands for no mask
        return np.where(covers[self.match] == 1, self.match, UNMATCHED)

    @cached_property
    def single_back(self) -> Ints:
        """Truth node of each result node that matches exactly one marker, else -1, `(M,)`."""
        back = np.full(len(self.result.frame), UNMATCHED)
        hit = np.flatnonzero(self.single >= 0)
        back[self.single[hit]] = hit
        return back


def match_sequence(
    pred: LabelFrames,
    pred_tracks: pd.DataFrame | None,
    truth: LabelFrames,
    truth_tracks: pd.DataFrame | None,
    seg_truth: Mapping[int, NDArray[Any]] | None = None,
) -> Matches:
    """Match a result to the truth in one pass, holding one frame of each at a time.

    `pred` and `truth` yield integer label images `(Y, X)` whose values are track ids, 0 is background; the tables have
    the columns `track, first, last, parent` (0 = none), as `Lineage.tracks()` gives them, or are None: then each id is
    a track without parent. `seg_truth` maps frame numbers to label images of outlines; it may load them when asked.
    A track that lacks frames, or outlives the birth of its child, is cut there and goes on as a child of its earlier
    part, as the challenge's format wants it.

    Raises
    ------
    ShapeError
        For different numbers of frames, different shapes, images that are not integers, or a result table that does
        not fit its images.
    TruthError
        For a truth table that does not fit its images.
    """
    parts: list[Overlap] = []
    outlines: list[tuple[int, Overlap]] = []
    wanted = seg_truth if seg_truth is not None else {}
    for t, (mask, marker) in enumerate(_together(pred, truth)):
        parts.append(frame_overlap(marker, mask, t))
        if t in wanted:
            outlines.append((t, frame_overlap(wanted[t], mask, t)))
    beyond = [t for t in wanted if not 0 <= t < len(parts)]
    if beyond:
        raise ShapeError(f"The segmentation truth has frame {beyond[0]}, but the sequence has {len(parts)} frames.")
    return match_overlaps(parts, pred_tracks, truth_tracks, outlines)


def match_overlaps(
    parts: Sequence[Overlap],
    pred_tracks: pd.DataFrame | None,
    truth_tracks: pd.DataFrame | None,
    outlines: Sequence[tuple[int, Overlap]] = (),
) -> Matches:
    """Match a result to the truth from the overlap of every frame: `a` are the truth's markers, `b` the result's masks.

    `outlines` holds the frames with a segmentation truth and its overlap with the masks; tables as `match_sequence`.

    Raises
    ------
    ShapeError, TruthError
        If a table does not fit its images.
    """
    left = _side([p.ids_a for p in parts], truth_tracks, "truth", TruthError)
    right = _side([p.ids_b for p in parts], pred_tracks, "result", ShapeError)
    return Matches(left, right, _joined(parts), len(parts), _outlines(outlines))


def _together(pred: LabelFrames, truth: LabelFrames) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Frames in pairs; unlike zip it tells how many frames either side has when they differ."""
    missing: Any = object()
    left, right = iter(pred), iter(truth)
    for t, (mask, marker) in enumerate(zip_longest(left, right, fillvalue=missing)):
        if mask is missing or marker is missing:
            rest = 1 + sum(1 for _ in (right if mask is missing else left))
            counts = (t, t + rest) if mask is missing else (t + rest, t)
            raise ShapeError(
                f"The result has {counts[0]} frames and the truth {counts[1]}; score sequences of one length."
            )
        yield mask, marker


def frame_overlap(truth: NDArray[Any], mask: NDArray[Any], t: int) -> Overlap:
    """Overlap of truth (a) and result (b) in frame `t`.

    Raises
    ------
    ShapeError
        For different shapes and images that are not integers; the text names the frame.
    """
    try:
        return contingency(truth, mask)
    except ShapeError as error:
        raise ShapeError(f"Frame {t} of truth and result cannot be compared: {error}") from None


def _covering(seen: Overlap) -> tuple[Ints, Ints]:
    """Pairs of `seen` (as places in its pairs, and the truth's object) that share more than half of the truth."""
    pair = np.flatnonzero(2 * seen.n > seen.area_a[seen.i])
    return pair, seen.i[pair]


def _joined(parts: Sequence[Overlap]) -> Ints:
    """Result node of each truth node, nodes numbered in the order of frames, then ids."""
    found, base = [np.zeros(0, np.int64)], 0
    for seen in parts:
        pair, object_ = _covering(seen)
        match = np.full(len(seen.ids_a), UNMATCHED)
        match[object_] = seen.j[pair] + base
        found.append(match)
        base += len(seen.ids_b)
    return np.concatenate(found)


def _outlines(parts: Sequence[tuple[int, Overlap]]) -> Outlines:
    frame, ids, iou = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for t, seen in parts:
        pair, object_ = _covering(seen)
        values = np.zeros(len(seen.ids_a))
        values[object_] = seen.sparse_iou()[pair]
        frame.append(np.full(len(values), t))
        ids.append(seen.ids_a)
        iou.append(values)
    return Outlines(np.concatenate(frame), np.concatenate(ids), np.concatenate(iou), len(parts))


def _side(ids: list[Ints], table: pd.DataFrame | None, who: str, error: type[UnfadeError]) -> Side:
    """Objects and tracks of one side; `ids` are the labels of each frame."""
    frame = np.repeat(np.arange(len(ids)), [len(i) for i in ids])
    label = np.concatenate([np.zeros(0, np.int64), *ids])
    parents = np.zeros((0, 2), np.int64)
    if table is not None:
        rows = _checked(table, frame, label, who, error)
        parents = rows[rows[:, 3] > 0][:, [0, 3]]
    try:
        cut = pieces(frame, label, parents)
    except ShapeError as problem:
        raise error(f"The tracks of the {who} cannot be used: {problem}") from None
    order = np.argsort(cut.id)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    parent = np.where(cut.parent >= 0, place[cut.parent], -1)[order] if len(order) else cut.parent
    spare = len(order) - len(np.unique(cut.track))
    return Side(frame, place[cut.of_node], cut.id[order], cut.first[order], cut.last[order], parent, spare)


def _checked(table: pd.DataFrame, frame: Ints, label: Ints, who: str, error: type[UnfadeError]) -> Ints:
    """The rows `(R, 4)` of a track table, ascending by track, once they agree with the images."""
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise error(f"The track table of the {who} lacks the column '{absent[0]}'; it needs {', '.join(COLUMNS)}.")
    rows = table[list(COLUMNS)].to_numpy(np.int64)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    ids = rows[:, 0]
    if np.any(ids[1:] == ids[:-1]):
        raise error(f"The track table of the {who} has two rows for track {ids[1:][ids[1:] == ids[:-1]][0]}; keep one.")
    seen, place = np.unique(label, return_inverse=True)
    for these, others, text in (
        (seen, ids, "is in its images but has no row in its track table"),
        (ids, seen, "has a row in its track table but no pixels"),
        (rows[:, 3][rows[:, 3] != 0], ids, "is named as a parent but has no row in its track table"),
    ):
        lost = np.setdiff1d(these, others)
        if len(lost):
            raise error(f"Label {lost[0]} of the {who} {text} ({len(lost)} such); `unfade validate` lists every fault.")
    first, last = np.full(len(seen), np.iinfo(np.int64).max), np.full(len(seen), -1)
    np.minimum.at(first, place, frame)
    np.maximum.at(last, place, frame)
    off = np.flatnonzero((first != rows[:, 1]) | (last != rows[:, 2]))
    if len(off):
        k = off[0]
        raise error(
            f"Track {ids[k]} of the {who} is stated for frames {rows[k, 1]} to {rows[k, 2]}, but its images hold it in "
            f"{first[k]} to {last[k]}; `unfade validate` lists every fault."
        )
    return rows
