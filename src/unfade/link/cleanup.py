"""Clean-up of a finished lineage: divisions that did not last, and tracks too short to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from unfade.link.settings import LinkSettings
from unfade.records import Lineage


class Cleaned(NamedTuple):
    """A lineage after clean-up, and how often each rule was used."""

    lineage: Lineage
    undone_divisions: int  # a daughter vanished at once: the other one is the mother again
    joined_tracks: int  # an only child took over its mother's track without a pause
    removed_tracks: int  # too short and without relatives


class Merge(NamedTuple):
    """A track that lost its object in a frame to one that covers the masks of both."""

    frame: int
    lost: int  # track
    into: int  # track


def without_remerged(lineage: Lineage, merged: Iterable[Merge]) -> Lineage:
    """Undo divisions whose daughters became one object again, for cells that divided do not fuse.

    A daughter that was found again later has not merged: its sister only touched it for a while.
    """
    book = _Book(lineage)
    seen: dict[int, list[Merge]] = {}
    for merge in merged:
        seen.setdefault(merge.lost, []).append(merge)
    for mother in book.mothers():
        for lost in book.children[mother]:
            if any(book.ended_in_sister(mother, merge) for merge in seen.get(lost, [])):
                book.leave_out(mother, lost)
                break
    return book.lineage()


def clean(lineage: Lineage, settings: LinkSettings) -> Lineage:
    """The lineage after clean-up; its ids are a subset of the former ones."""
    return cleaned(lineage, settings).lineage


def cleaned(lineage: Lineage, settings: LinkSettings) -> Cleaned:
    """Undo divisions that did not last, join what they cut, then remove short tracks without relatives.

    A division is undone if one daughter alone vanishes without children within fewer than `daughter_frames` frames,
    before the movie ends: what split for a moment is an object that was cut in two. The daughter that stays goes on
    as the mother; the other one becomes a track without parent.
    """
    book = _Book(lineage)
    undone = sum(book.undo_brief(mother, settings.daughter_frames) for mother in book.mothers())
    joined = sum(book.join_only_child(mother) for mother in book.mothers())
    out, removed = _without_short(book.lineage(), settings.track_frames)
    return Cleaned(out, undone, joined, removed)


class _Book:
    """Tracks and their relatives while they change."""

    def __init__(self, lineage: Lineage) -> None:
        self.source = lineage
        table = lineage.tracks()
        ids = table["track"].tolist()
        self.first: dict[int, int] = dict(zip(ids, table["first"].tolist(), strict=True))
        self.last: dict[int, int] = dict(zip(ids, table["last"].tolist(), strict=True))
        self.children: dict[int, list[int]] = {}
        for child, parent in lineage.parents.tolist():
            self.children.setdefault(parent, []).append(child)
        self.renamed: dict[int, int] = {}
        self.end = int(lineage.frame.max(initial=0))

    def mothers(self) -> list[int]:
        """Tracks with children, those that end late first: what is joined there counts for the earlier ones."""
        return sorted(self.children, key=lambda m: (-self.last[m], m))

    def undo_brief(self, mother: int, frames: int) -> bool:
        """Undo a division into two if exactly one daughter vanished within fewer frames."""
        daughters = self.children[mother]
        brief = [d for d in daughters if self._brief(d, frames)]
        if len(daughters) != 2 or len(brief) != 1:
            return False
        self.leave_out(mother, brief[0])
        return True

    def ended_in_sister(self, mother: int, merge: Merge) -> bool:
        """Whether a daughter of two ended for good by merging into her sister."""
        daughters, sister = self.children[mother], self.now(merge.into)
        ended = self.last[merge.lost] < merge.frame and merge.lost not in self.children
        return len(daughters) == 2 and sister in daughters and sister != merge.lost and ended

    def leave_out(self, mother: int, daughter: int) -> None:
        """Take a daughter of two out of the family; the other one goes on as the mother."""
        (stays,) = [d for d in self.children[mother] if d != daughter]
        self._join(mother, stays)

    def join_only_child(self, mother: int) -> bool:
        """Let an only child that begins after its mother's end go on as the mother."""
        children = self.children.get(mother, [])
        if len(children) != 1 or self.first[children[0]] <= self.last[mother]:
            return False
        self._join(mother, children[0])
        return True

    def lineage(self) -> Lineage:
        """The lineage as it is now."""
        pairs = sorted((c, p) for p, children in self.children.items() for c in children)
        ids, place = np.unique(self.source.track, return_inverse=True)
        track = np.array([self.now(k) for k in ids.tolist()], np.int32)[place]
        return replace(self.source, track=track, parents=np.array(pairs, np.int32).reshape(-1, 2))

    def now(self, track: int) -> int:
        """The id under which a track goes on."""
        while track in self.renamed:
            track = self.renamed[track]
        return track

    def _brief(self, track: int, frames: int) -> bool:
        life = self.last[track] - self.first[track] + 1
        return life < frames and self.last[track] < self.end and track not in self.children

    def _join(self, mother: int, child: int) -> None:
        self.renamed[child] = mother
        self.last[mother] = self.last[child]
        heirs = self.children.pop(child, [])
        del self.children[mother]
        if heirs:
            self.children[mother] = heirs


def _without_short(lineage: Lineage, frames: int) -> tuple[Lineage, int]:
    """Without tracks of fewer nodes than `frames` that have neither parents nor children; also how many."""
    track, count = np.unique(lineage.track, return_counts=True)
    short = np.setdiff1d(track[count < frames], lineage.parents.ravel())
    if len(short) == 0:
        return lineage, 0
    keep = ~np.isin(lineage.track, short)
    nodes = {name: getattr(lineage, name)[keep] for name in ("frame", "label", "track", "confidence")}
    return replace(lineage, **nodes), len(short)
