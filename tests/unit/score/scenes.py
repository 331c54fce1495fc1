"""Label images for the tests of object scores: random cells and ways of getting them wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]


def cells(seed: int, count: int = 12, shape: tuple[int, int] = (96, 112), radius: int = 9) -> Labels:
    """Cells that touch: pixels within `radius` of their seed, each belonging to the nearest one (ties: the first)."""
    spots = np.random.default_rng(seed).permutation(shape[0] * shape[1])[:count]
    y, x = np.divmod(spots, shape[1])
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2  # integers: the same on every machine
    return np.where(distance.min(axis=2) <= radius**2, distance.argmin(axis=2) + 1, 0).astype(np.int32)


def shifted(labels: Labels, y: int, x: int) -> Labels:
    """The image moved by whole pixels; what leaves is lost."""
    moved = np.zeros_like(labels)
    height, width = labels.shape
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = labels[
        max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    return moved


def eroded(labels: Labels) -> Labels:
    """Every object without the pixels that have another label among their eight neighbours."""
    inner = labels.copy()
    padded = np.pad(labels, 1, mode="edge")
    height, width = labels.shape
    for y in range(3):
        for x in range(3):
            inner[padded[y : y + height, x : x + width] != labels] = 0
    return inner


def dropped(labels: Labels, step: int = 3) -> Labels:
    """Without every `step`-th object."""
    return np.where(labels % step == 0, 0, labels).astype(np.int32)


def merged(labels: Labels, together: int = 2) -> Labels:
    """Neighbouring numbers joined, `together` at a time."""
    return np.where(labels > 0, (labels - 1) // together + 1, 0).astype(np.int32)


def renamed(labels: Labels, seed: int) -> Labels:
    """The same objects under other ids that start above 7, skip, and exceed 65,535."""
    random = np.random.default_rng(seed)
    ids = np.concatenate([[0], 7 + random.permutation(200_000)[: int(labels.max())]])
    return ids[labels].astype(np.int32)


WAYS = {
    "same": lambda labels: labels,
    "shift": lambda labels: shifted(labels, 2, -3),
    "far": lambda labels: shifted(labels, -6, 5),
    "erode": eroded,
    "drop": dropped,
    "merge two": merged,
    "merge three": lambda labels: merged(labels, 3),
    "rename": lambda labels: renamed(labels, 11),
    "all": lambda labels: shifted(renamed(merged(dropped(labels, 5)), 4), 2, 2),
}
