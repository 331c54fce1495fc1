"""Intensity normalisation from statistics of whole frames, never of tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.ops.bands import rows_of
from unfade.records import Rows

LOW, HIGH = 1.0, 99.8  # percentiles that become 0 and 1
CEILING = 3.0  # brighter pixels are cut here
SAMPLES = 1 << 18  # pixels that percentiles are taken from; larger frames are thinned evenly


def levels(image: NDArray[Any] | Rows, low: float = LOW, high: float = HIGH) -> tuple[float, float]:
    """Intensities at two percentiles of a whole frame `(Y, X)`; equal for a constant frame."""
    a, b = np.percentile(_thinned(image, SAMPLES), (low, high))
    return float(a), float(b)


def _thinned(image: NDArray[Any] | Rows, samples: int) -> NDArray[Any]:
    """About `samples` evenly spread pixels of a frame, all of them where it has fewer."""
    if isinstance(image, Rows):
        step, width = _step(int(np.prod(image.shape)), samples), image.shape[-1]
        bands = image.ranges(rows_of(image.shape))
        return np.concatenate([image.read(y, end).ravel()[-y * width % step :: step] for y, end in bands])
    flat = np.asarray(image).ravel()
    return flat[:: _step(flat.size, samples)]


def _step(size: int, samples: int) -> int:
    step = max(1, size // samples)
    return step + (step > 1 and step % 2 == 0)  # odd steps do not lock onto columns of even frames


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
        self._seen: list[NDArray[Any]] = []
        self._flat: list[NDArray[Any]] = []

    def add(self, image: NDArray[Any]) -> None:
        """Take a frame into account; those of a single value, as of a closed shutter, only if all are."""
        pixels = _thinned(image, SAMPLES // self.FRAMES)
        kept = self._seen if pixels.size and pixels.min() < pixels.max() else self._flat
        if len(kept) < self.FRAMES:
            kept.append(pixels.copy())

    @property
    def _kept(self) -> list[NDArray[Any]]:
        return self._seen or self._flat

    def ends(self, low: float = LOW, high: float = HIGH) -> tuple[float, float]:
        """Intensities at the two percentiles of all pixels kept."""
        a, b = np.percentile(np.concatenate(self._kept), (low, high))
        return float(a), float(b)


class BackgroundLevels(PooledLevels):
    """The background becomes 0 and the brightest of a whole sequence 1 (paper lexy, 2.1.1).

    "The sequences were normalised between 0 and 1 based on background intensity"; how, the paper does not say. Here
    the background is the darkest intensity that is common: the first peak of the histogram of all frames, blurred,
    that is at least a twentieth as high as the highest one. Cells may cover more of the field than the background.
    """

    BINS, BLUR, COMMON = 256, 1.5, 0.05

    def ends(self, low: float = 0.0, high: float = 99.9) -> tuple[float, float]:
        """Background, and intensity at a high percentile; pixels under the low percentile are not looked at."""
        pixels = np.concatenate(self._kept)
        first, last = (float(v) for v in np.percentile(pixels, (low, high)))
        if not last > first:
            return first, last
        counts, edges = np.histogram(pixels, self.BINS, (first, last))
        height = ndimage.gaussian_filter1d(counts.astype(float), self.BLUR, mode="constant")
        beside = np.pad(height, 1)
        peaks = np.flatnonzero(
            (height >= beside[:-2]) & (height >= beside[2:]) & (height >= self.COMMON * height.max())
        )
        return float((edges[peaks[0]] + edges[peaks[0] + 1]) / 2), last


def sequence_levels(how: str) -> PooledLevels:
    """What collects the intensities of a sequence: `background`, or percentiles for anything else."""
    return BackgroundLevels() if how == "background" else PooledLevels()


def scaled_sequence(frames: NDArray[Any], how: str = "movie") -> NDArray[np.float32]:
    """Frames `(T, Y, X)` scaled by themselves (`frame`), or all alike (`movie`, `running`, `background`)."""
    if how == "frame":
        return np.stack([scaled(frame, levels(frame)) for frame in frames])
    pooled = sequence_levels(how)
    for t in np.unique(np.linspace(0, len(frames) - 1, pooled.FRAMES).round().astype(int)):
        pooled.add(frames[t])
    ends = pooled.ends()
    return np.stack([scaled(frame, ends) for frame in frames])


def centred(image: NDArray[Any], sigma_px: float = 1.0, tail: float = 0.1) -> NDArray[np.float32]:
    """A frame `(Y, X)` smoothed, with its robust minimum and maximum at -1 and 1 (paper hourglass, section 3.1).

    They are the percentiles `tail` and `100 − tail`; a constant frame becomes zeros.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(np.asarray(image, np.float32), sigma_px)
    low, high = levels(smooth, tail, 100 - tail)
    if not high > low:
        return np.zeros(smooth.shape, np.float32)
    return np.asarray((smooth - low) * np.float32(2 / (high - low)) - np.float32(1), np.float32)
