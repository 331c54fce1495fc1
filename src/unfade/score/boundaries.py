"""Agreement of outlines: distances between boundary pixels, and Dice near the boundary.

A boundary pixel belongs to the mask and has one of its four neighbours outside it; what lies outside the image counts
as background. All distances are in pixels; multiply by the pixel size for µm. Two empty masks are 0 apart, an empty
one is infinitely far from any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.ops.relabel import checked
from unfade.score.bootstrap import Plan, mean_figure
from unfade.score.pixels import mask_pair, ratio
from unfade.score.result import Scores, Setting

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]


def boundary(mask: ArrayLike) -> Mask:
    """Pixels `(Y, X)` of a mask with one of their four neighbours outside the mask or outside the image."""
    inside: Mask = np.asarray(mask) != 0
    kept = np.zeros_like(inside)
    kept[1:-1, 1:-1] = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return inside & ~kept


def boundary_distances(prediction: ArrayLike, truth: ArrayLike) -> tuple[Distances, Distances]:
    """Distance in pixels of each boundary pixel to the nearest one of the other mask: of the prediction, of the truth.

    Infinite where the other mask is empty.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    found, true = (np.argwhere(boundary(mask)) for mask in mask_pair(prediction, truth))
    return _nearest(found, true), _nearest(true, found)


def hausdorff(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Hausdorff distance of the boundary pixels in pixels: lexy, 2.4.2, equation 7."""
    return max(_percentile(d, 100) for d in boundary_distances(prediction, truth))


def hausdorff_95(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Larger one of the 95th percentiles of both directions, in pixels, so that one stray pixel does not decide."""
    return max(_percentile(d, 95) for d in boundary_distances(prediction, truth))


def surface_distance(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Average symmetric surface distance in pixels: mean over the boundary pixels of both masks together."""
    return _mean(np.concatenate(boundary_distances(prediction, truth)))


def instance_edges(labels: ArrayLike) -> Mask:
    """Pixels on both sides of a change of label `(Y, X)`, also between two objects that touch."""
    image = checked(labels)
    edges = np.zeros(image.shape, bool)
    down, right = image[1:] != image[:-1], image[:, 1:] != image[:, :-1]
    edges[1:] |= down
    edges[:-1] |= down
    edges[:, 1:] |= right
    edges[:, :-1] |= right
    return edges


def boundary_dice(prediction: ArrayLike, truth: ArrayLike, size: int = 7) -> float:
    """Dice of the foregrounds inside a band around the instance edges of the truth: nuclei-unet, III.4.

    The band is `instance_edges(truth)` dilated by a `size` x `size` square, 7 in the paper. The paper takes "cell
    boundaries" from Canny edge detection and does not say of which image, nor how the band enters the Dice; here it
    is the truth's instances, and both masks are cut to the band. NaN if neither mask has a pixel in it.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    return _dice_within(prediction, truth, instance_edges(truth), size)


def boundary_dice_canny(prediction: ArrayLike, truth: ArrayLike, size: int = 7, sigma: float = 1.0) -> float:
    """Dice inside a band around the Canny edges of the truth's binary mask: the other reading of nuclei-unet, III.4.

    The same as `boundary_dice` but for the edges: objects that touch have none between them, and the smoothing by
    `sigma` pixels (scikit-image's default, the paper names none) passes over the smallest objects.
    """
    mask = np.asarray(truth) != 0
    return _dice_within(prediction, truth, _canny(mask, sigma), size)


def score_boundaries(pairs: Iterable[tuple[ArrayLike, ArrayLike]], plan: Plan | None = None) -> Scores:
    """Boundary scores of pairs (prediction, truth) of images `(Y, X)`, truth as labels, means over images.

    An image in which one mask is empty has no finite distance: it is left out of the means of distances, which the
    count beside each figure shows.
    """
    return boundary_scores([measure_boundaries(prediction, truth) for prediction, truth in pairs], plan)


@dataclass(frozen=True)
class Outline:
    """How well the outlines of one image agree; NaN where it is not defined."""

    hd: float
    hd95: float
    assd: float
    dice: float
    dice_canny: float


def measure_boundaries(prediction: ArrayLike, truth: ArrayLike) -> Outline:
    """All boundary measures of one image from one search for the nearest pixels.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    forth, back = boundary_distances(prediction, truth)
    distances = (
        max(_percentile(forth, 100), _percentile(back, 100)),
        max(_percentile(forth, 95), _percentile(back, 95)),
        _mean(np.concatenate([forth, back])),
    )
    hd, hd95, assd = (d if np.isfinite(d) else float("nan") for d in distances)
    return Outline(hd, hd95, assd, boundary_dice(prediction, truth), boundary_dice_canny(prediction, truth))


def boundary_scores(images: Sequence[Outline], plan: Plan | None = None) -> Scores:
    """Means over images of what `measure_boundaries` gave."""
    band: dict[str, Setting] = {"source": "nuclei-unet III.4", "band_px": 7}
    how: dict[str, tuple[str, dict[str, Setting]]] = {
        "HD": ("hd", {"source": "lexy eq. 7", "unit": "px"}),
        "HD95": ("hd95", {"percentile": 95, "unit": "px"}),
        "ASSD": ("assd", {"mean over": "boundary pixels of both", "unit": "px"}),
        "Boundary Dice": ("dice", {**band, "edges": "instances of the truth"}),
        "Boundary Dice (Canny)": ("dice_canny", {**band, "edges": "Canny of the truth's mask, sigma 1"}),
    }
    return Scores(
        {
            name: mean_figure([getattr(image, field) for image in images], "images", note, plan)
            for name, (field, note) in how.items()
        }
    )


def _nearest(points: NDArray[np.int64], others: NDArray[np.int64]) -> Distances:
    if len(others) == 0 or len(points) == 0:
        return np.full(len(points), np.inf)
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(others).query(points)
    return np.asarray(distance, np.float64)


def _percentile(distances: Distances, q: float) -> float:
    if len(distances) == 0:
        return 0.0
    return float("inf") if np.isinf(distances[0]) else float(np.percentile(distances, q))


def _mean(distances: Distances) -> float:
    return float(distances.mean()) if len(distances) else 0.0


def _canny(mask: Mask, sigma: float) -> Mask:
    from skimage.feature import canny

    edges: Mask = canny(mask.astype(np.float64), sigma=sigma)
    return edges


def _dice_within(prediction: ArrayLike, truth: ArrayLike, edges: Mask, size: int) -> float:
    from scipy import ndimage

    band = ndimage.maximum_filter(edges, size=size, mode="constant")
    found, true = mask_pair(prediction, truth)
    found, true = found & band, true & band
    return ratio(2 * int(np.count_nonzero(found & true)), int(np.count_nonzero(found)) + int(np.count_nonzero(true)))
