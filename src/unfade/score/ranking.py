"""Average precision of ranked detections: how well a score sorts the good masks before the bad ones.

The ranking score is free: paper imperfect, 4.1, takes the softmax score, mAP (sm), and the mean entropy of the mask,
mAP (ent), for which `-entropy` is handed in. The paper does not say how its precision-recall curve is summed up, so
both usual ways are here and are named: `coco` (all images in one list, precision read at 101 recalls: Lin et al., ECCV
2014, and its evaluation code) and `per image` (exact area under the curve of each image, mean over images: what the
Mask R-CNN code does on which the paper builds, but for its letting the object of the first-ranked prediction be found
twice). In every overlap `a` is the prediction and `b` the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unfade.errors import ShapeError
from unfade.ops.overlap import Overlap
from unfade.score.bootstrap import Plan, interval, mean_figure
from unfade.score.result import Figure, Scores, Setting

RECALLS = np.linspace(0, 1, 101)

Array = NDArray[np.float64]
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Ranked:
    """Predictions of one image at one threshold, best score first: their scores, hit or not, and the true objects."""

    score: Array  # (N,) descending
    hit: Hits  # (N,)
    truths: int


def rank(overlap: Overlap, score: ArrayLike, threshold: float) -> Ranked:
    """Match predictions (a) to true objects (b) greedily, best score first, as COCO does.

    Each takes the free true object of highest IoU that reaches the threshold (>=), or is a false positive. `score`
    holds one number per object of `overlap.ids_a`; equal ones keep that order.

    Raises
    ------
    ShapeError
        If the number of scores is not that of the predictions, or one of them is NaN.
    """
    value = np.asarray(score, np.float64)
    if value.shape != overlap.ids_a.shape or np.isnan(value).any():
        raise ShapeError(
            f"Ranking needs one known score per predicted object, got {np.count_nonzero(~np.isnan(value))} "
            f"for {len(overlap.ids_a)}."
        )
    order = np.argsort(-value, kind="stable")
    iou = overlap.sparse_iou()
    good = iou >= threshold
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    i, j, iou = place[overlap.i[good]], overlap.j[good], iou[good]
    hit = np.zeros(len(order), bool)
    taken = np.zeros(len(overlap.ids_b), bool)
    for p in np.lexsort((-iou, i)):  # by rank, then best IoU first
        if not hit[i[p]] and not taken[j[p]]:
            hit[i[p]] = taken[j[p]] = True
    return Ranked(value[order], hit, len(overlap.ids_b))


def precision_recall(images: Sequence[Ranked]) -> tuple[Array, Array]:
    """Recall and the best precision at that recall or beyond, after each prediction of all images in one ranking.

    Both are `(N,)`; the precision never rises with recall. Without true objects the recall is NaN.
    """
    hit = _joined(images)
    truths = sum(image.truths for image in images)
    found = np.cumsum(hit)
    recall = found / truths if truths else np.full(len(hit), np.nan)
    precision = found / np.arange(1, len(hit) + 1)
    return recall, np.maximum.accumulate(precision[::-1])[::-1]


def ap_coco(images: Sequence[Ranked]) -> float:
    """Average precision of the pooled ranking, mean precision at the recalls 0, 0.01, ..., 1 (COCO); NaN: no truth."""
    if not any(image.truths for image in images):
        return float("nan")
    recall, precision = precision_recall(images)
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def ap_area(images: Sequence[Ranked]) -> float:
    """Average precision as the exact area under the curve of the pooled ranking.

    0 if there are predictions but nothing to find, NaN if there is nothing at all.
    """
    if not any(image.truths for image in images):
        return 0.0 if any(len(image.hit) for image in images) else float("nan")
    recall, precision = precision_recall(images)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def score_ranking(
    images: Iterable[tuple[Overlap, ArrayLike]],
    ranking: str,
    thresholds: Sequence[float] = (0.5, 0.75),
    plan: Plan | None = None,
) -> Scores:
    """mAP of images given as (overlap of prediction and truth, score of each prediction): imperfect, table 1.

    `ranking` names the score in the results, "sm" and "ent" in the paper: `mAP@0.50 (sm) coco` and
    `mAP@0.50 (sm) per image`. There is one class and no limit on the number of predictions (COCO's own table stops at
    100 an image).
    """
    kept = [(overlap, np.asarray(score, np.float64)) for overlap, score in images]
    figures: dict[str, Figure] = {}
    for threshold in thresholds:
        ranked = [rank(overlap, score, threshold) for overlap, score in kept]
        truths = sum(image.truths for image in ranked)
        how: dict[str, Setting] = {"matcher": "greedy by score", "iou": threshold, "strict": False, "ranking": ranking}
        span = None if plan is None else interval(len(ranked), partial(_drawn_ap, ranked), "images", plan)
        coco: dict[str, Setting] = {**how, "curve": "pooled, 101 recalls"}
        name = f"mAP@{threshold:.2f} ({ranking})"
        figures[f"{name} coco"] = Figure(ap_coco(ranked), truths, "objects of the truth", coco, span)
        each = [ap_area([image]) for image in ranked]
        figures[f"{name} per image"] = mean_figure(each, "images", {**how, "curve": "area of each image"}, plan)
    return Scores(figures)


def _drawn_ap(images: Sequence[Ranked], drawn: NDArray[np.int64]) -> float:
    return ap_coco([images[k] for k in drawn])


def _joined(images: Sequence[Ranked]) -> Hits:
    """Hits of all images in the order of one ranking; equal scores keep the order of the images."""
    if not images:
        return np.zeros(0, bool)
    order = np.argsort(-np.concatenate([image.score for image in images]), kind="stable")
    hits: Hits = np.concatenate([image.hit for image in images])[order]
    return hits
