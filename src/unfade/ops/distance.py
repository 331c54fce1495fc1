"""How far every pixel lies from the nearest outline of a label image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FAR_PX = 10_000.0  # distance where an image has no outline at all


def outline(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of objects with a 4-neighbour of another label; the image's own edge is no outline."""
    labels = np.asarray(labels)
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (labels > 0)


def boundary_distance(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Euclidean distance (px) of every pixel of `(Y, X)` to the nearest outline pixel of any object.

    Paper shape-aware, III.A: D, the distance "to its nearest cell boundary". It is 0 on the outline itself, and
    `FAR_PX` where there is none.
    """
    edge = outline(labels)
    if not edge.any():
        return np.full(edge.shape, FAR_PX, np.float32)
    return np.asarray(ndimage.distance_transform_edt(~edge), np.float32)
