"""Rings around all nuclei of a frame at once: the pixels nearest to each nucleus at a given distance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.measure.regions import Groups

STRIP = 1 << 16  # pixels that are worked on together, so that they stay in the processor's cache


def rings(place: NDArray[np.int32], count: int, inner: float, outer: float) -> Groups:
    """Pixels at a distance `inner < d <= outer` (px) from the nearest nucleus, grouped by that nucleus.

    `place` `(Y, X)` holds the nuclei as 1..count on 0. d is the Euclidean distance between pixel centres to the nearest
    pixel of any nucleus; of nuclei at the same distance the one with the lowest number gets the pixel. So no ring
    covers a nucleus or another ring.

    Every pixel carries one integer with d² in its upper bits and the number of a nucleus below. Its least value over
    all nucleus pixels is found along y and then along x, as d² is the sum over both: exact, and ties end at the lowest
    number.
    """
    height, width = place.shape
    reach = math.floor(outer)
    bits = max(count, 1).bit_length()
    far = (2 * reach * reach + 1) << bits
    key = np.int32 if 2 * far < 2**31 else np.int64
    start = np.where(place > 0, place, key(far)).astype(key, copy=False)
    low, high = (math.floor(inner * inner) + 1) << bits, (math.floor(outer * outer) + 1) << bits
    step = max(STRIP // max(width, 1), 2 * reach, 1)
    pixels, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for y in range(0, height, step):
        top, end = max(y - reach, 0), min(y + step, height)
        block = _least(start[top : end + reach], 0, reach, bits)[y - top : end - top]
        flat = _least(block, 1, reach, bits).reshape(-1)
        hit = np.flatnonzero((flat >= low) & (flat < high))
        pixels.append(hit + y * width)
        owners.append((flat[hit] & ((1 << bits) - 1)).astype(np.int64) - 1)
    pixel, owner = np.concatenate(pixels), np.concatenate(owners)
    order = np.argsort(owner.astype(np.uint16) if count < 2**16 else owner, kind="stable")  # 16 bits: radix sort
    size = np.bincount(owner, minlength=count)
    return Groups(pixel[order], np.cumsum(size) - size, size)


def _least(values: NDArray[Any], axis: int, reach: int, bits: int) -> NDArray[Any]:
    """Least of `values[p + k] + (k² << bits)` over `-reach <= k <= reach` along one axis."""
    least, shifted = values.copy(), np.empty_like(values)
    size = values.shape[axis]
    for k in range(1, min(reach, size - 1) + 1):
        np.add(values, values.dtype.type(k * k << bits), out=shifted)
        head, tail = (slice(0, size - k), slice(k, size))
        near, ahead = ((head,), (tail,)) if axis == 0 else ((slice(None), head), (slice(None), tail))
        np.minimum(least[ahead], shifted[near], out=least[ahead])
        np.minimum(least[near], shifted[ahead], out=least[near])
    return least
