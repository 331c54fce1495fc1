"""What the sweeps of repair hand to each other, one frame at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.records import LabelImage
from unfade.repair.consistency import Nodes
from unfade.repair.shapes import Outline

Spot = tuple[float, float, float]  # y, x, area


@dataclass(frozen=True)
class SeenFrame:
    """A frame as it was segmented and linked."""

    t: int
    image: NDArray[Any]  # (Y, X)
    labels: LabelImage  # (Y, X) track ids
    doubt: Mapping[int, float] = field(default_factory=dict)  # by track, 0..1
    cells: LabelImage | None = None  # (Y, X) whole cells, ids of their tracks


class Carried(NamedTuple):
    """A nucleus that was carried to a frame."""

    track: int
    outline: Outline
    age: int  # frames since it was seen
    confidence: float
    enclosed: bool = False  # seen before and after

    def older(self, outline: Outline, half_life: float) -> Carried:
        """The same nucleus one frame further."""
        return Carried(self.track, outline, self.age + 1, self.confidence * 0.5 ** (1 / half_life))


class Places:
    """Centroid and area of the objects of a track, also in frames between those in which it was seen."""

    def __init__(self, nodes: Nodes, use: NDArray[np.bool_] | None = None) -> None:
        keep = np.flatnonzero(np.ones(len(nodes), bool) if use is None else use)
        order = keep[np.lexsort((nodes.frame[keep], nodes.track[keep]))]
        parts = np.split(order, np.flatnonzero(np.diff(nodes.track[order])) + 1) if len(order) else []
        self._nodes = nodes
        self._of = {int(nodes.track[at[0]]): at for at in parts}

    def at(self, track: int, t: int) -> Spot | None:
        """y, x and area in frame t, on a straight line (of the logarithm for the area) within gaps; None outside."""
        at = self._of.get(track)
        nodes = self._nodes
        if at is None or not nodes.frame[at[0]] <= t <= nodes.frame[at[-1]]:
            return None
        frames = nodes.frame[at]
        y, x = (float(np.interp(t, frames, v[at])) for v in (nodes.y, nodes.x))
        return y, x, float(np.exp(np.interp(t, frames, np.log(nodes.area[at]))))
