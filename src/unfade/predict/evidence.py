"""What the frames around say about a pixel: their log-odds of being foreground, averaged over time.

A window shows a network what a nucleus looked like before and looks like later, but it decides every frame by itself,
and where the signal is faint it wavers. Nuclei do not come and go from frame to frame; the average, in which frames
weigh less the farther they are, is what the movie as a whole says. A frame is not heard where its nuclei lie elsewhere,
so that one that moves is not outvoted by those that rest: unless frames follow the picture (`follow`), nothing moves.
Votes and everything else are those of the frame.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import SettingsError
from unfade.predict.engine import Ends
from unfade.predict.following import laid_over, usual_diameter
from unfade.predict.stitched import Part, find_part, joined, parts_of
from unfade.predict.windows import Held, WindowPredictor, WindowStage, between
from unfade.records import Evidence, Instances

Maps = NDArray[np.float32]
Odds = NDArray[np.int8]

MOST = 4.6  # nats, a probability of 0.99: no single frame says more
STEP = MOST / 127  # of log-odds that are kept
UNSEEN = -128  # in place of log-odds where a frame does not show what lies in another
CHANCE = (1 / (1 + np.exp(-STEP * np.arange(256).astype(np.uint8).view(np.int8).astype(float)))).astype(np.float32)
CHANCE[128] = -1  # of unseen pixels
UNLIKE, ALIKE = 0.3, 0.5  # overlap of two foregrounds up to which a frame is not heard, and from which it is in full
AROUND = 3.0  # side of the surroundings in which they are compared, in diameters
FLOOR = 0.02  # probability that says nothing of a nucleus; both foregrounds are compared above it
LEAST = 1e-3  # mean of the larger foreground below which there is nothing to compare


class Kept(NamedTuple):
    """Maps of one part of a frame until the frames after it are known."""

    odds: Odds  # (Y, X) log-odds of the foreground in units of `STEP`
    rest: NDArray[np.float16]  # (K - 1, Y, X) all other maps; none any more once the frame is decided


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
        if predictor.evidence is None:
            raise TypeError("this view sums no evidence")
        self.evidence: Evidence = predictor.evidence
        self.lag = view.future + self.evidence.future
        self.memory = None if self.memory is None else view.past + self.evidence.past

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
            out.append(Kept(_odds(maps[0]), maps[1:].astype(np.float16)))
        self.seconds += time.perf_counter() - began
        return out

    def _decided(self, state: Waiting, t: int) -> Instances:
        """Objects of a frame whose neighbours are known."""
        began = time.perf_counter()
        parts, first = self._parts(state), t - self.evidence.past
        near = [k for k in range(first, t + self.evidence.future + 1) if k in state.maps]
        odds = {k: [self._laid_odds(state, k, t, n) for n in range(len(parts))] for k in near}
        found = []
        for n, part in enumerate(parts):
            heard = [(odds[k][n], self._weight(state, (t, k), odds[t][n], odds[k][n])) for k in near]
            inside = averaged(heard, self.evidence.level)
            maps = np.concatenate([inside[None], state.maps[t][n].rest.astype(np.float32)])
            found.append(self._placed(part, maps, state.size, len(parts)))
            state.maps[t][n] = Kept(state.maps[t][n].odds, state.maps[t][n].rest[:0].copy())
        for old in [k for k in state.maps if k <= first]:
            del state.maps[old]
        for old in [k for k in state.place if k < min(state.maps, default=0) and k not in state.frames]:
            del state.place[old], state.shot[old]
        self.seconds += time.perf_counter() - began
        return found[0] if len(parts) == 1 else joined(found, parts, state.size)

    def _laid_odds(self, state: Waiting, k: int, t: int, n: int) -> Odds:
        """Log-odds of part `n` of frame `k`, laid over frame `t` where frames follow the picture."""
        own = state.maps[k][n].odds
        if self.motion is None or k == t:
            return own
        moved = laid_over(own, between(state, t, k), beyond=float("nan"))
        return np.asarray(np.where(np.isnan(moved), UNSEEN, np.rint(moved)), np.int8)

    def _weight(self, state: Waiting, frames: tuple[int, int], own: Odds, other: Odds) -> Maps:
        """How much the second of two frames is heard by the first on every pixel `(Y, X)`, or on all `(1, 1)`.

        Frames that follow the picture need no comparison.
        """
        t, k = frames
        keep = np.float32(self.evidence.keep ** abs(k - t))
        if k == t or (self.motion is not None and state.shot[k] == state.shot[t]):
            return np.full((1, 1), keep)
        side = max(3, round(AROUND * usual_diameter(self.predictor.system.view) / self.zoom / 2))
        heard = np.clip((alike(own, other, side) - UNLIKE) / (ALIKE - UNLIKE), 0, 1) * keep
        return np.asarray(heard.repeat(2, 0).repeat(2, 1)[: own.shape[0], : own.shape[1]], np.float32)

    def _placed(self, part: Part, maps: Maps, size: tuple[int, int], count: int) -> Instances:
        if count == 1:
            return self.predictor.decoded(maps, self.zoom)
        nothing = np.broadcast_to(np.float32(0), (1, *size))
        return find_part(nothing, part, lambda _: self.predictor.decoded(maps, self.zoom))

    def _parts(self, state: Waiting) -> list[Part]:
        parts = parts_of(state.size, self.predictor.system.view, self.zoom)
        if len(parts) > 1 and self.motion is not None:
            raise SettingsError("Frames this large are taken in parts, which cannot follow the picture; leave it out.")
        return parts


def alike(one: Odds, two: Odds, side: int) -> Maps:
    """Overlap of two foregrounds around every second pixel `(Y / 2, X / 2)`, 0..1; 1 where neither shows any.

    The smaller of both probabilities over the larger, summed over squares of `side` such pixels; what was out of view
    in either does not count.
    """
    p, q = (CHANCE[odds[::2, ::2].view(np.uint8)] for odds in (one, two))
    seen = (p >= 0) & (q >= 0)
    smaller, larger = (
        ndimage.uniform_filter(np.where(seen, np.maximum(pick(p, q) - FLOOR, 0), 0), side, mode="constant")
        for pick in (np.minimum, np.maximum)
    )
    return np.where(larger > LEAST, smaller / np.maximum(larger, LEAST), np.float32(1))


def _odds(inside: Maps) -> Odds:
    """Log-odds of probabilities, in units of `STEP`."""
    chance = np.clip(inside, 1e-6, 1 - 1e-6)
    odds = np.clip(np.log(chance / (1 - chance)), -MOST, MOST)
    return np.asarray(np.rint(odds / STEP), np.int8)


def averaged(odds: list[tuple[Odds, Maps]], level: float) -> Maps:
    """Probability `(Y, X)` that the weighted mean of log-odds stands for, where `level` speaks neither for nor against.

    Weights are maps, or one for all pixels `(1, 1)`. The frame itself is among them, with a weight of 1. Frames are not
    heard on pixels that they do not show.
    """
    total, weight = np.zeros(odds[0][0].shape, np.float32), np.zeros(odds[0][0].shape, np.float32)
    for one, share in odds:
        heard = share * (one != UNSEEN)
        total += one * heard * np.float32(STEP)
        weight += heard
    neutral = np.float32(np.log(level / (1 - level)))
    return np.asarray(1 / (1 + np.exp(neutral - total / weight)), np.float32)
