"""One pass over the frames gives what the functions give image by image."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.unit.score.scenes import WAYS, cells
from unfade.errors import ShapeError
from unfade.ops.overlap import contingency
from unfade.score.bootstrap import Plan
from unfade.score.boundaries import score_boundaries
from unfade.score.catalogue import CATALOGUE, of_groups
from unfade.score.comparison import Comparison, Frame
from unfade.score.detection import score_objects
from unfade.score.pixels import Confusion, confusion, score_pixels
from unfade.score.sequence import score_sequence
from unfade.score.spread import spread_f1

LABELS = arrays(np.int32, (5, 6), elements=st.sampled_from([0, 1, 2, 3, 900, 70_000]))
TRUTH = np.stack([cells(1), cells(2, count=20), cells(3, count=5, radius=20)])
RESULT = np.stack([WAYS[way](image) for way, image in zip(("all", "shift", "drop"), TRUTH, strict=True)])
PLAN = Plan(draws=30, seed=4)


def pushed(*groups: str) -> Comparison:
    comparison = Comparison(groups)
    for result, truth in zip(RESULT, TRUTH, strict=True):
        comparison.push(Frame(result, truth, truth))
    return comparison


def test_one_pass_is_every_function_by_itself() -> None:
    pairs = list(zip(RESULT, TRUTH, strict=True))
    wanted = score_objects(pairs, strict=True, plan=PLAN) | score_pixels(pairs, PLAN) | score_boundaries(pairs, PLAN)
    tracked = score_sequence(RESULT, None, TRUTH, None, dict(enumerate(TRUTH)), plan=PLAN)
    groups = ("challenge", "association", "divisions", "objects", "pixels", "boundaries", "spreading")
    found = pushed(*groups).scores(plan=PLAN)
    bound = spread_f1(pairs, plan=PLAN)
    assert found.plain()["figures"] == {
        **(tracked | wanted).plain()["figures"],
        "Label-spreading F1": bound.plain(),
    }
    assert set(found) == set(of_groups(groups))


def test_only_what_is_wanted() -> None:
    assert {CATALOGUE[name].group for name in pushed("pixels").scores()} == {"pixels"}
    nothing = pushed("ranking", "repair").scores()
    assert (len(nothing), set(nothing.absent)) == (0, {"ranking", "repair"})


@given(LABELS, LABELS)
@settings(max_examples=60, deadline=None)
def test_pixels_of_an_overlap_are_those_of_the_images(a: np.ndarray, b: np.ndarray) -> None:
    assert Confusion.of(contingency(a, b), a.size) == confusion(a, b)


@given(LABELS, LABELS)
@settings(max_examples=60, deadline=None)
def test_an_overlap_turned_is_that_of_the_images_exchanged(a: np.ndarray, b: np.ndarray) -> None:
    for seen, wanted in zip(astuple(contingency(a, b).turned()), astuple(contingency(b, a)), strict=True):
        np.testing.assert_array_equal(seen, wanted)


def test_frames_that_do_not_fit_are_named() -> None:
    comparison = pushed("objects")
    with pytest.raises(ShapeError, match="Frame 3 of truth and result"):
        comparison.push(Frame(RESULT[0][:5], TRUTH[0], TRUTH[0]))


def test_a_frame_is_complete_only_if_every_marker_has_an_outline() -> None:
    markers = np.zeros((8, 12), np.int32)
    markers[2, 2], markers[6, 9] = 1, 2
    both = np.zeros_like(markers)
    both[1:4, 1:4], both[5:8, 8:11] = 1, 2
    elsewhere = np.where(both == 2, 0, both)
    elsewhere[0:2, 9:12] = 2  # as many outlines as markers, but one cell has none
    for outlines, complete in ((both, 1), (elsewhere, 0), (np.where(both == 2, 0, both), 0)):
        comparison = Comparison(("objects",))
        comparison.push(Frame(markers, markers, outlines))
        assert comparison.complete == complete


def test_divisions_need_a_truth_that_tells_them() -> None:
    table = pd.DataFrame(
        [[int(n), 0, 2, 0] for n in np.unique(RESULT) if n], columns=["track", "first", "last", "parent"]
    )
    told = Comparison(("divisions",))
    for _ in range(3):
        told.push(Frame(RESULT[0], RESULT[0], None))
    rows = table[table["track"].isin(np.unique(RESULT[0]))]
    assert set(told.scores(rows, None).absent) == {"divisions"}
    assert set(told.scores(rows, rows).absent) == set()
