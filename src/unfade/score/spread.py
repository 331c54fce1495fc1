"""What a binary mask could reach as instances if the truth helped: label spreading (paper nuclei-unet, III.6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unfade.ops.relabel import checked
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
    place = ndimage.distance_transform_edt(~seed, return_distances=False, return_indices=True)
    return np.where(found, labels[tuple(place)], 0).astype(np.int32)


def spread_f1(pairs: Iterable[tuple[ArrayLike, ArrayLike]], threshold: float = 0.5) -> Figure:
    """F1 of label spreading over pairs (mask, truth), IoU above the threshold: nuclei-unet, III.6.

    A rough upper bound for any way of cutting the mask into objects, not a result: the truth was used. Precision
    equals recall as long as the mask touches every true object.
    """
    total = Counts()
    for mask, truth in pairs:
        total += count_objects(spread_labels(mask, truth), truth, threshold, strict=True)
    how: dict[str, Setting] = {"source": "nuclei-unet III.6", "iou": threshold, "strict": True, "uses the truth": True}
    return Figure(total.f1(), total.tp + total.fn, "objects of the truth", how)
