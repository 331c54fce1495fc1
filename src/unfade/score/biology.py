"""CT, TF, BC(i), CCA and BIO: what a biologist wants of tracks.

Ulman et al., An objective comparison of cell-tracking algorithms, Nature Methods 14, 2017 (online methods). Matcher: a
mask that covers more than half of a marker matches it, and counts here only if it matches no other marker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unfade.score.matches import Floats, Ints, Matches, Side


def complete_tracks(matches: Matches) -> float:
    """CT: F1 of tracks found as a whole, from the same first to the same last frame, by one result track.

    NaN if neither side has tracks.
    """
    total = len(matches.truth.id) + len(matches.result.id)
    return float(2 * int(found_whole(matches).sum()) / total) if total else math.nan


def found_whole(matches: Matches) -> NDArray[np.bool_]:
    """Truth tracks that one result track holds from the same first to the same last frame, `(R,)`."""
    truth, result = matches.truth, matches.result
    by = _assigned(matches)
    whole = np.zeros(len(truth.id), bool)
    if not len(by):
        return whole
    low, high = (f.reduceat(by, truth.offset[:-1]) for f in (np.minimum, np.maximum))
    held = (low == high) & (low >= 0)
    whole[held] = (truth.first[held] == result.first[low[held]]) & (truth.last[held] == result.last[low[held]])
    return whole


def track_fractions(matches: Matches) -> float:
    """TF as the challenge's programme computes it: mean over detected tracks of their longest stretch in one track.

    The programme gives a result track that holds one reference track in full no share of reference tracks with higher
    labels (kept by py-ctcmetrics for equal numbers). So TF depends on the order of the truth's labels, which the words
    of the definition do not ask for: `longest_fractions` follows those. 0 if no track is detected, NaN without truth.
    """
    return mean_found(fractions(matches))


def fractions(matches: Matches) -> Floats:
    """That share of each track, 0 where it is not detected, `(R,)`."""
    ref, res, share = _stretches(matches)
    order = np.lexsort((ref, res))
    ref, res, full = ref[order], res[order], share[order] == 1
    before = np.cumsum(full) - full
    start = np.searchsorted(res, res)
    counts = before == before[start] if len(res) else full
    return _best(ref[counts], share[order][counts], len(matches.truth.id))


def longest_fractions(matches: Matches) -> float:
    """TF by its words: mean over detected tracks of the longest stretch in one result track, over the track's length.

    0 if no track is detected, NaN without truth.
    """
    ref, _, share = _stretches(matches)
    return mean_found(_best(ref, share, len(matches.truth.id)))


def branching(matches: Matches, tolerance: int) -> tuple[int, int, int]:
    """Divisions that are right, too many and missed: what BC(i) is the F1 of.

    A division is a track with two or more children. Parents must end, and children begin, at most `tolerance` frames
    apart; the parents must match in the last frame in which both live, every child in the first frame in which it and
    its partner live; both sides have as many children.
    """
    truth, result = right_branches(matches, tolerance)
    right = min(len(truth), len(result))
    wanted, got = (int((side.children > 1).sum()) for side in (matches.truth, matches.result))
    return right, got - right, wanted - right


def right_branches(matches: Matches, tolerance: int) -> tuple[Ints, Ints]:
    """Parents of right divisions: tracks of the truth and tracks of the result, ascending."""
    truth, result = matches.truth, matches.result
    a, b = np.flatnonzero(truth.children > 1), np.flatnonzero(result.children > 1)
    near = np.abs(truth.last[a][:, None] - result.last[b][None, :]) <= tolerance
    i, j = np.nonzero(near & (truth.children[a][:, None] == result.children[b][None, :]))
    common = np.minimum(truth.last[a[i]], result.last[b[j]])
    parents = _meets(matches, a[i], b[j], common)
    pairs = [
        (p, q)
        for p, q in zip(a[i[parents]].tolist(), b[j[parents]].tolist(), strict=True)
        if _children_meet(matches, p, q, tolerance)
    ]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return np.unique(both[:, 0]), np.unique(both[:, 1])


def branching_correctness(counted: tuple[int, int, int]) -> float:
    """BC(i): F1 of divisions from their counts (right, too many, missed); NaN if the truth has no division."""
    right, spare, missed = counted
    return 2 * right / (2 * right + spare + missed) if right + missed else math.nan


def cell_cycle_accuracy(truth: Side, result: Side) -> float:
    """CCA: 1 minus the largest difference of the cumulative histograms of cell cycle lengths.

    A cycle is a track that begins and ends with a division. Matching plays no part. NaN if the truth has no whole
    cycle, 0 if only the result has none.
    """
    wanted, got = _cycles(truth), _cycles(result)
    if not len(wanted):
        return math.nan
    if not len(got):
        return 0.0
    size = int(max(wanted.max(), got.max())) + 1
    share = [np.cumsum(np.bincount(lengths, minlength=size) / len(lengths)) for lengths in (wanted, got)]
    return float(1 - np.abs(share[0] - share[1]).max())


def found_tracks(matches: Matches) -> int:
    """Number of true tracks that are detected anywhere: those that TF is a mean over."""
    return int(np.count_nonzero(fractions(matches)))


def bio(parts: Sequence[float]) -> float:
    """BIO: mean of those of CT, TF, BC(i) and CCA that are defined; NaN if none is."""
    known = [value for value in parts if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _assigned(matches: Matches) -> Ints:
    """Result track of each truth node in the order `truth.by_track`, -1 without a mask of its own, `(N,)`."""
    single = matches.single[matches.truth.by_track]
    track = np.append(matches.result.track, -1)
    return track[single]


def _stretches(matches: Matches) -> tuple[Ints, Ints, Floats]:
    """Longest uninterrupted stretch of each (truth track, result track), as a part of the truth track's length."""
    truth = matches.truth
    by, ref = _assigned(matches), truth.track[truth.by_track]
    if not len(by):
        return by, by, np.zeros(0)
    start = np.flatnonzero(np.append(True, (by[1:] != by[:-1]) | (ref[1:] != ref[:-1])))
    length = np.diff(start, append=len(by))
    held = by[start] >= 0
    start, length = start[held], length[held]
    width = len(matches.result.id) + 1
    key, place = np.unique(ref[start] * width + by[start], return_inverse=True)
    longest = np.zeros(len(key), np.int64)
    np.maximum.at(longest, place, length)
    track = key // width
    return track, key % width, longest / (truth.last[track] - truth.first[track] + 1)


def _best(track: Ints, share: Floats, tracks: int) -> Floats:
    best = np.zeros(tracks)
    np.maximum.at(best, track, share)
    return best


def mean_found(best: Floats) -> float:
    """Mean over the tracks that were detected; 0 if none is, NaN without truth."""
    if not len(best):
        return math.nan
    return float(best[best > 0].mean()) if np.any(best > 0) else 0.0


def _meets(matches: Matches, truth_track: Ints, result_track: Ints, frame: Ints) -> NDArray[np.bool_]:
    """Whether the tracks match each other alone in a frame (both live there)."""
    node = matches.truth.node(truth_track, frame)
    other = matches.result.node(result_track, frame)
    single = np.append(matches.single, -1)
    met: NDArray[np.bool_] = (node >= 0) & (other >= 0) & (single[node] == other)
    return met


def _children_meet(matches: Matches, p: int, q: int, tolerance: int) -> bool:
    """Whether every child of truth track `p` meets a child of result track `q` of its own."""
    ours, theirs = np.flatnonzero(matches.truth.parent == p), np.flatnonzero(matches.result.parent == q)
    a, b = np.repeat(ours, len(theirs)), np.tile(theirs, len(ours))
    begin, other = matches.truth.first[a], matches.result.first[b]
    good = (np.abs(begin - other) <= tolerance) & _meets(matches, a, b, np.maximum(begin, other))
    grid = good.reshape(len(ours), len(theirs))
    return bool(grid.any(axis=1).all()) and len(set(grid.argmax(axis=1).tolist())) == len(ours)


def whole_cycles(side: Side) -> Ints:
    """Tracks that begin and end with a division."""
    born = side.parent >= 0
    born[born] = side.children[side.parent[born]] > 1
    return np.flatnonzero(born & (side.children > 1))


def _cycles(side: Side) -> Ints:
    """Last minus first frame of whole cycles."""
    whole = whole_cycles(side)
    return side.last[whole] - side.first[whole]
