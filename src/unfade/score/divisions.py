"""Precision, recall and F1 of divisions on the lineage graph, with a tolerance in frames.

A division is an object with two or more successors; a track cut in two rows is still one cell, so this does not depend
on how a table is written (BC(i) does). Matcher: masks that cover more than half of exactly one marker. The counting is
that of the package traccuracy (live-image-tracking-tools), except that of three or more daughters two right ones are
enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unfade.score.graph import edges
from unfade.score.matches import Ints, Matches, Side


@dataclass(frozen=True)
class Divisions:
    """Counts at one tolerance."""

    right: int
    truth: int  # divisions of the truth
    result: int  # divisions of the result
    nodes: tuple[int, ...] = ()  # objects of the truth whose division is right

    @property
    def precision(self) -> float:
        """Right ones among those of the result; NaN if it has none."""
        return self.right / self.result if self.result else math.nan

    @property
    def recall(self) -> float:
        """Right ones among those of the truth; NaN if it has none."""
        return self.right / self.truth if self.truth else math.nan

    @property
    def f1(self) -> float:
        """F1; NaN if the truth has none."""
        return 2 * self.right / (self.truth + self.result) if self.truth else math.nan


@dataclass(frozen=True)
class Lines:
    """Lines of descent of one side, from object to object, with the match of each object on the other side."""

    frame: Ints  # (N,)
    before: Ints  # (N,) the object it comes from, -1 without one
    match: Ints  # (N,) node of the other side, -1 without one of its own

    @classmethod
    def of(cls, side: Side, match: Ints) -> Lines:
        """The lines of a side."""
        link = edges(side)
        before = np.full(len(side.frame), -1)
        before[link.target] = link.source
        return cls(side.frame, before, match)

    @cached_property
    def degree(self) -> Ints:
        """Number of successors of each object, `(N,)`."""
        return np.bincount(self.before[self.before >= 0], minlength=len(self.frame))

    @cached_property
    def _by_source(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.before, kind="stable")
        return order, self.before[order]

    def after(self, node: int) -> list[int]:
        """Successors of an object."""
        order, source = self._by_source
        low, high = np.searchsorted(source, [node, node + 1])
        return [int(k) for k in order[low:high]]

    def back_at(self, node: int, frame: int) -> int:
        """The object that `node` comes from in `frame`, itself included; -1 if there is none."""
        while node >= 0 and self.frame[node] > frame:
            node = int(self.before[node])
        return node if node >= 0 and self.frame[node] == frame else -1

    def divisions(self) -> list[int]:
        """Objects with two or more successors, ascending by frame."""
        return [int(k) for k in np.flatnonzero(self.degree > 1)]

    def branch(self, node: int) -> Iterator[int]:
        """The object and its successors, up to and including the next division."""
        yield node
        while len(following := self.after(node)) == 1:
            node = following[0]
            yield node


def divisions(matches: Matches, tolerance: int) -> list[Divisions]:
    """Counts at the tolerances 0 to `tolerance` frames.

    Without tolerance the parents match and at least two daughters follow right behind on both sides. Divisions that
    differ in time pair up if the earlier parent matches the later one's line in its frame, and if at least two of the
    earlier daughters lead to objects that match the later family. A division at the right object with wrong daughters
    stays wrong at every tolerance.
    """
    truth = Lines.of(matches.truth, matches.single)
    result = Lines.of(matches.result, matches.single_back)
    wanted, got = truth.divisions(), result.divisions()
    right: list[int] = []
    missed, met = [], set()
    for node in wanted:
        other = int(truth.match[node])
        if other < 0 or result.degree[other] < 2:
            missed.append(node)
            continue
        met.add(other)
        partners = [int(truth.match[child]) for child in truth.after(node)]
        if sum(p >= 0 and int(result.before[p]) == other for p in partners) >= 2:
            right.append(node)
    spare = [node for node in got if node not in met]
    out = [Divisions(len(right), len(wanted), len(got), tuple(right))]
    for reach in range(1, tolerance + 1):
        for late in tuple(spare):
            hit = next((n for n in missed if _shifted(truth, n, result, late, reach)), None)
            if hit is not None:
                spare.remove(late)
                missed.remove(hit)
                right.append(hit)
        out.append(Divisions(len(right), len(wanted), len(got), tuple(right)))
    return out


def _shifted(truth: Lines, node: int, result: Lines, other: int, reach: int) -> bool:
    """Whether division `node` of the truth is `other` of the result at a different time, at most `reach` frames off."""
    gap = int(result.frame[other] - truth.frame[node])
    if gap == 0 or abs(gap) > reach:
        return False
    if gap < 0:
        return _leads(result, other, truth, node)
    return _leads(truth, node, result, other)


def _leads(early: Lines, node: int, late: Lines, other: int) -> bool:
    """Whether the early division is the late one, seen from the early side's daughters."""
    source = late.back_at(other, int(early.frame[node]))
    if source < 0 or early.match[node] != source:
        return False
    found = 0
    for daughter in early.after(node):
        partners = (int(early.match[n]) for n in early.branch(daughter))
        found += any(p >= 0 and late.back_at(p, int(late.frame[source])) == source for p in partners)
    return found >= 2
