"""Nuclei of a marker by threshold: Otsu's on a smoothed image, touching ones parted by how deep their pixels lie.

Paper lexy, 2.1.2, compares thresholding with learned methods for masks from DAPI; it names no method, this is a plain
one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unfade.ops.relabel import drop_small, sequential
from unfade.settings import Settings


class ThresholdSettings(Settings):
    """How nuclei are found in a marker."""

    smooth_px: float = Field(1.0, ge=0, description="standard deviation of the smoothing before, px")
    factor: float = Field(0.8, gt=0, description="the threshold over Otsu's")
    apart_px: float = Field(5.0, ge=1, description="least distance of the middles of two nuclei, px")
    least_px: int = Field(30, ge=1, description="smaller objects are dropped, px²")


def by_threshold(image: NDArray[Any], settings: ThresholdSettings | None = None) -> NDArray[np.int32]:
    """Labels of a marker image `(Y, X)`; an image of one value has none."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    s = settings or ThresholdSettings()
    smooth = ndimage.gaussian_filter(image.astype(np.float32), s.smooth_px)
    if smooth.max() <= smooth.min():
        return np.zeros(image.shape, np.int32)
    low = float(smooth.min())
    inside = ndimage.binary_fill_holes(smooth > low + s.factor * (float(threshold_otsu(smooth)) - low))
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), s.smooth_px)
    objects, _ = ndimage.label(inside)
    peaks = peak_local_max(depth, min_distance=round(s.apart_px), labels=objects, exclude_border=False)
    seeds = np.zeros(image.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return sequential(drop_small(watershed(-depth, seeds, mask=inside).astype(np.int32), s.least_px))[0]
