"""HOTA, CHOTA, MOTA and IDF1 on the challenge's matches.

Before counting, a track whose parent has no other child is joined to that parent: it is the same cell seen again.
Matcher: a mask that covers more than half of a marker matches it; a mask over several markers counts for each of them.
HOTA and CHOTA therefore stand for this one matcher, not for a mean over localisation thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from unfade.score.matches import Floats, Ints, Matches, Side


@dataclass(frozen=True)
class Association:
    """How often each truth track was matched by each result track, tracks joined over one-child parents."""

    truth: Ints  # (P,) track of the truth (its place) of each pair
    result: Ints  # (P,)
    n: Ints  # (P,) frames in which they matched, > 0
    missed: Ints  # (R,) frames of each truth track without a mask
    spare: Ints  # (S,) masks of each result track without a marker
    truth_of: Ints  # (R,) joined track of each truth track: the place of its earliest part
    result_of: Ints  # (S,)

    @property
    def union(self) -> int:
        """Matches, misses and spare masks together."""
        return int(self.n.sum() + self.missed.sum() + self.spare.sum())

    def rows(self) -> Ints:
        """Matches and misses of each truth track, `(R,)`."""
        return _summed(self.truth, self.n, len(self.missed)) + self.missed

    def columns(self) -> Ints:
        """Matches and spare masks of each result track, `(S,)`."""
        return _summed(self.result, self.n, len(self.spare)) + self.spare


def associate(matches: Matches) -> Association:
    """Count the matches between joined tracks."""
    truth_of, result_of = joined(matches.truth), joined(matches.result)
    node = np.flatnonzero(matches.match >= 0)
    a = truth_of[matches.truth.track[node]]
    b = result_of[matches.result.track[matches.match[node]]]
    width = max(len(result_of), 1)
    key, n = np.unique(a * width + b, return_counts=True)
    missed = np.bincount(truth_of[matches.truth.track[matches.match < 0]], minlength=len(truth_of))
    spare = np.bincount(result_of[matches.result.track[matches.covers == 0]], minlength=len(result_of))
    return Association(key // width, key % width, n, missed, spare, truth_of, result_of)


def joined(side: Side) -> Ints:
    """For each track the earliest track that it continues over parents with one child, `(R,)`."""
    root = np.arange(len(side.id))
    follows = side.parent >= 0
    follows[follows] = side.children[side.parent[follows]] == 1
    root[follows] = side.parent[follows]
    while np.any(root[root] != root):
        root = root[root]
    return root


def hota(seen: Association) -> float:
    """HOTA at one matcher: root of the matches' mean association over matches, misses and spare masks.

    Luiten et al., HOTA: a higher order metric for evaluating multi-object tracking, IJCV 129, 2021.
    NaN if there is nothing on either side.
    """
    return rooted(own_weights(seen).sum(), seen.union)


def own_weights(seen: Association) -> Floats:
    """Summed association of the matches of each pair of tracks, `(P,)`."""
    union = seen.rows()[seen.truth] + seen.columns()[seen.result] - seen.n
    return np.multiply(seen.n, seen.n / union, dtype=np.float64)


def chota(seen: Association, truth: Side, result: Side) -> float:
    """CHOTA: HOTA whose association counts a track with all its ancestors and descendants.

    Kaiser et al., CHOTA: a higher order accuracy metric for cell tracking, arXiv 2408.11571, 2024. A wrong or missing
    division breaks the family and is seen. NaN if there is nothing on either side.
    """
    return rooted(family_weights(seen, truth, result).sum(), seen.union)


def family_weights(seen: Association, truth: Side, result: Side) -> Floats:
    """Summed association of the matches of each pair of tracks, each taken with its family, `(P,)`."""
    left, right = _families(truth, seen.truth_of), _families(result, seen.result_of)
    counts = csr_array((seen.n.astype(float), (seen.truth, seen.result)), (left.shape[0], right.shape[0]))
    both = csr_array(left @ counts @ right)
    shared = np.asarray(both[seen.truth, seen.result]).ravel() if len(seen.n) else np.zeros(0)
    union = (left @ seen.rows())[seen.truth] + (right @ seen.columns())[seen.result] - shared
    weights: Floats = np.multiply(seen.n, shared / union, dtype=np.float64)
    return weights


def mota(matches: Matches, seen: Association) -> float:
    """MOTA: 1 minus misses, spare masks, identity switches and surplus matches, over the markers of the truth.

    Bernardin and Stiefelhagen, Evaluating multiple object tracking performance: the CLEAR MOT metrics, EURASIP 2008.
    A mask over m markers gives m - 1 surplus matches. NaN for an empty truth.
    """
    markers = len(matches.match)
    if not markers:
        return math.nan
    surplus = int(np.maximum(matches.covers - 1, 0).sum())
    wrong = int(seen.missed.sum() + seen.spare.sum()) + switches(matches, seen) + surplus
    return 1.0 - wrong / markers


def switches(matches: Matches, seen: Association) -> int:
    """Times that a truth track is matched by another result track than at its match before."""
    return int(switched(matches, seen).sum())


def switched(matches: Matches, seen: Association) -> Ints:
    """The same for each truth track, `(R,)`."""
    node = np.flatnonzero(matches.match >= 0)
    track = seen.truth_of[matches.truth.track[node]]
    by = seen.result_of[matches.result.track[matches.match[node]]]
    order = np.lexsort((matches.truth.frame[node], track))
    track, by = track[order], by[order]
    change = (track[1:] == track[:-1]) & (by[1:] != by[:-1])
    return np.bincount(track[1:][change], minlength=len(seen.missed))


def idf1(seen: Association) -> float:
    """IDF1: F1 of objects whose identity is right, tracks paired one to one so that most are.

    Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking, ECCV workshops 2016.
    NaN if there is nothing on either side.
    """
    right = int(named_right(seen).sum())
    total = int(seen.rows().sum() + seen.columns().sum())
    return 2 * right / total if total else math.nan


def named_right(seen: Association) -> Ints:
    """Most matches that pairs of tracks, one to one, can hold, under one truth track of each connected group `(R,)`."""
    rows = len(seen.missed)
    part = connected(seen.truth, rows + seen.result, rows + len(seen.spare))
    order = np.argsort(part[seen.truth], kind="stable")
    starts = np.flatnonzero(np.diff(part[seen.truth][order], prepend=-1))
    best = np.zeros(rows, np.int64)
    for group in np.split(order, starts[1:]) if len(order) else []:
        i, a = np.unique(seen.truth[group], return_inverse=True)
        j, b = np.unique(seen.result[group], return_inverse=True)
        gain = np.zeros((len(i), len(j)), np.int64)
        gain[a, b] = seen.n[group]
        best[i[0]] = int(gain.max()) if 1 in gain.shape else _best_pairing(gain)
    return best


def connected(a: Ints, b: Ints, size: int) -> Ints:
    """Which part each of 0..size-1 belongs to, `(size,)`, if every `a[k]` and `b[k]` belong together."""
    part = np.arange(size)
    while True:
        lower = part.copy()
        np.minimum.at(lower, part[a], part[b])
        np.minimum.at(lower, part[b], part[a])
        while np.any(lower[lower] != lower):
            lower = lower[lower]
        if np.array_equal(lower[part], part):
            return part
        part = lower[part]


def _best_pairing(gain: Ints) -> int:
    from scipy.optimize import linear_sum_assignment

    return int(gain[linear_sum_assignment(gain, maximize=True)].sum())


def _families(side: Side, root: Ints) -> csr_array[Any, tuple[int, int]]:
    """Which joined tracks are ancestor or descendant of which, each of itself too, `(R, R)`."""
    size = len(side.id)
    own = np.flatnonzero(root == np.arange(size))
    up = np.full(size, -1)
    has = own[side.parent[own] >= 0]
    up[has] = root[side.parent[has]]
    young, old = [own], [own]
    at = own
    above = up[at]
    while np.any(above >= 0):
        at, above = at[above >= 0], above[above >= 0]
        young.append(at)
        old.append(above)
        above = up[above]
    a, b = np.concatenate(young), np.concatenate(old)
    away = a != b
    pairs = (np.concatenate([a, b[away]]), np.concatenate([b, a[away]]))
    return csr_array((np.ones(len(pairs[0])), pairs), (size, size))


def _summed(place: Ints, n: Ints, size: int) -> Ints:
    return np.bincount(place, n, size).astype(np.int64)


def rooted(weight: float, union: int) -> float:
    """Root of the mean association; NaN for nothing."""
    return math.sqrt(weight / union) if union else math.nan
