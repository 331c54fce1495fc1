"""Jumps of the stage between two frames, from the places of the objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import KDTree

from unfade.link.objects import Floats, Frame
from unfade.records import LabelImage

CELLS_PER_DIAMETER = 4  # grid on which the places of objects are compared


def jump(before: Frame, frame: Frame) -> tuple[int, int]:
    """Shift (y, x) px that brings most of the first frame's foreground onto that of the second.

    Cross-correlation of the two foregrounds on a grid of a quarter of a diameter, then of the matched centroids.
    """
    if len(before) == 0 or len(frame) == 0:
        return 0, 0
    step = max(1, round(float(np.sqrt(4 * np.median(before.area) / np.pi)) / CELLS_PER_DIAMETER))
    first, second = (_cores(f.labels[::step, ::step]) for f in (before, frame))
    shape = [int(fft.next_fast_len(2 * n, real=True)) for n in first.shape]
    product = fft.rfft2(second, shape) * np.conj(fft.rfft2(first, shape))
    score = fft.irfft2(product, shape)
    y, x = divmod(int(np.argmax(score)), shape[1])
    y, x = (p - n if 2 * p > n else p for p, n in ((y, shape[0]), (x, shape[1])))
    return _refined(before, frame, y * step, x * step)


def _cores(labels: LabelImage) -> NDArray[np.float32]:
    """1 inside objects, 0 on background and where the next pixel belongs to another object."""
    core = labels > 0
    core[:-1] &= labels[:-1] == labels[1:]
    core[:, :-1] &= labels[:, :-1] == labels[:, 1:]
    return np.asarray(core - core.mean(), np.float32)


def _refined(before: Frame, frame: Frame, y: int, x: int) -> tuple[int, int]:
    """The median way of the objects whose nearest object of the other frame is mutual, from a first guess."""
    ours = np.stack([before.y + y, before.x + x], axis=1)
    theirs = np.stack([frame.y, frame.x], axis=1)
    there, back = (np.asarray(KDTree(a).query(b)[1], np.int64) for a, b in ((theirs, ours), (ours, theirs)))
    mutual = np.flatnonzero(back[there] == np.arange(len(ours)))
    way: Floats = np.median(theirs[there[mutual]] - ours[mutual], axis=0)
    return y + round(float(way[0])), x + round(float(way[1]))
