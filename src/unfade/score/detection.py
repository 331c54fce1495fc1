"""Objects found and missed: one-to-one matching at an IoU threshold and what is counted from it.

In every overlap of this module `a` is the prediction and `b` the truth. Whether the IoU must exceed the threshold
(strict) or may equal it decides cases of exactly half an overlap, and publications differ: nuclei-unet and the
challenge's SEG are strict at 0.5, StarDist and COCO are not. So it is always said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.ops.overlap import Overlap, contingency
from unfade.score.bootstrap import Plan, interval_of_sums, mean_figure, quotient
from unfade.score.pixels import ratio
from unfade.score.result import Figure, Scores, Setting

THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))  # 0.5, 0.55, ..., 0.95

TRUE = "objects of the truth"
# name: weights of (tp, fp, fn, summed IoU) above and below the line
POOLED = {
    "AP": ((1, 0, 0, 0), (1, 1, 1, 0)),
    "F1": ((2, 0, 0, 0), (2, 1, 1, 0)),
    "Precision": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "Recall": ((1, 0, 0, 0), (1, 0, 1, 0)),
    "PQ": ((0, 0, 0, 1), (1, 0.5, 0.5, 0)),
}

Places = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """Pairs of a one-to-one matching, ascending by prediction: places in `ids_a` and `ids_b` of the overlap, IoU."""

    prediction: Places  # (K,)
    truth: Places  # (K,)
    iou: Array  # (K,)


@dataclass(frozen=True)
class Counts:
    """Objects that are true and false, positive and negative, and the summed IoU of the matched; counts add up."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        sums = (a + b for a, b in zip(astuple(self), astuple(other), strict=True))
        return Counts(*sums)

    def precision(self) -> float:
        """TP / predicted objects: nuclei-unet, III.6. NaN without predictions."""
        return ratio(self.tp, self.tp + self.fp)

    def recall(self) -> float:
        """TP / true objects: nuclei-unet, III.6. NaN without true objects."""
        return ratio(self.tp, self.tp + self.fn)

    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall: nuclei-unet, III.6."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def ap(self) -> float:
        """TP / (TP + FP + FN), the "average precision" of instance segmentation (Data Science Bowl 2018, StarDist)."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    def pq(self) -> float:
        """Panoptic quality, summed IoU / (TP + FP / 2 + FN / 2): Kirillov et al., CVPR 2019, equation 1."""
        return ratio(self.iou_sum, self.tp + self.fp / 2 + self.fn / 2)

    def matched_iou(self) -> float:
        """Mean IoU of the matched objects (segmentation quality, the other factor of PQ beside F1)."""
        return ratio(self.iou_sum, self.tp)


def match(overlap: Overlap, threshold: float, *, strict: bool) -> Matches:
    """Match predictions (a) and true objects (b) one to one, IoU > threshold (strict) or >= threshold.

    As many pairs as possible, and among such matchings the one of highest summed IoU. Above a strict 0.5 objects
    that do not overlap among themselves have at most one partner, so nothing has to be chosen.
    """
    iou = overlap.sparse_iou()
    good = iou > threshold if strict else iou >= threshold
    i, j, iou = overlap.i[good], overlap.j[good], iou[good]
    rivals = (np.bincount(i, minlength=1)[i] > 1) | (np.bincount(j, minlength=1)[j] > 1)
    chosen = ~rivals
    if rivals.any():
        chosen[rivals] = _assigned(i[rivals], j[rivals], iou[rivals])
    return Matches(i[chosen], j[chosen], iou[chosen])


def count_matches(overlap: Overlap, threshold: float, *, strict: bool) -> Counts:
    """Objects of an overlap (a = prediction, b = truth) counted at one threshold."""
    found = match(overlap, threshold, strict=strict)
    tp = len(found.iou)
    return Counts(tp, len(overlap.ids_a) - tp, len(overlap.ids_b) - tp, float(found.iou.sum()))


def count_objects(prediction: ArrayLike, truth: ArrayLike, threshold: float, *, strict: bool) -> Counts:
    """Objects of two label images of one shape counted at one threshold.

    Raises
    ------
    ShapeError
        For different shapes, images that are not integers, and negative labels.
    """
    return count_matches(contingency(prediction, truth), threshold, strict=strict)


def best_iou(overlap: Overlap) -> Array:
    """IoU of each predicted object with the true object that fits it best `(N,)`, 0 where it touches none."""
    best = np.zeros(len(overlap.ids_a))
    np.maximum.at(best, overlap.i, overlap.sparse_iou())
    return best


def score_objects(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    *,
    strict: bool,
    thresholds: Sequence[float] = THRESHOLDS,
    plan: Plan | None = None,
) -> Scores:
    """Object scores of pairs (prediction, truth) of label images, read one at a time.

    For each threshold `AP@0.50`, `F1@0.50`, `Precision@0.50`, `Recall@0.50`, `PQ@0.50` from the objects of all images
    together, and `AP@0.50 per image`, the mean over images; `AP` and `AP per image` are means over the thresholds. An
    image without any object, true or predicted, has no AP and is left out of means over images. Intervals of pooled
    figures draw images, as objects of one image are not independent.
    """
    return object_scores((contingency(*pair) for pair in pairs), strict=strict, thresholds=thresholds, plan=plan)


def object_scores(
    overlaps: Iterable[Overlap],
    *,
    strict: bool,
    thresholds: Sequence[float] = THRESHOLDS,
    plan: Plan | None = None,
) -> Scores:
    """The same from the overlap of each image, a = prediction and b = truth."""
    images = [[astuple(count_matches(seen, t, strict=strict)) for t in thresholds] for seen in overlaps]
    table = np.array(images, np.float64).reshape(-1, len(thresholds), 4)  # tp, fp, fn, summed IoU
    how: dict[str, Setting] = {"matcher": "optimal one-to-one", "strict": strict}
    figures = {"AP": _mean_pooled(table, how, plan), "AP per image": _mean_of_images(table, how, plan)}
    for k, threshold in enumerate(thresholds):
        at: dict[str, Setting] = {**how, "iou": threshold}
        for name, (part, whole) in POOLED.items():
            figures[f"{name}@{threshold:.2f}"] = _pooled(table[:, k], np.array(part), np.array(whole), at, plan)
        figures[f"AP@{threshold:.2f} per image"] = _mean_of_images(table[:, k : k + 1], at, plan)
    return Scores(figures)


def _pooled(counts: Array, part: Array, whole: Array, how: dict[str, Setting], plan: Plan | None) -> Figure:
    total = counts.sum(axis=0)
    span = None
    if plan is not None:
        span = interval_of_sums(counts, lambda sums: quotient(sums @ part, sums @ whole), "images", plan)
    of_result = whole[1] > 0 and whole[2] == 0  # precision is a share of what was found
    count, of = (total[0] + total[1], "objects of the result") if of_result else (total[0] + total[2], TRUE)
    return Figure(ratio(float(total @ part), float(total @ whole)), int(count), of, how, span)


def _mean_pooled(table: Array, how: dict[str, Setting], plan: Plan | None) -> Figure:
    """Mean over the thresholds of the AP pooled over images."""
    shape = table.shape[1:]

    def mean_ap(sums: Array) -> Array:
        counts = sums.reshape(-1, *shape)
        each: Array = quotient(counts[..., 0], counts[..., :3].sum(axis=-1)).mean(axis=1)
        return each

    flat = table.reshape(len(table), shape[0] * shape[1])
    total = flat.sum(axis=0)
    count = int(total[0] + total[2])
    span = None if plan is None else interval_of_sums(flat, mean_ap, "images", plan)
    return Figure(float(mean_ap(total[None])[0]), count, TRUE, {**how, "iou": "mean over thresholds"}, span)


def _mean_of_images(table: Array, how: dict[str, Setting], plan: Plan | None) -> Figure:
    each = quotient(table[..., 0], table[..., :3].sum(axis=-1)).mean(axis=1)
    return mean_figure(each, "images", {**how, "mean over": "images"}, plan)


def _assigned(i: Places, j: Places, iou: Array) -> NDArray[np.bool_]:
    """Which of the candidate pairs belong to the matching of most pairs, then of highest summed IoU."""
    rows, row = np.unique(i, return_inverse=True)
    columns, column = np.unique(j, return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))
    gain[row, column] = 1 + iou / (2 * min(gain.shape))  # all IoU together weigh less than one pair
    from scipy.optimize import linear_sum_assignment

    partner = np.full(len(rows), -1)
    at, to = linear_sum_assignment(gain, maximize=True)
    partner[at] = to
    return np.asarray(partner[row] == column)
