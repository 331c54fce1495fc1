"""What a binary mask could reach as instances if the truth helped: label spreading (paper nuclei-unet, III.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.ops.relabel import checked
from unfade.score.bootstrap import Plan, interval_of_sums, quotient
from unfade.score.detection import Counts, count_objects
from unfade.score.pixels import mask_pair
from unfade.score.result import Figure, Setting


def spread_labels(mask: ArrayLike, truth: ArrayLike) -> NDArray[np.int32]:
    """Give each pixel of a predicted mask `(Y, X)` the label of the nearest pixel shared by mask and truth.

    The three steps of nuclei-unet, III.6: the product of mask and truth, its labels spread over the whole image by
    distance, cut to the mask. A true object that the mask does not touch keeps no pixel; where mask and truth share
    nothing at all there is no label to spread, and the result is empty.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    labels = checked(truth)
    found, true = mask_pair(mask, labels)
    seed = found & true
    if not seed.any():
        return np.zeros(labels.shape, np.int32)
    from scipy import ndimage

    place = ndimage.distance_transform_edt(~seed, return_distances=False, return_indices=True)
    return np.where(found, labels[tuple(place)], 0).astype(np.int32)


def spread_f1(pairs: Iterable[tuple[ArrayLike, ArrayLike]], threshold: float = 0.5, plan: Plan | None = None) -> Figure:
    """F1 of label spreading over pairs (mask, truth), IoU above the threshold: nuclei-unet, III.6.

    A rough upper bound for any way of cutting the mask into objects, not a result: the truth was used. Precision
    equals recall as long as the mask touches every true object.
    """
    return spread_figure([count_spread(mask, truth, threshold) for mask, truth in pairs], threshold, plan)


def count_spread(mask: ArrayLike, truth: ArrayLike, threshold: float = 0.5) -> Counts:
    """Objects of one image counted after label spreading.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    return count_objects(spread_labels(mask, truth), truth, threshold, strict=True)


def spread_figure(images: Sequence[Counts], threshold: float = 0.5, plan: Plan | None = None) -> Figure:
    """F1 of the objects of all images together, with its interval over images."""
    total = sum(images, Counts())
    how: dict[str, Setting] = {"source": "nuclei-unet III.6", "iou": threshold, "strict": True, "uses the truth": True}
    span = None
    if plan is not None:
        table = np.array([(2 * c.tp, 2 * c.tp + c.fp + c.fn) for c in images], np.float64).reshape(-1, 2)
        span = interval_of_sums(table, lambda sums: quotient(sums[:, 0], sums[:, 1]), "images", plan)
    return Figure(total.f1(), total.tp + total.fn, "objects of the truth", how, span)
