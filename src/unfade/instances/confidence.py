"""How sure a foreground map is of each object found in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def mask_confidence(inside: NDArray[Any], labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean probability and mean normalised entropy over each object, frame by frame, ids ascending.

    `inside (k, Y, X)` are foreground probabilities, `labels (k, Y, X)` run from 1 to n without a gap in every frame.
    """
    scores, entropies = [], []
    for p, frame in zip(inside, labels, strict=True):
        where = np.flatnonzero(frame)
        owner, value = frame.ravel()[where], np.clip(p.ravel()[where].astype(np.float64), 1e-6, 1 - 1e-6)
        entropy = -(value * np.log(value) + (1 - value) * np.log1p(-value)) / np.log(2)
        n = int(owner.max()) + 1 if owner.size else 1
        area = np.bincount(owner, minlength=n)[1:]
        scores.append(np.bincount(owner, value, n)[1:] / area)
        entropies.append(np.bincount(owner, entropy, n)[1:] / area)
    return np.concatenate(scores).astype(np.float32), np.concatenate(entropies).astype(np.float32)
