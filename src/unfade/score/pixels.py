"""Agreement of two masks pixel by pixel (paper lexy, 2.4.2, equations 4 to 6).

One rule for empty cases, here and for objects: a ratio 0/0 is not defined, it is NaN, means leave it out, and the
count beside the figure says over how many it was taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError
from unfade.ops.overlap import Overlap
from unfade.score.bootstrap import Plan, mean_figure
from unfade.score.result import Figure, Scores


def ratio(part: float, whole: float) -> float:
    """`part / whole`; NaN where `whole` is 0."""
    return float(part / whole) if whole else float("nan")


def mask_pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two masks of one shape; label images count as their foreground.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    masks = []
    for image in (np.asarray(prediction), np.asarray(truth)):
        if image.dtype.kind not in "biu":
            raise ShapeError(f"A mask must be boolean or integer, got {image.dtype}; threshold it first.")
        masks.append(image != 0)
    if masks[0].shape != masks[1].shape:
        raise ShapeError(f"Prediction and truth must have one shape, got {masks[0].shape} and {masks[1].shape}.")
    return masks[0], masks[1]


@dataclass(frozen=True)
class Confusion:
    """Pixels that are true and false, positive and negative; confusions of several images add up."""

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, overlap: Overlap, pixels: int) -> Confusion:
        """Foreground against foreground of two label images, from their overlap (a = prediction) and their size."""
        tp, found, true = (int(part.sum()) for part in (overlap.n, overlap.area_a, overlap.area_b))
        return cls(tp, found - tp, true - tp, pixels - found - true + tp)

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN): lexy, equation 4. NaN if both masks are empty."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def iou(self) -> float:
        """TP / (TP + FP + FN). NaN if both masks are empty."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    def sensitivity(self) -> float:
        """TP / (TP + FN), also called recall: lexy, equation 5. NaN if the truth is empty."""
        return ratio(self.tp, self.tp + self.fn)

    def specificity(self) -> float:
        """TN / (TN + FP): lexy, equation 6. NaN if the truth covers the whole image."""
        return ratio(self.tn, self.tn + self.fp)

    def precision(self) -> float:
        """TP / (TP + FP). NaN if the prediction is empty."""
        return ratio(self.tp, self.tp + self.fp)

    def accuracy(self) -> float:
        """(TP + TN) / all pixels. NaN for an image without pixels."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def confusion(prediction: ArrayLike, truth: ArrayLike) -> Confusion:
    """Count the four kinds of pixels of two masks of the same shape; label images count as their foreground.

    Raises
    ------
    ShapeError
        For different shapes and for images that are neither masks nor integers.
    """
    found, true = mask_pair(prediction, truth)
    tp = int(np.count_nonzero(found & true))
    fp = int(np.count_nonzero(found)) - tp
    fn = int(np.count_nonzero(true)) - tp
    return Confusion(tp, fp, fn, true.size - tp - fp - fn)


def score_pixels(pairs: Iterable[tuple[ArrayLike, ArrayLike]], plan: Plan | None = None) -> Scores:
    """Pixel scores of pairs (prediction, truth) of images, read one at a time.

    Each measure is given as the mean over images (`Dice`) and from the pixels of all images together
    (`Dice pooled`). With a bootstrap plan the means carry intervals over images.
    """
    return pixel_scores([confusion(prediction, truth) for prediction, truth in pairs], plan)


def pixel_scores(each: Sequence[Confusion], plan: Plan | None = None) -> Scores:
    """The same from the confusion of each image."""
    total = sum(each, Confusion(0, 0, 0, 0))
    measures = {
        "Dice": Confusion.dice,
        "IoU": Confusion.iou,
        "Sensitivity": Confusion.sensitivity,
        "Specificity": Confusion.specificity,
        "Precision": Confusion.precision,
        "Accuracy": Confusion.accuracy,
    }
    figures: dict[str, Figure] = {}
    for name, measure in measures.items():
        figures[name] = mean_figure([measure(c) for c in each], "images", {"of": "pixels", "mean over": "images"}, plan)
    pixels = total.tp + total.fp + total.fn + total.tn
    for name, measure in measures.items():
        figures[f"{name} pooled"] = Figure(measure(total), pixels, "pixels", {"of": "pixels", "mean over": "none"})
    return Scores(figures)
