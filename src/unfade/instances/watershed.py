"""Foreground, distance and centre votes: targets of label images, and instances from them.

`encode` gives, per pixel, whether it belongs to an object, how deep it lies inside it (1 at the deepest pixel, falling to
the outline) and the vector to the object's centre. `decode` finds seeds and gives every foreground pixel to one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

MAPS = ("foreground", "distance", "vote_y", "vote_x", "border")
VOTE_PX = 16.0  # unit of the vote maps in pixels

Float = NDArray[np.float32]


def encode(labels: NDArray[Any]) -> Float:
    """Targets `(5, Y, X)` of one label image: foreground, distance, vote_y, vote_x (in units of 16 px), border.

    The distance of a pixel is its Euclidean distance to the nearest pixel of another label, divided by the object's
    largest. A vote points to the centre of gravity. Border pixels touch another object within one pixel.
    """
    labels = np.asarray(labels)
    height, width = labels.shape
    out = np.zeros((5, height, width), np.float32)
    ids, flat = np.unique(labels, return_inverse=True)
    if ids.size == 0 or ids[-1] == 0:
        return out
    flat = flat.reshape(-1) + (0 if ids[0] == 0 else 1)  # 0 is background
    n = flat.max() + 1
    inside = flat > 0
    out[0] = inside.reshape(labels.shape)
    depth = _depth(labels).ravel()
    deepest = np.zeros(n, np.float32)
    np.maximum.at(deepest, flat[inside], depth[inside])
    area = np.maximum(np.bincount(flat, minlength=n), 1)
    y, x = np.divmod(np.arange(flat.size), width)
    centre_y, centre_x = np.bincount(flat, y, n) / area, np.bincount(flat, x, n) / area
    where = np.flatnonzero(inside)
    owner = flat[where]
    out[1].ravel()[where] = depth[where] / deepest[owner]
    out[2].ravel()[where] = (centre_y[owner] - y[where]) / VOTE_PX
    out[3].ravel()[where] = (centre_x[owner] - x[where]) / VOTE_PX
    out[4] = _touching(labels)
    return out


def _depth(labels: NDArray[Any]) -> Float:
    """Distance of every pixel to the nearest pixel of another label; the image's own edge is no outline."""
    edge = np.zeros(labels.shape, bool)
    vertical, horizontal = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= vertical
    edge[:-1] |= vertical
    edge[:, 1:] |= horizontal
    edge[:, :-1] |= horizontal
    if not edge.any():
        return np.ones(labels.shape, np.float32)
    return np.asarray(ndimage.distance_transform_edt(~edge), np.float32) + 1


def _touching(labels: NDArray[Any]) -> NDArray[np.bool_]:
    low = np.where(labels == 0, np.iinfo(np.int32).max, labels)
    least, most = ndimage.minimum_filter(low, 3), ndimage.maximum_filter(labels, 3)
    return np.asarray((labels > 0) & (most > 0) & ((least < labels) | (most > labels)))
