"""Frames seen together with earlier and later ones: each window of a movie gives the objects of one frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unfade.errors import SettingsError
from unfade.ops.normalise import PooledLevels
from unfade.predict.engine import Ends, Stage
from unfade.predict.following import Whole, laid_over, usual_diameter
from unfade.predict.frames import FramePredictor
from unfade.records import Evidence, Instances, Movie


class WindowPredictor(FramePredictor):
    """Objects of a frame from the frames at the offsets of the system's view.

    Before the first and after the last frame of the movie stands the first or the last frame. All frames of a movie
    are normalised alike, so that a signal that rises or falls is seen to do so.
    """

    motion: Callable[[float], Whole] | None = None

    def follow(self, make: Callable[[float], Any]) -> None:
        """Lay the frames of a window over the one in question by the motion of the picture as a whole."""
        if not hasattr(make, "next"):
            raise SettingsError(
                "Frames of a window can follow a picture that moves as one alone; give --follow whole, or leave it out."
            )
        self.motion = make

    def context(self, movie: Movie, t: int, channel: int) -> NDArray[Any]:
        """One channel of the frames of the window, `(L, Y, X)`."""
        last = len(movie) - 1
        return np.stack([movie.frame(min(max(t + o, 0), last), channel) for o in self.system.view.offsets])

    def ends(self, image: NDArray[Any]) -> Ends:
        """Intensities of a window `(L, Y, X)` that become 0 and 1, the same for all its frames."""
        pooled = PooledLevels()
        for frame in image:
            pooled.add(frame)
        return [pooled.ends()] * len(image)

    def stage(self, channel: int, zoom: float = 1.0, ends: Ends | None = None) -> Stage:
        """Frame by frame, as late as the view looks ahead."""
        from unfade.predict.evidence import EvidenceStage

        kind = WindowStage if self.evidence is None else EvidenceStage
        return kind(self, channel, zoom, ends)

    @property
    def evidence(self) -> Evidence | None:
        """How the frames around a window are heard."""
        return self.system.view.evidence if self.motion is None else self.system.view.followed

    def _inputs(self, tile: Tensor) -> dict[str, Tensor]:
        return {"image": tile[:, :, None]}


@dataclass
class Held:
    """The frames of one channel that are still needed, and what is known of the movie's intensities."""

    frames: dict[int, NDArray[Any]] = field(default_factory=dict)  # by number
    pushed: int = 0
    levels: PooledLevels = field(default_factory=PooledLevels)
    place: dict[int, NDArray[np.float64]] = field(default_factory=dict)  # (3, 3) from the first frame to each
    shot: dict[int, int] = field(default_factory=dict)  # frames of the same lie in known places of each other
    past: Any = None  # what the motion of the picture keeps of earlier frames


class WindowStage:
    """Objects of every frame, `view.future` frames late."""

    def __init__(self, predictor: WindowPredictor, channel: int, zoom: float, ends: Ends | None = None) -> None:
        self.predictor, self.channel, self.zoom, self.ends = predictor, channel, zoom, ends
        view = predictor.system.view
        self.lag: int | None = view.future
        self.seconds = 0.0
        make = predictor.motion
        self.motion = None if make is None else make(usual_diameter(view) / zoom)
        self.memory: int | None = view.past if ends is not None and self.motion is None else None

    def start(self) -> Held:
        """No frame yet."""
        return Held()

    def push(self, state: Held, frame: NDArray[Any]) -> tuple[Held, list[Instances]]:
        """Take the next frame `(C, Y, X)`; the objects of the frame that now has all its later ones."""
        self._take(state, frame)
        ready = state.pushed - 1 - self.predictor.system.view.future
        return state, [self._found(state, ready)] if ready >= 0 else []

    def finish(self, state: Held) -> list[Instances]:
        """Objects of the last frames, which have fewer later ones or none."""
        first = max(0, state.pushed - self.predictor.system.view.future)
        return [self._found(state, t) for t in range(first, state.pushed)]

    def _take(self, state: Held, frame: NDArray[Any]) -> None:
        """Keep the channel that is segmented."""
        image = np.array(frame[self.channel])
        t = state.pushed
        if self.motion is not None:
            state.past = self.motion.start() if state.past is None else state.past
            matrix, state.shot[t] = self.motion.next(state.past, image)
            state.place[t] = matrix @ state.place.get(t - 1, np.eye(3))
        state.frames[t] = image
        state.pushed += 1
        if self.ends is None:
            state.levels.add(image)

    def _found(self, state: Held, t: int) -> Instances:
        began = time.perf_counter()
        window, ends = self._window(state, t)
        found = self.predictor.instances(window, self.zoom, ends)
        self.seconds += time.perf_counter() - began
        return found

    def _window(self, state: Held, t: int) -> tuple[NDArray[Any], Ends]:
        """The frames that the network sees of frame `t`, `(L, Y, X)`, and their ends; what is too old is dropped."""
        view = self.predictor.system.view
        numbers = [min(max(t + o, 0), state.pushed - 1) for o in view.offsets]
        window = np.stack([self._laid(state, k, t) for k in numbers])
        pair = self.ends[0] if self.ends is not None else state.levels.ends()
        for old in [n for n in state.frames if n < t + 1 - view.past]:
            del state.frames[old]
        if self.predictor.evidence is None:
            for known in (state.place, state.shot):
                for old in [n for n in known if n < t + 1 - view.past]:
                    del known[old]
        return window, [pair] * len(window)

    def _laid(self, state: Held, k: int, t: int) -> NDArray[Any]:
        """Frame `k`, laid over frame `t` where frames follow the picture."""
        if self.motion is None or k == t:
            return state.frames[k]
        return laid_over(state.frames[k], between(state, t, k))


def between(state: Held, t: int, k: int) -> NDArray[np.float64]:
    """Where places of frame `t` lie in frame `k`, `(3, 3)`."""
    return np.asarray(state.place[k] @ np.linalg.inv(state.place[t]))
