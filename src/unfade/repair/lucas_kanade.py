"""Iterative Lucas-Kanade flow of images that are prepared once and compared twice.

Le Besnerais and Champagnat, "Dense optical flow by iterative local window registration", ICIP 2005. Same steps as
`skimage.registration.optical_flow_ilk`, which the tests hold it against; but the two equations of every pixel are
solved in closed form, and the coarse versions of a frame serve for the frame before it and for the frame after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]

SMALLEST = 16  # px of the shorter side of the coarsest images
FLAT = 1e-14  # determinant from which a window says nothing


def pyramid(image: Floats) -> list[Floats]:
    """The image at falling sizes, each half of the one before, the coarsest first."""
    from skimage.transform import pyramid_reduce

    out = [image]
    while min(out[-1].shape) > 2 * SMALLEST:
        out.append(np.asarray(pyramid_reduce(out[-1], 2, channel_axis=None), np.float32))
    return out[::-1]


def iterative_flow(first: list[Floats], second: list[Floats], radius: int, warps: int) -> Floats:
    """Flow `(2, Y, X)` px from the first to the second image, given as pyramids.

    Windows reach `radius` px from their middle at every size; at each the second image is warped `warps` times.
    """
    flow = np.zeros((2, *first[0].shape), np.float32)
    for a, b in zip(first, second, strict=True):
        scale = [large / small for large, small in zip(a.shape, flow.shape[1:], strict=True)]
        if scale != [1.0, 1.0]:
            flow = ndimage.zoom(flow, [1, *scale], order=0, mode="nearest", prefilter=False)
            flow *= np.array(scale, np.float32)[:, None, None]
        grid = np.indices(a.shape, np.float32)
        for _ in range(warps):
            flow = _step(a, b, flow, grid, 2 * radius + 1)
    return flow


def _step(first: Floats, second: Floats, flow: Floats, grid: Floats, side: int) -> Floats:
    """The flow that explains best, in windows of `side` px, how the warped second image differs from the first."""
    warped = ndimage.map_coordinates(second, grid + flow, order=1, mode="nearest")
    gy, gx = np.gradient(warped)
    error = gy * flow[0] + gx * flow[1] + first - warped
    products = (gy * gy, gx * gx, gy * gx, gy * error, gx * error)
    yy, xx, yx, ye, xe = (ndimage.uniform_filter(p, side, mode="mirror") for p in products)
    determinant = yy * xx - yx * yx
    flat = np.abs(determinant) < FLAT
    determinant[flat] = 1.0
    out = np.stack([xx * ye - yx * xe, yy * xe - yx * ye]) / determinant
    out[:, flat] = 0.0
    return np.asarray(out, np.float32)
