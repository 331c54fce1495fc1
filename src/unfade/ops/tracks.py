"""Tracks without gaps: cut nodes (frame, track) into pieces that a challenge table can state in one row each.

A piece covers consecutive frames. It ends where its track lacks a frame and where a child of its track begins, so that
every parent ends before its children begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Uninterrupted parts of tracks, ascending by track, then by time."""

    of_node: Ints  # (N,) piece of each node, in the order in which the nodes were given
    id: Ints  # (P,) the first piece of a track keeps its id, later ones get new ids above all others
    track: Ints  # (P,) id of the track it was cut from
    first: Ints  # (P,) first frame
    last: Ints  # (P,) last frame
    parent: Ints  # (P,) place of the parent among the pieces, -1 without one


def pieces(frame: ArrayLike, track: ArrayLike, parents: ArrayLike) -> Pieces:
    """Cut tracks at their gaps and at the births of their children.

    `frame` and `track` `(N,)` are the nodes in any order, `parents` `(Q, 2)` pairs of child and parent track, of which
    the first pair of a child counts. After a gap the track goes on as a child of its earlier part; a track that lives
    on beside its own child does so as a second child.

    Raises
    ------
    ShapeError
        If an object stands twice in a frame, a pair names a track without nodes, or a child begins before its parent.
    """
    frames, tracks = np.asarray(frame, np.int64).ravel(), np.asarray(track, np.int64).ravel()
    pairs = _one_parent(np.asarray(parents, np.int64).reshape(-1, 2))
    order = np.lexsort((frames, tracks))
    f, t = frames[order], tracks[order]
    same = t[1:] == t[:-1]
    if np.any(same & (f[1:] == f[:-1])):
        k = int(np.flatnonzero(same & (f[1:] == f[:-1]))[0])
        raise ShapeError(f"Track {t[k]} stands twice in frame {f[k]}; an object may be in a frame only once.")
    starts = np.ones(len(t), bool)
    starts[1:] = ~same | (np.diff(f) > 1)
    child, before = _births(f, t, pairs)
    after = before + 1
    live = after < len(t)
    starts[after[live]] |= t[after[live]] == t[before[live]]
    piece = np.cumsum(starts) - 1
    begin = np.flatnonzero(starts)
    of_node = np.empty(len(t), np.int64)
    of_node[order] = piece
    end = np.append(begin[1:], len(t)) - 1 if len(begin) else begin
    owner = t[begin]
    later = np.zeros(len(begin), bool)
    later[1:] = owner[1:] == owner[:-1]
    parent = np.where(later, np.arange(len(begin)) - 1, -1)
    parent[piece[child]] = piece[before]
    ids = owner.copy()
    ids[later] = (int(owner.max()) if len(owner) else 0) + 1 + np.arange(int(later.sum()))
    return Pieces(of_node, ids, owner, f[begin], f[end], parent)


def _one_parent(pairs: Ints) -> Ints:
    _, kept = np.unique(pairs[:, 0], return_index=True)
    return pairs[np.sort(kept)]


def _births(f: Ints, t: Ints, pairs: Ints) -> tuple[Ints, Ints]:
    """Place of each child's first node and of the last node of its parent before it; `f, t` ascend by track, frame."""
    child, parent = pairs[:, 0], pairs[:, 1]
    place = np.searchsorted(t, child)
    for ids, at, who in ((child, place, "child"), (parent, np.searchsorted(t, parent), "parent")):
        known = at < len(t)
        known[known] = t[at[known]] == ids[known]
        if not known.all():
            raise ShapeError(f"Track {ids[~known][0]} is named as a {who} but has no objects; leave the pair out.")
    span = int(f.max(initial=0)) + 2
    before = np.searchsorted(t * span + f, parent * span + f[place]) - 1
    early = (before < 0) | (t[before] != parent)
    if early.any():
        k = int(np.flatnonzero(early)[0])
        raise ShapeError(f"Track {child[k]} begins before its parent {parent[k]}; a parent must come first.")
    return place, before
