"""Results with one thing wrong, made from the cases of the tests, and the figures that they get."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cases.bestiary import BESTIARY
from tests.cases.lineages import CASES, FAMILY, Row, images, table
from unfade.ops.overlap import contingency
from unfade.score.boundaries import score_boundaries
from unfade.score.calibration import score_uncertainty
from unfade.score.detection import best_iou, score_objects
from unfade.score.pixels import score_pixels
from unfade.score.ranking import score_ranking
from unfade.score.repaired import nuclei, score_repair
from unfade.score.sequence import score_sequence
from unfade.score.spread import spread_f1

Labels = NDArray[np.int32]
Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Example:
    """A picture, the figures shown beside it, and what they say."""

    metric: str  # under which it stands
    name: str
    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Still(Example):
    """One frame and its prediction; `sure` holds a confidence per object of the prediction."""

    truth: Labels  # (Y, X)
    result: Labels  # (Y, X)
    sure: tuple[float, ...] = ()

    @cached_property
    def scores(self) -> Numbers:
        pair = [(self.result, self.truth)]
        out = score_objects(pair, strict=True)
        # the words Precision and IoU mean pixels without a threshold behind them, objects with one
        numbers = {**out.metrics, **score_pixels(pair).metrics, **score_boundaries(pair).metrics}
        numbers["Label-spreading F1"] = spread_f1(pair).value
        if self.sure:
            overlap = contingency(self.result, self.truth)
            numbers |= score_ranking([(overlap, self.sure)], "sm").metrics
            numbers |= score_uncertainty(1 - np.array(self.sure), best_iou(overlap)).metrics
        return numbers


@dataclass(frozen=True)
class Film(Example):
    """A lineage and a result for it."""

    truth: tuple[Row, ...]
    result: tuple[Row, ...]
    frames: int = 6
    places: int = 5

    @cached_property
    def scores(self) -> Numbers:
        sides = [images(rows, self.frames, self.places) for rows in (self.result, self.truth)]
        tables = [_tracks(rows) for rows in (self.result, self.truth)]
        return score_sequence(sides[0], tables[0], sides[1], tables[1], dict(enumerate(sides[1]))).metrics


@dataclass(frozen=True)
class Repaired(Example):
    """A movie before and after repair."""

    truth: Labels  # (T, Y, X)
    before: Labels
    after: Labels
    origin: tuple[Mapping[int, str], ...]

    @cached_property
    def scores(self) -> Numbers:
        frames = zip(self.before, self.after, self.truth, self.origin, strict=True)
        return score_repair([nuclei(*frame) for frame in frames]).metrics


def examples() -> list[Example]:
    """All of them, in the order of the page."""
    return [*_pixels(), *_boundaries(), *_objects(), *_challenge(), *_association(), *_repair(), *_uncertainty()]


def _tracks(rows: tuple[Row, ...]) -> pd.DataFrame:
    """The track table of a film; rows of one label are one track that changes its place."""
    found = pd.DataFrame(table(rows), columns=["track", "first", "last", "parent"])
    return found.groupby("track", as_index=False).agg({"first": "min", "last": "max", "parent": "first"})


def _frame(name: str, t: int = 0) -> Labels:
    return BESTIARY[name]().labels[t]


def _joined(labels: Labels) -> Labels:
    return np.where(labels > 0, 1, 0).astype(np.int32)


def _moved(labels: Labels, y: int, x: int) -> Labels:
    return np.roll(labels, (y, x), (0, 1))


def _without(labels: Labels, label: int) -> Labels:
    return np.where(labels == label, 0, labels).astype(np.int32)


def _tight(labels: Labels) -> Labels:
    """Without the outermost pixels of the foreground."""
    return np.where(ndimage.binary_erosion(labels > 0), labels, 0).astype(np.int32)


def _pixels() -> list[Example]:
    touching, alone = _frame("touching"), _frame("blinking")
    return [
        Still(
            "Dice",
            "two cells under one mask",
            "Every pixel is right, so no measure of pixels sees that two cells were taken for one.",
            ("Dice", "IoU", "Sensitivity", "Precision", "F1@0.50"),
            touching,
            _joined(touching),
        ),
        Still(
            "Accuracy",
            "nothing found",
            "Most of the image is background, so the empty mask is nearly right by accuracy and wholly by specificity.",
            ("Accuracy", "Specificity", "Sensitivity", "Dice"),
            alone,
            np.zeros_like(alone),
        ),
    ]


def _boundaries() -> list[Example]:
    touching, alone = _frame("touching"), _frame("dividing")
    stray = alone.copy()
    stray[22, 30] = 1
    return [
        Still(
            "HD",
            "one stray pixel",
            "A single pixel far away decides the Hausdorff distance; the other measures hardly move.",
            ("HD", "HD95", "ASSD", "Boundary Dice", "Dice"),
            alone,
            stray,
        ),
        Still(
            "ASSD",
            "one pixel tighter",
            "The whole outline lies one pixel inside. Dice falls as the cell is small; the distances say by how much.",
            ("HD", "HD95", "ASSD", "Boundary Dice", "Dice"),
            alone,
            _tight(alone),
        ),
        Still(
            "Boundary Dice",
            "the border between two cells is missing",
            "The border lies inside the foreground, so no measure of boundaries sees that it is missing.",
            ("Boundary Dice", "Boundary Dice (Canny)", "HD", "F1@0.50"),
            touching,
            _joined(touching),
        ),
    ]


def _objects() -> list[Example]:
    touching, three = _frame("touching"), _frame("leaping")
    tight = sum(_tight(np.where(touching == i, i, 0)) for i in (1, 2))
    ranked = three.copy()
    ranked[18:23, 24:29] = 4
    shown = ("mAP@0.50 (sm) coco", "mAP@0.50 (sm) per image", "F1@0.50")
    return [
        Still(
            "F1 at t",
            "one cell missed, another one invented",
            "Two of three cells are found, and one of three masks is spare.",
            ("Precision@0.50", "Recall@0.50", "F1@0.50", "AP@0.50", "PQ@0.50"),
            three,
            _without(ranked, 3),
        ),
        Still(
            "AP at t",
            "all outlines one pixel tight",
            "At a threshold of 0.5 nothing is wrong; at 0.75 nothing is right. PQ and the mean AP see it.",
            ("F1@0.50", "F1@0.75", "AP", "PQ@0.50"),
            touching,
            tight,
        ),
        Still(
            "mAP, COCO",
            "a spare mask that is unsure",
            "The number in a mask is its score. The spare mask comes last in the ranking and costs nothing.",
            shown,
            three,
            ranked,
            (0.9, 0.8, 0.7, 0.2),
        ),
        Still(
            "mAP, COCO",
            "a spare mask that is sure",
            "The same masks; now the spare one comes first.",
            shown,
            three,
            ranked,
            (0.8, 0.7, 0.6, 0.9),
        ),
        Still(
            "Label-spreading F1",
            "a mask for the truth to cut",
            "The mask is perfect, and with the truth's help so are its objects. As it stands it holds one.",
            ("Label-spreading F1", "F1@0.50"),
            touching,
            _joined(touching),
        ),
    ]


def _challenge() -> list[Example]:
    two: tuple[Row, ...] = ((1, 0, 5, 0, 0), (2, 0, 5, 0, 2))
    missed, cut, merged, cycle = (
        CASES[n] for n in ("missed division", "track cut in two", "one mask over three", "whole cycle lost")
    )
    return [
        Film(
            "SEG",
            "a spare mask in every frame",
            "SEG asks only what covers the true objects. DET sees the spare masks, ten times cheaper than missed ones.",
            ("SEG", "DET", "FP", "MOTA"),
            two[:1],
            two,
        ),
        Film(
            "DET",
            "one mask over three cells",
            "The mask needs two splits in each of six frames.",
            ("NS", "FN", "DET", "SEG", "TRA"),
            merged.truth,
            merged.result,
        ),
        Film(
            "TRA",
            "a missed division",
            "Every object and every track is right, but nobody knows that the cell divided. TRA stays near 1, and in a "
            "longer movie nearer still; everything that asks for divisions falls to 0.",
            ("TRA", "LNK", "EA", "BC(0)", "CHOTA", "DIV_F1(0)"),
            missed.truth,
            missed.result,
        ),
        Film(
            "CT",
            "a track cut in two",
            "The same cell, written as parent and only child. No track is complete; for HOTA nothing is wrong.",
            ("CT", "TF", "EC", "LNK", "HOTA"),
            cut.truth,
            cut.result,
        ),
        Film(
            "CCA",
            "a whole cycle lost",
            "The division in frame 3 is found, the next one is not, so that no cell cycle is whole.",
            ("CCA", "BC(0)", "BIO", "TRA"),
            cycle.truth,
            cycle.result,
        ),
        Film(
            "TF",
            "one of two cells never found",
            "TF leaves out what was not detected at all.",
            ("TF", "CT", "DET", "BIO"),
            two,
            two[1:],
        ),
    ]


def _association() -> list[Example]:
    two: tuple[Row, ...] = ((1, 0, 5, 0, 0), (2, 0, 5, 0, 2))
    shown = ("HOTA", "MOTA", "IDF1", "LNK")
    missed, late = CASES["missed division"], CASES["late division"]
    return [
        Film(
            "MOTA",
            "identities swapped half-way",
            "From frame 3 on each cell bears the other one's name.",
            shown,
            two,
            ((1, 0, 2, 0, 0), (1, 3, 5, 0, 2), (2, 0, 2, 0, 2), (2, 3, 5, 0, 0)),
        ),
        Film(
            "MOTA",
            "identities swapped at the end",
            "The same swap in the last frame. MOTA and LNK stay the same; HOTA and IDF1 see less harm.",
            shown,
            two,
            ((1, 0, 4, 0, 0), (1, 5, 5, 0, 2), (2, 0, 4, 0, 2), (2, 5, 5, 0, 0)),
        ),
        Film(
            "CHOTA",
            "a missed division",
            "HOTA, MOTA and IDF1 do not ask who descends from whom; CHOTA does.",
            ("CHOTA", "HOTA", "MOTA", "IDF1"),
            missed.truth,
            missed.result,
        ),
        Film(
            "DIV_F1(i)",
            "a division one frame late",
            "Wrong without tolerance, right with one frame of it.",
            ("DIV_F1(0)", "DIV_F1(1)", "BC(0)", "BC(1)"),
            late.truth,
            late.result,
        ),
        Film(
            "DIV_P(i)",
            "an invented division",
            "The true division is found; a second one is made up. Recall does not see it.",
            ("DIV_P(0)", "DIV_R(0)", "DIV_F1(0)", "TRA"),
            (*FAMILY, (4, 0, 2, 0, 4), (5, 3, 5, 4, 4), (6, 3, 5, 0, 3)),
            (*FAMILY, (4, 0, 2, 0, 4), (5, 3, 5, 4, 4), (6, 3, 5, 4, 3)),
        ),
    ]


def _repair() -> list[Example]:
    truth = BESTIARY["fading"]().labels
    before, after = truth.copy(), truth.copy()
    before[3:5] = [_without(frame, 1) for frame in truth[3:5]]
    before[5] = np.where((truth[5] == 1) & (np.arange(truth.shape[2]) > 15), 0, truth[5])
    after[3:6] = [np.where(truth[2] == 1, 1, _without(frame, 1)) for frame in truth[3:6]]
    after[5:, 1:5, 1:6] = 3
    origin = [{}, {}, {}, {1: "interpolated"}, {1: "interpolated"}, {1: "updated"}, {}]
    return [
        Repaired(
            "IoU all",
            "a faded cell carried on",
            "Cell 1 has no mask in frames 3 and 4 and half a one in frame 5. Repair carries the mask of frame 2 on, "
            "which fits the less the longer the cell moves. Object 3, which repair invented, costs nothing.",
            ("IoU all before", "IoU all", "IoU interpolated", "IoU updated before", "IoU updated", "IoU non-updated"),
            truth,
            before,
            after,
            tuple(origin),
        )
    ]


def _uncertainty() -> list[Example]:
    truth = _frame("leaping")
    result = truth.copy()
    result[18:23, 24:29] = 4
    result[_moved(truth == 3, 0, 3) & (truth == 0)] = 3
    shown = ("ECE", "AURC", "Excess AURC", "Spearman", "Pearson")
    return [
        Still(
            "AURC",
            "the right order, too little doubt",
            "The number in a mask is its confidence. Mask 4 lies where no cell is, and the third is a bit wide. They "
            "are rightly the least sure, so the ranking is perfect; but 0.90 is far too sure for a mask that is wrong.",
            shown,
            truth,
            result,
            (0.99, 0.98, 0.95, 0.90),
        ),
        Still(
            "ECE",
            "calibrated, and of no use",
            "Three of four masks are right and each says 0.75: no error of calibration, no word on which to doubt.",
            shown,
            truth,
            result,
            (0.75, 0.75, 0.75, 0.75),
        ),
    ]
