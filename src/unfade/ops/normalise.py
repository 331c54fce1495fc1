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
    flat = np.asarray(image).ravel()
    step = max(1, flat.size // SAMPLES)
    if step > 1:
        step += step % 2 == 0  # odd steps do not lock onto columns of even frames
        flat = flat[::step]
    a, b = np.percentile(flat, (low, high))
    return float(a), float(b)


def scaled(image: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.float32]:
    """Image with `ends` mapped to 0 and 1, cut at `CEILING`; zeros where the frame is constant."""
    low, high = ends
    if not high > low:
        return np.zeros(np.shape(image), np.float32)
    out = np.asarray(image, np.float32) - np.float32(low)
    out *= np.float32(1.0 / (high - low))
    return np.clip(out, -1.0, CEILING, out=out)
