"""Intensity normalisation from statistics of whole frames, never of tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 1.0, 99.8  # percentiles that become 0 and 1
CEILING = 3.0  # brighter pixels are cut here
SAMPLES = 1 << 18  # pixels that percentiles are taken from; larger frames are thinned evenly


def levels(image: NDArray[Any], low: float = LOW, high: float = HIGH) -> tuple[float, float]:
    """Intensities at two percentiles of a whole frame `(Y, X)`; equal for a constant frame."""
    a, b = np.percentile(_thinned(image, SAMPLES), (low, high))
    return float(a), float(b)


def _thinned(image: NDArray[Any], samples: int) -> NDArray[Any]:
    """About `samples` evenly spread pixels of a frame, all of them where it has fewer."""
    flat = np.asarray(image).ravel()
    step = max(1, flat.size // samples)
    step += step > 1 and step % 2 == 0  # odd steps do not lock onto columns of even frames
    return flat[::step]


def scaled(image: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.float32]:
    """Image with `ends` mapped to 0 and 1, cut at `CEILING`; zeros where the frame is constant."""
    low, high = ends
    if not high > low:
        return np.zeros(np.shape(image), np.float32)
    out = np.asarray(image, np.float32) - np.float32(low)
    out *= np.float32(1.0 / (high - low))
    return np.clip(out, -1.0, CEILING, out=out)


class PooledLevels:
    """Intensities at two percentiles of several frames taken together, such as those of a whole movie.

    Frames `(Y, X)` are added one at a time; of each only an even sample of its pixels is kept, and of frames beyond
    the first `FRAMES` nothing.
    """

    FRAMES = 16

    def __init__(self) -> None:
        self._kept: list[NDArray[Any]] = []

    def add(self, image: NDArray[Any]) -> None:
        """Take a frame into account."""
        if len(self._kept) < self.FRAMES:
            self._kept.append(_thinned(image, SAMPLES // self.FRAMES).copy())

    def ends(self, low: float = LOW, high: float = HIGH) -> tuple[float, float]:
        """Intensities at the two percentiles of all pixels kept."""
        a, b = np.percentile(np.concatenate(self._kept), (low, high))
        return float(a), float(b)
