"""Divisions: an object that two objects together continue better than either of them alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unfade.link.objects import Floats, Frame, Front, Ints
from unfade.link.settings import LinkSettings
from unfade.link.similarity import Candidates, Shift, similarity, weight


class Division(NamedTuple):
    """A live track that becomes two objects."""

    mother: int  # place in the front
    daughters: tuple[int, int]  # places in the frame
    gain: float  # similarity won by taking both


def divisions(
    front: Front, frame: Frame, found: Candidates, linked: Ints, now: int, shift: Shift, settings: LinkSettings
) -> list[Division]:
    """Mothers and daughters, by falling gain; no object and no track takes part in two.

    A track i that is linked to j (`linked` `(K,)`, -1 for none) divides into j and k if the similarity of i to both
    together exceeds that to j by more than the similarity of k to the track which it is linked to, if any: the total
    similarity of the frame's links grows.
    """
    row, k, first = found.row, found.column, linked[found.row]
    use = (first >= 0) & (first != k)
    row, k, first = row[use], k[use], first[use]
    if len(row) == 0:
        return []
    price = np.zeros(len(frame))
    busy = linked >= 0
    _, price[linked[busy]] = found.find(np.flatnonzero(busy), linked[busy], len(frame))
    shared, alone = found.find(row, first, len(frame))
    area_j, area_k = frame.area[first], frame.area[k]
    area = area_j + area_k
    y = (area_j * frame.y[first] + area_k * frame.y[k]) / area - shift[0]
    x = (area_j * frame.x[first] + area_k * frame.x[k]) / area - shift[1]
    both = similarity(front, row, shared + found.shared[use], area, y, x, settings) * weight(front, row, now)
    return _chosen(row, first, k, both - alone - price[k])


def _chosen(row: Ints, first: Ints, second: Ints, gain: Floats) -> list[Division]:
    out: list[Division] = []
    mothers: set[int] = set()
    taken: set[int] = set()
    for p in np.argsort(-gain, kind="stable").tolist():
        if gain[p] <= 0:
            break
        i, j, k = int(row[p]), int(first[p]), int(second[p])
        if i in mothers or j in taken or k in taken:
            continue
        mothers.add(i)
        taken.update((j, k))
        out.append(Division(i, (min(j, k), max(j, k)), float(gain[p])))
    return out
