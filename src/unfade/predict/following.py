"""What is known of other frames, moved along with the picture before it is used.

Frames of a window, and what was found in neighbours, are laid over a frame by one map for the whole picture. Masks
that are fed back may follow any flow. Steps between frames are often smaller than a pixel. Moved as pixels, a mask
would lose them to rounding and stay behind a little more with every frame; so it is kept as the signed distance to its
outline, which loses nothing when it is read between pixels. What the network draws anew replaces it only where that
is not the same outline in whole pixels.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.records import View

Floats = NDArray[np.float32]

FAR = 6.0  # px from the outline beyond which the distance does not matter
WHOLE = 1.0  # px by which an outline of whole pixels may differ from one between them


class Motion(Protocol):
    """Dense flow between two frames."""

    def between(self, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """Flow `(2, Y, X)` px: what lies at p in `first` lies at p + flow(p) in `second`."""
        ...


class Whole(Protocol):
    """The motion of a picture that moves as one."""

    def start(self) -> Any:
        """What is kept of earlier frames: nothing yet."""
        ...

    def next(self, past: Any, image: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
        """Map `(3, 3)` of (y, x, 1) px from the frame before: what lies at p there lies at matrix · p here.

        Beside it the number of the shot: frames of the same number lie in known places of each other.
        """
        ...


def usual_diameter(view: View) -> float:
    """Diameter at which a network sees its objects, px."""
    low, high = view.diameter_px
    return float(np.sqrt(low * high))


def laid_over(picture: NDArray[Any], matrix: NDArray[np.float64], beyond: float | None = None) -> Floats:
    """A picture `(Y, X)` of another frame as it lies in this one, whose places `matrix` takes there.

    What lies beyond its border is `beyond`, or the nearest pixel of the border.
    """
    how = {"mode": "nearest"} if beyond is None else {"mode": "constant", "cval": beyond}
    seen = np.asarray(picture, np.float32)
    if np.array_equal(matrix, np.eye(3)):
        return seen
    out: NDArray[Any] = ndimage.affine_transform(seen, matrix[:2, :2], matrix[:2, 2], order=1, **how)
    return np.asarray(out, np.float32)


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
