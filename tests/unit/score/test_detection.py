"""Matching of objects and what is counted from it: drawn cases, plain definitions, properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.unit.score.scenes import WAYS, cells, renamed
from unfade.ops.overlap import Overlap, contingency
from unfade.score.bootstrap import Plan
from unfade.score.detection import (
    THRESHOLDS,
    Counts,
    best_iou,
    count_matches,
    count_objects,
    match,
    score_objects,
)

LABELS = arrays(np.int32, (5, 6), elements=st.sampled_from([0, 1, 2, 3, 900, 70_000]))
RATIOS = [Counts.precision, Counts.recall, Counts.f1, Counts.ap, Counts.pq]


def best_by_trying(iou: np.ndarray, threshold: float, strict: bool) -> tuple[int, float]:
    """Most pairs, then highest summed IoU, over every one-to-one assignment."""
    iou = iou if iou.shape[0] <= iou.shape[1] else iou.T
    best = (0, 0.0)
    for columns in itertools.permutations(range(iou.shape[1]), iou.shape[0]):
        values = iou[range(iou.shape[0]), columns]
        values = values[values > threshold] if strict else values[values >= threshold]
        best = max(best, (len(values), float(values.sum())))
    return best


def test_thresholds_are_exact_decimals() -> None:
    assert THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_a_drawn_case() -> None:
    truth = np.zeros((8, 12), int)
    truth[:4, :4], truth[:4, 6:10], truth[6:, :2] = 7, 9, 30
    found = np.zeros((8, 12), int)
    found[:4, 1:4], found[1:4, 7:10], found[6:, 6:8] = 4, 5, 6  # IoU 12/16, 9/16, none
    seen = count_objects(found, truth, 0.5, strict=True)
    assert seen == Counts(tp=2, fp=1, fn=1, iou_sum=21 / 16)
    assert seen.precision() == seen.recall() == seen.f1() == pytest.approx(2 / 3)
    assert seen.ap() == 0.5
    assert seen.pq() == pytest.approx(21 / 16 / 3)
    assert seen.matched_iou() == pytest.approx(21 / 32)
    assert count_objects(found, truth, 0.75, strict=False).tp == 1
    assert count_objects(found, truth, 0.75, strict=True).tp == 0
    assert best_iou(contingency(found, truth)).tolist() == [12 / 16, 9 / 16, 0]


def test_half_an_overlap_is_decided_by_strict() -> None:
    truth = np.array([[1, 1, 2, 2]])
    both = np.array([[5, 5, 5, 5]])
    assert count_objects(both, truth, 0.5, strict=True).tp == 0
    assert count_objects(both, truth, 0.5, strict=False) == Counts(1, 0, 1, 0.5)


def test_most_pairs_come_before_best_pair() -> None:
    """Prediction 1 fits truth 1 better, but only leaving it to prediction 2 gives two pairs."""
    overlap = Overlap(*(np.array(v) for v in ([1, 2], [1, 2], [10, 4], [9, 3], [0, 0, 1], [0, 1, 0], [6, 2, 3])))
    iou = overlap.iou()
    assert iou[0, 0] > max(iou[0, 1], iou[1, 0]) > 0
    found = match(overlap, 0.1, strict=True)
    assert list(zip(found.prediction.tolist(), found.truth.tolist(), strict=True)) == [(0, 1), (1, 0)]


@given(LABELS, LABELS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_matching_is_the_best_of_all(a: np.ndarray, b: np.ndarray, threshold: float, strict: bool) -> None:
    assume(strict or threshold > 0)  # pairs that share nothing would count otherwise
    overlap = contingency(a, b)
    found = match(overlap, threshold, strict=strict)
    pairs, total = best_by_trying(overlap.iou(), threshold, strict)
    assert len(found.iou) == pairs
    assert found.iou.sum() == pytest.approx(total)
    assert len(set(found.prediction)) == len(set(found.truth)) == pairs
    np.testing.assert_array_equal(overlap.iou()[found.prediction, found.truth], found.iou)
    assert found.prediction.tolist() == sorted(found.prediction)


@given(LABELS, LABELS)
@settings(deadline=None)
def test_above_half_nothing_has_to_be_chosen(a: np.ndarray, b: np.ndarray) -> None:
    overlap = contingency(a, b)
    iou = overlap.iou()
    found = match(overlap, 0.5, strict=True)
    assert np.argwhere(iou > 0.5).tolist() == np.stack([found.prediction, found.truth], axis=1).tolist()


def test_empty_images_are_not_defined() -> None:
    none, some = np.zeros((4, 4), int), np.eye(4, dtype=int)
    both = count_objects(none, none, 0.5, strict=True)
    assert both == Counts()
    assert all(math.isnan(measure(both)) for measure in RATIOS)
    lost = count_objects(none, some, 0.5, strict=True)
    assert lost == Counts(fn=1)
    assert math.isnan(lost.precision())
    assert lost.recall() == lost.f1() == lost.ap() == lost.pq() == 0
    invented = count_objects(some, none, 0.5, strict=True)
    assert invented == Counts(fp=1)
    assert math.isnan(invented.recall())


@given(LABELS)
@settings(deadline=None)
def test_truth_against_itself_is_perfect(labels: np.ndarray) -> None:
    for threshold in (0.5, 0.95):
        seen = count_objects(labels, labels, threshold, strict=True)
        assert seen.fp == seen.fn == 0
        assert all(math.isnan(m(seen)) or m(seen) == 1 for m in RATIOS)


@given(st.integers(0, 40), st.sampled_from(sorted(WAYS)), st.sampled_from([0.3, 0.5, 0.7]))
@settings(max_examples=25, deadline=None)
def test_ids_and_sides_change_nothing(seed: int, way: str, threshold: float) -> None:
    truth = cells(seed)
    found = WAYS[way](truth)
    seen = count_objects(found, truth, threshold, strict=False)
    other = count_objects(
        renamed(found, seed) if found.max() < 100 else found, renamed(truth, seed + 1), threshold, strict=False
    )
    assert (other.tp, other.fp, other.fn) == (seen.tp, seen.fp, seen.fn)
    assert other.iou_sum == pytest.approx(seen.iou_sum)
    back = count_objects(truth, found, threshold, strict=False)
    assert (back.tp, back.fp, back.fn) == (seen.tp, seen.fn, seen.fp)
    assert back.pq() == pytest.approx(seen.pq())


@given(st.integers(0, 40), st.sampled_from(["drop", "merge", "invent", "shrink"]))
@settings(max_examples=25, deadline=None)
def test_more_errors_of_a_kind_never_help(seed: int, kind: str) -> None:
    truth = cells(seed)
    ids = np.unique(truth)[1:]
    found = truth.copy()
    last = count_objects(found, truth, 0.5, strict=True)
    for k in range(5):
        if kind == "drop":
            found[found == ids[k]] = 0
        elif kind == "merge":
            found[found == ids[2 * k]] = ids[2 * k + 1]
        elif kind == "invent":
            found.flat[np.flatnonzero((truth == 0) & (found == 0))[k]] = 500 + k
        else:
            places = np.flatnonzero(found == ids[k])
            found.flat[places[: 1 + len(places) * 2 // 3]] = 0
        seen = count_objects(found, truth, 0.5, strict=True)
        for measure in RATIOS:
            assert measure(seen) <= measure(last) + 1e-12
        assert seen.pq() < last.pq() or seen == last
        last = seen
    assert last.pq() < 1


def test_higher_thresholds_never_find_more() -> None:
    truth = cells(3)
    overlap = contingency(WAYS["shift"](truth), truth)
    found = [count_matches(overlap, t, strict=False).tp for t in (0.1, *THRESHOLDS)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_scores_pooled_and_per_image() -> None:
    none = np.zeros((96, 112), np.int32)
    truth = [cells(1), cells(2, count=5), none, none]
    found = [WAYS["erode"](truth[0]), truth[1], none, cells(4, count=2)]
    scores = score_objects(zip(found, truth, strict=True), strict=False, plan=Plan(draws=300))
    each = [count_objects(f, t, 0.75, strict=False) for f, t in zip(found, truth, strict=True)]
    total = sum(each, Counts())
    assert scores["AP@0.75"].value == pytest.approx(total.ap())
    assert scores["F1@0.75"].value == pytest.approx(total.f1())
    assert scores["Precision@0.75"].value == pytest.approx(total.precision())
    assert scores["Recall@0.75"].value == pytest.approx(total.recall())
    assert scores["PQ@0.75"].value == pytest.approx(total.pq())
    assert scores["AP@0.75"].count == total.tp + total.fn
    assert scores["AP@0.75 per image"].value == pytest.approx(np.mean([each[0].ap(), 1, 0]))
    assert scores["AP@0.75 per image"].count == 3
    assert scores["AP"].value == pytest.approx(np.mean([scores[f"AP@{t:.2f}"].value for t in THRESHOLDS]))
    assert scores["AP per image"].value == pytest.approx(
        np.mean([scores[f"AP@{t:.2f} per image"].value for t in THRESHOLDS])
    )
    for name in ("AP", "AP per image", "PQ@0.75", "AP@0.75 per image"):
        span = scores[name].interval
        assert span is not None
        assert span.low < scores[name].value < span.high
    assert scores["F1@0.50"].how == {"matcher": "optimal one-to-one", "strict": False, "iou": 0.5}


def test_scores_of_no_image() -> None:
    scores = score_objects([], strict=True, plan=Plan(draws=3))
    assert set(scores.metrics.values()) == {None}
    assert scores["AP"].count == scores["F1@0.50"].count == 0
