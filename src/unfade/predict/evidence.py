"""What the frames around say about a pixel: their log-odds of being foreground, averaged over time.

A window shows a network what a nucleus looked like before and looks like later, but it decides every frame by itself,
and where the signal is faint it wavers. Nuclei do not come and go from frame to frame; the average, in which frames
weigh less the farther they are, is what the movie as a whole says. Frames in which nuclei lie elsewhere are not heard:
nothing is moved here. Votes and everything else are those of the frame.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.predict.engine import Ends
from unfade.predict.stitched import Part, find_part, joined, parts_of
from unfade.predict.windows import Held, WindowPredictor, WindowStage
from unfade.records import Evidence, Instances

Maps = NDArray[np.float32]

MOST = 4.6  # nats, a probability of 0.99: no single frame says more
STEP = MOST / 127  # of log-odds that are kept
UNLIKE, ALIKE = 0.4, 0.6  # overlap of two foregrounds up to which a frame is not heard, and from which it is in full


class Kept(NamedTuple):
    """Maps of one part of a frame until the frames after it are known."""

    odds: NDArray[np.int8]  # (Y, X) log-odds of the foreground in units of `STEP`
    rest: NDArray[np.float16]  # (K - 1, Y, X) all other maps
    coarse: NDArray[np.uint8]  # foreground of every second row and column, 0 to 255


@dataclass
class Waiting(Held):
    """Besides frames, the maps of those whose neighbours are not all known, and of the neighbours, by frame."""

    maps: dict[int, list[Kept]] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)


class EvidenceStage(WindowStage):
    """Objects of every frame, as late as its window and its evidence look ahead."""

    def __init__(self, predictor: WindowPredictor, channel: int, zoom: float, ends: Ends | None = None) -> None:
        super().__init__(predictor, channel, zoom, ends)
        view = predictor.system.view
        if view.evidence is None:
            raise TypeError("this view sums no evidence")
        self.evidence: Evidence = view.evidence
        self.lag = view.future + self.evidence.future
        self.memory = view.past + self.evidence.past if ends is not None else None

    def start(self) -> Waiting:
        """No frame yet."""
        return Waiting()

    def push(self, state: Held, frame: NDArray[Any]) -> tuple[Waiting, list[Instances]]:
        """Take the next frame `(C, Y, X)`; the objects of the frame that now has all its later ones."""
        assert isinstance(state, Waiting)
        state.size = (frame.shape[-2], frame.shape[-1])
        self._take(state, frame)
        ready = state.pushed - 1 - self.predictor.system.view.future
        if ready < 0:
            return state, []
        state.maps[ready] = self._kept(state, ready)
        ready -= self.evidence.future
        return state, [self._decided(state, ready)] if ready >= 0 else []

    def finish(self, state: Held) -> list[Instances]:
        """Objects of the last frames, which have fewer later ones or none."""
        assert isinstance(state, Waiting)
        ahead = self.predictor.system.view.future
        for t in range(max(0, state.pushed - ahead), state.pushed):
            state.maps[t] = self._kept(state, t)
        first = max(0, state.pushed - ahead - self.evidence.future)
        return [self._decided(state, t) for t in range(first, state.pushed)]

    def _kept(self, state: Waiting, t: int) -> list[Kept]:
        """Maps of the parts of a frame; large frames are taken in several."""
        began = time.perf_counter()
        window, ends = self._window(state, t)
        out = []
        for y0, x0, y1, x1 in (part.seen for part in self._parts(state)):
            piece = np.ascontiguousarray(window[:, y0:y1, x0:x1])
            maps = self.predictor.maps(piece, self.zoom, ends)
            coarse = np.rint(255 * np.clip(maps[0, ::2, ::2], 0, 1)).astype(np.uint8)
            out.append(Kept(_odds(maps[0]), maps[1:].astype(np.float16), coarse))
        self.seconds += time.perf_counter() - began
        return out

    def _decided(self, state: Waiting, t: int) -> Instances:
        """Objects of a frame whose neighbours are known."""
        began = time.perf_counter()
        parts, first = self._parts(state), t - self.evidence.past
        near = [k for k in range(first, t + self.evidence.future + 1) if k in state.maps]
        weights = {k: self._weight(state, t, k) for k in near}
        found = []
        for n, part in enumerate(parts):
            own = state.maps[t][n]
            inside = averaged([(state.maps[k][n].odds, weight) for k, weight in weights.items()], self.evidence.level)
            maps = np.concatenate([inside[None], own.rest.astype(np.float32)])
            found.append(self._placed(part, maps, state.size, len(parts)))
        for old in [k for k in state.maps if k <= first]:
            del state.maps[old]
        self.seconds += time.perf_counter() - began
        return found[0] if len(parts) == 1 else joined(found, parts, state.size)

    def _weight(self, state: Waiting, t: int, k: int) -> float:
        """How much frame `k` is heard on frame `t`."""
        heard = np.clip((alike(state.maps[t], state.maps[k]) - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
        return 1.0 if k == t else float(heard) * self.evidence.keep ** abs(k - t)

    def _placed(self, part: Part, maps: Maps, size: tuple[int, int], count: int) -> Instances:
        if count == 1:
            return self.predictor.decoded(maps, self.zoom)
        nothing = np.broadcast_to(np.float32(0), (1, *size))
        return find_part(nothing, part, lambda _: self.predictor.decoded(maps, self.zoom))

    def _parts(self, state: Waiting) -> list[Part]:
        return parts_of(state.size, self.predictor.system.view, self.zoom)


def alike(one: list[Kept], two: list[Kept]) -> float:
    """Overlap of the foregrounds of two frames, 0..1: the smaller of both probabilities over the larger, all summed."""
    pairs = [(a.coarse, b.coarse) for a, b in zip(one, two, strict=True)]
    larger = sum(int(np.maximum(a, b).sum(dtype=np.int64)) for a, b in pairs)
    return sum(int(np.minimum(a, b).sum(dtype=np.int64)) for a, b in pairs) / larger if larger else 1.0


def _odds(inside: Maps) -> NDArray[np.int8]:
    """Log-odds of probabilities, in units of `STEP`."""
    chance = np.clip(inside, 1e-6, 1 - 1e-6)
    odds = np.clip(np.log(chance / (1 - chance)), -MOST, MOST)
    return np.asarray(np.rint(odds / STEP), np.int8)


def averaged(odds: list[tuple[NDArray[np.int8], float]], level: float) -> Maps:
    """Probability `(Y, X)` that the weighted mean of log-odds stands for, where `level` speaks neither for nor against.

    The frame itself is among them, with a weight of 1.
    """
    total, weight = np.zeros(odds[0][0].shape, np.float32), 0.0
    for one, share in odds:
        total += one * np.float32(share * STEP)
        weight += share
    return np.asarray(
        1 / (1 + np.exp(np.float32(np.log(level / (1 - level))) - total / np.float32(weight))), np.float32
    )
