"""Which frames of a movie a training sequence is made of: pace, direction, place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_frames(
    rng: np.random.Generator, count: int, length: int, fastest: int = 1, reverse: float = 0.0
) -> NDArray[np.int64]:
    """Numbers `(length,)` of frames of a movie of `count` frames, evenly spaced.

    The pace is 1 to `fastest` frames a step, as far as the movie is long enough; with probability `reverse` time runs
    backwards, so that a signal that leaves becomes one that returns. In a movie that is too short the last frame
    stands still.
    """
    most = max(1, min(fastest, (count - 1) // max(length - 1, 1)))
    pace = int(rng.integers(1, most + 1))
    first = int(rng.integers(0, max(count - (length - 1) * pace, 1)))
    frames = np.minimum(first + pace * np.arange(length), count - 1)
    return frames[::-1].copy() if rng.random() < reverse else frames
