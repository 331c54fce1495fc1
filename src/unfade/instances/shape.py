"""Binary masks: targets of label images, and instances from the shape of a mask alone.

A network with one output channel says where nuclei are, not which pixel belongs to which. Nuclei that touch are cut
where the mask is narrow: a watershed of its distance transform, with one seed for each of its rounded parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

from unfade.ops.relabel import drop_small
from unfade.settings import Settings

SPECK_PX = 9.0  # what is smaller in the movie itself is a hot pixel, not an object


class Splitting(Settings):
    """How a foreground map becomes objects; lengths are in pixels of the network's grid."""

    threshold: float = Field(0.5, gt=0, lt=1, description="foreground probability of an object's pixels")
    blur_px: float = Field(1.0, ge=0, description="Gaussian blur of the distance to the outline")
    neck_px: float = Field(0.75, ge=0, description="parts come apart where the mask between is this much less deep, px")
    min_area_px: float = Field(30.0, ge=0, description="smaller objects are dropped")


def encode_mask(labels: NDArray[Any], gap: bool = False) -> NDArray[np.float32]:
    """The union of all objects `(Y, X)`; with `gap`, pixels next to another object are background."""
    labels = np.asarray(labels)
    mask = labels > 0
    if gap:
        low = np.where(mask, labels, np.iinfo(np.int32).max)
        mask = mask & (ndimage.maximum_filter(labels, 3) == labels) & (ndimage.minimum_filter(low, 3) == labels)
    return mask.astype(np.float32)


def by_shape(foreground: NDArray[Any], settings: Splitting, zoom: float = 1.0) -> NDArray[np.int32]:
    """Instances `(Y, X)` of a foreground map `(Y, X)`; `zoom` is how often it was enlarged after the network."""
    inside = np.asarray(foreground) > settings.threshold
    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    padded = np.pad(inside, 1, mode="edge")  # the frame's edge is no outline
    depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1] if not padded.all() else inside.astype(float)
    if settings.blur_px:
        depth = ndimage.gaussian_filter(depth, settings.blur_px * zoom, truncate=3.0) * inside
    least = max(settings.neck_px * zoom, 1e-3)
    tops = depth - reconstruction(np.maximum(depth - least, 0), depth) > 0  # within `least` of a summit
    seeds = label(tops & inside, connectivity=2)
    labels = np.asarray(watershed(-depth, seeds, mask=inside), np.int32)
    return drop_small(labels, max(settings.min_area_px * zoom**2, SPECK_PX))


def closed_gap(labels: NDArray[np.int32], foreground: NDArray[Any], threshold: float) -> NDArray[np.int32]:
    """Objects grown by one pixel where the foreground is above half the threshold: what `gap` took away."""
    around = ndimage.maximum_filter(labels, 3)
    free = (labels == 0) & (np.asarray(foreground) > threshold / 2)
    return np.where(free, around, labels).astype(np.int32)
