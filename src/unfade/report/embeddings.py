"""Pictures of embeddings and of crowded labels: three directions as red, green and blue, neighbours in other colours.

Paper hourglass, figures 1 and 7, shows three random dimensions; here they are the three that hold most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.records import LabelImage

PALETTE = np.array(
    [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]], np.uint8
)  # Okabe and Ito's colours; the background is black
CUT = 1.0  # percent of the pixels at either end that a channel saturates
MOST = 100_000  # pixels that the directions are found on
APART_PX = 2  # objects this near are neighbours

Bytes = NDArray[np.uint8]


def as_colours(maps: NDArray[Any]) -> Bytes:
    """Embeddings `(k, d, Y, X)` as images `(k, Y, X, 3)`: their three principal components, the same for all frames.

    Embeddings are taken as directions, so that their lengths do not show.
    """
    unit = np.moveaxis(np.asarray(maps, np.float32), 1, -1)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=-1, keepdims=True), 1e-8)
    flat = unit.reshape(-1, unit.shape[-1])
    part = flat[:: max(1, len(flat) // MOST)]
    middle = part.mean(axis=0)
    _, _, axes = np.linalg.svd(np.cov((part - middle).T))
    found = (flat - middle) @ axes[:3].T
    low, high = np.percentile(found, (CUT, 100 - CUT), axis=0)
    shown = np.clip((found - low) / np.maximum(high - low, 1e-8), 0, 1)
    return np.asarray(np.rint(255 * shown).reshape(*unit.shape[:-1], 3), np.uint8)


def neighbour_colours(labels: LabelImage) -> Bytes:
    """Labels `(k, Y, X)` as images `(k, Y, X, 3)`: an object has one colour in all frames, its neighbours have others.

    Mostly four colours do; two more are there, and only beyond six would neighbours look alike.
    """
    ids, place = np.unique(labels, return_inverse=True)
    number = place.reshape(labels.shape)
    near = _neighbours(number, len(ids))
    colour = np.zeros(len(ids), np.int64)
    for k in _least_first(near):
        if ids[k] != 0:
            used = np.bincount(colour[near[k]], minlength=len(PALETTE))[1:]
            colour[k] = 1 + int(np.argmin(used))
    return np.asarray(PALETTE[colour[number]])


def _neighbours(number: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Which objects `(count, count)` lie within `APART_PX` of each other in any frame."""
    near = np.zeros((count, count), bool)
    for dy in range(APART_PX + 1):
        for dx in range(-APART_PX, APART_PX + 1):
            low, high = max(0, -dx), number.shape[2] - max(0, dx)
            here, there = number[:, : number.shape[1] - dy, low:high], number[:, dy:, low + dx : high + dx]
            near[here.ravel(), there.ravel()] = True
    near |= near.T
    np.fill_diagonal(near, False)
    return near


def _least_first(near: NDArray[np.bool_]) -> list[int]:
    """An order in which every object has few neighbours before it: those with fewest left are taken off first."""
    left, order = near.astype(np.int64).sum(axis=1), []
    waiting = np.ones(len(near), bool)
    while waiting.any():
        k = int(np.argmin(np.where(waiting, left, len(near) + 1)))
        waiting[k] = False
        left[near[k]] -= 1
        order.append(k)
    return order[::-1]
