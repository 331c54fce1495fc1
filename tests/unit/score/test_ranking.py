"""Average precision of ranked detections: drawn cases, plain definitions, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.score.scenes import WAYS, cells
from unfade.errors import ShapeError
from unfade.ops.overlap import Overlap, contingency
from unfade.score.bootstrap import Plan
from unfade.score.ranking import Ranked, ap_area, ap_coco, precision_recall, rank, score_ranking

RANKED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8).flatmap(
    lambda rows: st.builds(lambda missed: ranked(rows, missed), st.integers(0, 3))
)


def ranked(rows: list[tuple[float, bool]], missed: int = 0) -> Ranked:
    rows = sorted(rows, key=lambda row: -row[0])
    hit = np.array([hit for _, hit in rows], bool)
    return Ranked(np.array([score for score, _ in rows], float), hit, int(hit.sum()) + missed)


def plain_curve(images: list[Ranked]) -> tuple[list[float], list[float]]:
    """Recall and precision after each prediction, best first, counted one at a time."""
    rows = [(-s, k, n, h) for k, image in enumerate(images) for n, (s, h) in enumerate(zip(image.score, image.hit))]  # noqa: B905
    truths = sum(image.truths for image in images)
    recall, precision, tp = [], [], 0
    for seen, (_, _, _, hit) in enumerate(sorted(rows, key=lambda row: row[:3]), start=1):
        tp += bool(hit)
        recall.append(tp / truths)
        precision.append(tp / seen)
    return recall, precision


def test_a_drawn_curve() -> None:
    """Hit, miss, hit, and one true object never found."""
    image = ranked([(0.9, True), (0.8, False), (0.4, True)], missed=1)
    recall, precision = precision_recall([image])
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert precision.tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    assert ap_area([image]) == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    assert ap_coco([image]) == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)  # recalls 0..0.33, 0.34..0.66


def test_order_decides() -> None:
    good = ranked([(0.9, True), (0.1, False)])
    bad = ranked([(0.1, True), (0.9, False)])
    assert ap_area([good]) == ap_coco([good]) == 1
    assert ap_area([bad]) == ap_coco([bad]) == 0.5


@given(st.lists(RANKED, max_size=4))
@settings(max_examples=150, deadline=None)
def test_both_curves_equal_their_definition(images: list[Ranked]) -> None:
    if sum(image.truths for image in images) == 0:
        assert math.isnan(ap_coco(images))
        np.testing.assert_equal(ap_area(images), 0.0 if any(len(i.hit) for i in images) else math.nan)
        return
    recall, precision = plain_curve(images)
    read = [
        max((p for r, p in zip(recall, precision, strict=True) if r >= at), default=0.0)
        for at in np.linspace(0, 1, 101)
    ]
    assert ap_coco(images) == pytest.approx(np.mean(read), abs=1e-12)
    area, last = 0.0, 0.0
    for r in sorted(set(recall)):
        area += (r - last) * max(p for s, p in zip(recall, precision, strict=True) if s >= r)
        last = r
    assert ap_area(images) == pytest.approx(area, abs=1e-12)


def test_greedy_by_score_takes_the_best_free_object() -> None:
    overlap = Overlap(
        *(np.array(v) for v in ([4, 5, 6], [1, 2], [10, 10, 10], [10, 10], [0, 0, 1, 2], [0, 1, 0, 1], [5, 4, 9, 2]))
    )
    assert rank(overlap, [0.1, 0.9, 0.5], 0.2).hit.tolist() == [True, False, True]  # 5 takes 1; 6 is too far from 2
    assert rank(overlap, [0.9, 0.5, 0.1], 0.2).hit.tolist() == [True, False, False]  # 4 takes 1 from 5
    assert rank(overlap, [0.9, 0.5, 0.1], 1 / 9).hit.tolist() == [True, False, True]
    assert rank(overlap, [0.9, 0.5, 0.1], 0.4).hit.tolist() == [False, True, False]


def test_threshold_may_be_equalled() -> None:
    overlap = contingency(np.array([[1, 1, 1, 1]]), np.array([[2, 2, 0, 0]]))
    assert rank(overlap, [1], 0.5).hit.tolist() == [True]
    assert rank(overlap, [1], 0.5000001).hit.tolist() == [False]


@given(st.integers(0, 30), st.sampled_from(sorted(WAYS)), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_properties_on_scenes(seed: int, way: str, draw: int) -> None:
    truth = cells(seed)
    found = WAYS[way](truth)
    overlap = contingency(found, truth)
    score = np.random.default_rng(draw).random(len(overlap.ids_a))
    seen = [ap_coco([rank(overlap, score, t)]) for t in (0.3, 0.5, 0.7, 0.9)]
    assert seen == sorted(seen, reverse=True)
    assert ap_coco([rank(overlap, 5 * score - 9, 0.5)]) == seen[1]  # only the order matters
    best = np.zeros(len(score))
    np.maximum.at(best, overlap.i, overlap.sparse_iou())
    assert ap_area([rank(overlap, best, 0.5)]) >= ap_area([rank(overlap, score, 0.5)]) - 1e-12
    assert ap_area([rank(contingency(truth, truth), np.arange(len(np.unique(truth)) - 1), 0.95)]) == 1


@given(RANKED, st.integers(-1, 6), st.data())
@settings(deadline=None)
def test_more_errors_never_help(image: Ranked, score: int, data: st.DataObject) -> None:
    rows = list(zip(image.score.tolist(), image.hit.tolist(), strict=True))
    missed = image.truths - int(image.hit.sum())
    invented = ranked([(score, False), *rows], missed)
    lost = data.draw(st.sampled_from(rows)) if rows else None
    for measure in (ap_coco, ap_area):
        before = measure([image])
        if not math.isnan(before):
            assert measure([invented]) <= before + 1e-12
        if lost is not None and lost[1]:
            rest = list(rows)
            rest.remove(lost)
            assert measure([ranked(rest, missed + 1)]) <= before + 1e-12


def test_scores_name_ranking_and_curve() -> None:
    truth, none = cells(5), np.zeros((96, 112), np.int32)
    overlaps = [contingency(WAYS["erode"](truth), truth), contingency(none, truth), contingency(none, none)]
    entropy = [np.linspace(0, 1, len(o.ids_a)) for o in overlaps]
    images = [(o, -u) for o, u in zip(overlaps, entropy, strict=True)]
    scores = score_ranking(iter(images), "ent", plan=Plan(draws=60))
    assert list(scores) == [
        "mAP@0.50 (ent) coco",
        "mAP@0.50 (ent) per image",
        "mAP@0.75 (ent) coco",
        "mAP@0.75 (ent) per image",
    ]
    each = [rank(o, s, 0.75) for o, s in images]
    assert scores["mAP@0.75 (ent) coco"].value == ap_coco(each)
    assert scores["mAP@0.75 (ent) coco"].count == 2 * len(overlaps[0].ids_b)
    assert scores["mAP@0.75 (ent) per image"].value == pytest.approx(ap_area(each[:1]) / 2)
    assert scores["mAP@0.75 (ent) per image"].count == 2  # the image without any object has none
    span = scores["mAP@0.75 (ent) coco"].interval
    assert span is not None
    assert span.low < scores["mAP@0.75 (ent) coco"].value < span.high
    assert scores["mAP@0.50 (ent) coco"].value > scores["mAP@0.75 (ent) coco"].value


def test_nothing_to_rank() -> None:
    assert set(score_ranking([], "sm").metrics.values()) == {None}


@pytest.mark.parametrize("score", [[0.5], [0.5, float("nan")], [[0.5, 0.5]]])
def test_scores_that_do_not_fit_are_refused(score: list[float]) -> None:
    with pytest.raises(ShapeError, match="one known score"):
        rank(contingency(np.array([[1, 2]]), np.array([[1, 2]])), score, 0.5)
