"""Foreground, distance and centre votes: targets of label images, and instances from them.

`encode` gives, per pixel, whether it belongs to an object, how deep it lies inside it (1 at the deepest pixel,
falling to the outline) and the vector to the object's centre. `decode` finds seeds and gives every foreground pixel
to one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.segmentation import watershed

from unfade.ops.relabel import drop_small
from unfade.settings import Settings

MAPS = ("foreground", "distance", "vote_y", "vote_x", "border")
VOTE_PX = 16.0  # unit of the vote maps in pixels
SPECK_PX = 9.0  # what is smaller in the movie itself is a hot pixel, not an object

Float = NDArray[np.float32]
LabelImage = NDArray[np.int32]


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


class Grouping(Settings):
    """How activated maps become objects; lengths are in pixels of the network's grid."""

    threshold: float = Field(0.45, gt=0, lt=1, description="foreground probability of an object's pixels")
    blur_px: float = Field(3.0, ge=0, description="Gaussian blur of the vote or distance map before peaks are sought")
    reach_px: int = Field(4, ge=1, description="two peaks are at least this far apart")
    votes_px: float = Field(8.0, ge=0, description="pixels that must vote for a centre")
    min_area_px: float = Field(50.0, ge=0, description="smaller objects are dropped")


def least_area(settings: Grouping, zoom: float) -> float:
    """Smallest area of an object in pixels of maps that were enlarged `zoom` times; never under `SPECK_PX`."""
    return max(settings.min_area_px * zoom**2, SPECK_PX)


def by_votes(maps: Float, settings: Grouping, zoom: float = 1.0) -> LabelImage:
    """Instances `(Y, X)` from maps `(5, Y, X)`: pixels that vote for the same centre belong together.

    Every foreground pixel votes for the place its vector points to; peaks of the blurred ballot are the objects, and
    each pixel goes to the peak nearest to its vote. `zoom` is how often the maps were enlarged after the network.
    """
    inside = maps[0] > settings.threshold
    shape = inside.shape
    labels = np.zeros(shape, np.int32)
    where = np.flatnonzero(inside)
    if where.size == 0:
        return labels
    y, x = np.divmod(where, shape[1])
    unit = VOTE_PX * zoom
    to_y = np.clip(np.rint(y + maps[2].ravel()[where] * unit), 0, shape[0] - 1).astype(np.int64)
    to_x = np.clip(np.rint(x + maps[3].ravel()[where] * unit), 0, shape[1] - 1).astype(np.int64)
    goal = to_y * shape[1] + to_x
    ballot = np.bincount(goal, minlength=labels.size).reshape(shape).astype(np.float32)
    blurred = ndimage.gaussian_filter(ballot, settings.blur_px * zoom, mode="constant", truncate=3.0)
    height = settings.votes_px / (2 * np.pi * settings.blur_px**2 + 1)  # a bundle of votes on one place, blurred
    peaks = _peaks(blurred, round(settings.reach_px * zoom), height)
    if len(peaks) == 0:
        return labels
    goals, back = np.unique(goal, return_inverse=True)
    owner = np.asarray(cKDTree(peaks).query(np.stack(np.divmod(goals, shape[1]), axis=1), workers=1)[1])
    labels.ravel()[where] = owner[back] + 1
    return drop_small(labels, least_area(settings, zoom))


def by_distance(maps: Float, settings: Grouping, zoom: float = 1.0) -> LabelImage:
    """Instances `(Y, X)` from maps `(5, Y, X)`: a watershed of the distance map inside the foreground."""
    inside = maps[0] > settings.threshold
    depth = ndimage.gaussian_filter(maps[1] * inside, settings.blur_px * zoom, truncate=3.0)
    seeds = np.zeros(inside.shape, np.int32)
    peaks = _peaks(depth, round(settings.reach_px * zoom), 0.3)
    seeds[peaks[:, 0], peaks[:, 1]] = np.arange(1, len(peaks) + 1)
    return drop_small(np.asarray(watershed(-depth, seeds, mask=inside), np.int32), least_area(settings, zoom))


def _peaks(image: Float, reach: int, height: float) -> NDArray[np.int64]:
    """Places `(N, 2)` of local maxima of at least `height` within a square of ±`reach`; of equal ones the first."""
    top = ndimage.maximum_filter(image, 2 * reach + 1, mode="constant")
    found = np.argwhere((image == top) & (image >= height))
    if len(found) < 2:
        return found
    close = cKDTree(found).query_pairs(reach, output_type="ndarray")  # plateaus
    return np.delete(found, np.unique(close[:, 1]), axis=0) if len(close) else found
