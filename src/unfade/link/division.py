"""Divisions and merges: two masks that, taken together, fit one object better than either of them does alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unfade.link.objects import Floats, Ints
from unfade.link.similarity import Candidates, Step, similarity


class Division(NamedTuple):
    """A live track that becomes two objects."""

    mother: int  # place in the front
    daughters: tuple[int, int]  # places in the frame


def divisions(step: Step, found: Candidates, linked: Ints) -> list[Division]:
    """Mothers and daughters, the surest first; no object and no track takes part in two.

    A track i that is linked to j (`linked` `(K,)`, -1 for none) divides into j and k if the similarity of i to both
    together exceeds that to j by more than the similarity of k to the track which it is linked to, if any: the total
    similarity of the frame's links grows.
    """
    columns = len(step.frame)
    i, k, j = found.row, found.column, linked[found.row]
    use = (j >= 0) & (j != k)
    i, k, j = i[use], k[use], j[use]
    price = np.zeros(columns)
    busy = np.flatnonzero(linked >= 0)
    price[linked[busy]] = found.find(busy, linked[busy], columns)[1]
    shared, alone = found.find(i, j, columns)
    pair = step.after(j) | step.after(k)
    both = similarity(step.before(i), pair, shared + found.shared[use], step.front.stride[i], step.settings)
    return _chosen(i, j, k, both * step.weight(i) - alone - price[k])


def merges(step: Step, found: Candidates, linked: Ints) -> Ints:
    """Pairs `(M, 2)` of places in the front: a track without object, and one whose object covers the masks of both.

    This is the test of `divisions` with time reversed; only masks of the frame before take part. `linked` `(K,)` is
    the object of each track, -1 for none and -2 for tracks that divided.
    """
    columns, fresh = len(step.frame), step.front.frame == step.now - 1
    holder = np.full(columns, -1, np.int64)
    busy = np.flatnonzero((linked >= 0) & fresh)
    holder[linked[busy]] = busy
    k, o, j = found.row, found.column, holder[found.column]
    use = (linked[k] == -1) & fresh[k] & (j >= 0)
    k, o, j = k[use], o[use], j[use]
    shared, alone = found.find(j, o, columns)
    pair = step.before(j) | step.before(k)
    gain = similarity(pair, step.after(o), shared + found.shared[use], step.front.stride[j], step.settings) - alone
    order = np.argsort(-gain, kind="stable")
    order = order[gain[order] > 0]
    best = order[np.sort(np.unique(k[order], return_index=True)[1])]  # a lost track merges once
    return np.stack([k[best], j[best]], axis=1)


def _chosen(i: Ints, j: Ints, k: Ints, gain: Floats) -> list[Division]:
    out: list[Division] = []
    taken: set[int] = set()
    mothers: set[int] = set()
    for p in np.argsort(-gain, kind="stable").tolist():
        if gain[p] <= 0:
            break
        mother, pair = int(i[p]), {int(j[p]), int(k[p])}
        if mother in mothers or pair & taken:
            continue
        mothers.add(mother)
        taken |= pair
        out.append(Division(mother, (min(pair), max(pair))))
    return out
