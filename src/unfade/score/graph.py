"""Operations that turn the result's lineage graph into the truth's: the acyclic oriented graph measure.

Matula et al., Cell tracking accuracy measurement based on comparison of acyclic oriented graphs, PLoS ONE 10(12),
2015. Vertices are objects, edges are links from frame to frame and from parent to child.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfade.score.matches import Ints, Matches, Side


@dataclass(frozen=True)
class Weights:
    """Price of each operation; the defaults are those of the challenge (Matula 2015)."""

    ns: float = 5.0
    fn: float = 10.0
    fp: float = 1.0
    ed: float = 1.0
    ea: float = 1.5
    ec: float = 1.0


CHALLENGE = Weights()


@dataclass(frozen=True)
class Operations:
    """Counted operations, and the size of the truth's graph."""

    ns: int  # splits: a mask that matches m markers needs m - 1
    fn: int  # markers without a mask
    fp: int  # masks without a marker
    ed: int  # edges to delete
    ea: int  # edges to add
    ec: int  # edges of the wrong kind: link within a track against link from parent to child
    vertices: int
    edges: int

    def vertex_cost(self, weights: Weights = CHALLENGE) -> float:
        """Price of the operations on objects (AOGM-D)."""
        return weights.ns * self.ns + weights.fn * self.fn + weights.fp * self.fp

    def edge_cost(self, weights: Weights = CHALLENGE) -> float:
        """Price of the operations on edges (AOGM-A)."""
        return weights.ed * self.ed + weights.ea * self.ea + weights.ec * self.ec

    def cost(self, weights: Weights = CHALLENGE) -> float:
        """Price of all operations (AOGM)."""
        return self.vertex_cost(weights) + self.edge_cost(weights)


@dataclass(frozen=True)
class Edges:
    """Edges of a lineage graph between node numbers of one side."""

    source: Ints  # (E,)
    target: Ints  # (E,)
    parental: NDArray[np.bool_]  # (E,) from parent to child; otherwise within a track


def edges(side: Side) -> Edges:
    """Links of every track from frame to frame, and from each parent's last object to its child's first."""
    order = side.by_track
    inside = side.track[order[1:]] == side.track[order[:-1]]
    child = np.flatnonzero(side.parent >= 0)
    parent = side.parent[child]
    source = np.concatenate([order[:-1][inside], side.node(parent, side.last[parent])])
    target = np.concatenate([order[1:][inside], side.node(child, side.first[child])])
    return Edges(source, target, np.arange(len(source)) >= int(inside.sum()))


def operations(matches: Matches) -> Operations:
    """Count what must be done to the result to make it the truth.

    Edges are compared only between masks that match exactly one marker (Matula 2015).
    """
    truth, result = (np.zeros(len(side.id), np.int64) for side in (matches.truth, matches.result))
    return Operations(*operations_by(matches, truth, result, 1)[0].tolist())


def operations_by(matches: Matches, truth: Ints, result: Ints, size: int) -> Ints:
    """The same counts, in the order of `Operations`, for each part of the graph `(size, 8)`.

    `truth` and `result` hold the part that each track belongs to, `(R,)`; a match never joins two parts.
    """
    reference, computed = edges(matches.truth), edges(matches.result)
    of_truth, of_result = truth[matches.truth.track], result[matches.result.track]
    back = matches.single_back
    source, target = back[computed.source], back[computed.target]
    kept = (source >= 0) & (target >= 0)
    n = len(matches.truth.frame)
    wanted = reference.source * n + reference.target
    got = source[kept] * n + target[kept]
    order = np.argsort(wanted)
    place = np.searchsorted(wanted[order], got)
    found = place < len(wanted)
    found[found] = wanted[order][place[found]] == got[found]
    wrong = reference.parental[order][place[found]] != computed.parental[kept][found]
    origin, hit = of_result[computed.source[kept]], np.bincount(of_result[computed.source[kept]][found], minlength=size)
    links = np.bincount(of_truth[reference.source], minlength=size)
    columns = (
        _summed(of_result, np.maximum(matches.covers - 1, 0), size),
        np.bincount(of_truth[matches.match < 0], minlength=size),
        np.bincount(of_result[matches.covers == 0], minlength=size),
        np.bincount(origin[~found], minlength=size),
        links - hit,
        np.bincount(origin[found][wrong], minlength=size),
        np.bincount(of_truth, minlength=size),
        links,
    )
    return np.stack(columns, axis=1)


def _summed(place: Ints, n: Ints, size: int) -> Ints:
    return np.bincount(place, n, size).astype(np.int64)
