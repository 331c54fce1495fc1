"""A mask that is fed back, moved along with the picture before the network sees it again.

Steps between frames are often smaller than a pixel. Moved as pixels, a mask would lose them to rounding and stay behind
a little more with every frame; so it is kept as the signed distance to its outline, which loses nothing when it is read
between pixels. What the network draws anew replaces it only where that is not the same outline in whole pixels.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]

FAR = 6.0  # px from the outline beyond which the distance does not matter
WHOLE = 1.0  # px by which an outline of whole pixels may differ from one between them


class Motion(Protocol):
    """Dense flow between two frames."""

    def between(self, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """Flow `(2, Y, X)` px: what lies at p in `first` lies at p + flow(p) in `second`."""
        ...


def depth_of(mask: NDArray[np.bool_]) -> Floats:
    """Distance of every pixel to the outline of a mask, negative inside, at most `FAR`."""
    if not mask.any() or mask.all():
        return np.full(mask.shape, -FAR if mask.all() else FAR, np.float32)
    out = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    return np.asarray(np.clip(out + np.where(mask, 0.5, -0.5), -FAR, FAR), np.float32)


def moved(depth: Floats, now: NDArray[Any], before: NDArray[Any], motion: Motion) -> Floats:
    """A depth `(Y, X)` of the frame `before` as it lies in the frame `now`."""
    at = np.indices(depth.shape, np.float32) + motion.between(now, before)
    out: NDArray[Any] = ndimage.map_coordinates(depth, at, order=1, mode="nearest")
    return np.asarray(out, np.float32)


def renewed(depth: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The depth of a mask; where `depth` stands for the same outline it stays, with its fractions of a pixel."""
    new = depth_of(mask)
    return np.where(np.abs(new - depth) <= WHOLE, depth, new)
