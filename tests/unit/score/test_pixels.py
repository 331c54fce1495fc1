"""Pixel scores: a drawn case, empty cases, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unfade.errors import ShapeError
from unfade.score.bootstrap import Plan
from unfade.score.pixels import Confusion, confusion, score_pixels

MASK = arrays(bool, (5, 6))
MEASURES = [
    Confusion.dice,
    Confusion.iou,
    Confusion.sensitivity,
    Confusion.specificity,
    Confusion.precision,
    Confusion.accuracy,
]
TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0]])
FOUND = np.array([[0, 9, 9, 0], [0, 9, 0, 0]])


def test_a_drawn_case() -> None:
    seen = confusion(FOUND, TRUTH)
    assert seen == Confusion(tp=2, fp=1, fn=2, tn=3)
    assert seen.dice() == pytest.approx(4 / 7)
    assert seen.iou() == pytest.approx(2 / 5)
    assert seen.sensitivity() == pytest.approx(2 / 4)
    assert seen.specificity() == pytest.approx(3 / 4)
    assert seen.precision() == pytest.approx(2 / 3)
    assert seen.accuracy() == pytest.approx(5 / 8)


def test_empty_cases_are_not_defined() -> None:
    none = np.zeros_like(TRUTH)
    both = confusion(none, none)
    assert math.isnan(both.dice())
    assert math.isnan(both.iou())
    assert math.isnan(both.sensitivity())
    assert math.isnan(both.precision())
    assert both.specificity() == both.accuracy() == 1
    lost = confusion(none, TRUTH)
    assert (lost.dice(), lost.sensitivity(), lost.specificity()) == (0, 0, 1)
    assert math.isnan(lost.precision())
    invented = confusion(TRUTH, none)
    assert (invented.dice(), invented.precision(), invented.specificity()) == (0, 0, 0.5)
    assert math.isnan(invented.sensitivity())
    assert math.isnan(confusion(none + 1, none + 1).specificity())
    assert math.isnan(confusion(none[:0], none[:0]).accuracy())


def test_mean_over_images_and_pooled() -> None:
    none = np.zeros_like(TRUTH)
    scores = score_pixels([(FOUND, TRUTH), (none, none), (TRUTH, TRUTH)], Plan(draws=200, seed=3))
    assert scores["Dice"].value == pytest.approx((4 / 7 + 1) / 2)
    assert scores["Dice"].count == 2
    assert scores["Accuracy"].count == 3
    assert scores["Dice pooled"].value == pytest.approx(2 * 6 / (12 + 1 + 2))
    assert scores["Dice pooled"].count == 24
    span = scores["Dice"].interval
    assert span is not None
    assert (span.low, span.high, span.units, span.unit) == (pytest.approx(4 / 7), 1, 2, "images")


def test_no_images() -> None:
    scores = score_pixels([])
    assert scores.metrics["Dice"] is None
    assert scores["Dice"].count == 0


@given(MASK, MASK)
@settings(deadline=None)
def test_properties(a: np.ndarray, b: np.ndarray) -> None:
    forth, back = confusion(a, b), confusion(b, a)
    assert forth == Confusion(back.tp, back.fn, back.fp, back.tn)
    for measure in (Confusion.dice, Confusion.iou, Confusion.accuracy):
        np.testing.assert_equal(measure(forth), measure(back))
    np.testing.assert_equal(forth.sensitivity(), back.precision())
    for measure in MEASURES:
        assert math.isnan(measure(forth)) or 0 <= measure(forth) <= 1
        assert math.isnan(measure(confusion(a, a))) or measure(confusion(a, a)) == 1
    assert confusion(a * 700, b * 65_536) == forth


@given(MASK, st.data())
@settings(deadline=None)
def test_one_more_wrong_pixel_never_helps(truth: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(truth.size)))
    found = truth.copy()
    before = confusion(found, truth)
    for place in order[:6]:
        found.flat[place] = ~found.flat[place]
        after = confusion(found, truth)
        for measure in MEASURES:
            if not math.isnan(measure(before)) and not math.isnan(measure(after)):
                assert measure(after) <= measure(before) + 1e-12
        before = after


@pytest.mark.parametrize(("a", "b"), [(TRUTH, TRUTH[:1]), (TRUTH.astype(float), TRUTH), (TRUTH, TRUTH * 0.5)])
def test_bad_input_is_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ShapeError):
        confusion(a, b)
