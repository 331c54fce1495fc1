"""One pass over a sequence: what comes in, what is refused, what is not defined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.cases.lineages import CASES, FAMILY, Case, images, table
from tests.unit.score.films import COLUMNS, blank, frame_of, matched, renamed, scored
from unfade.errors import SettingsError, ShapeError, TruthError
from unfade.score.bootstrap import Plan
from unfade.score.matches import match_sequence
from unfade.score.sequence import TrackingSettings, over_sequences, score_matches, score_sequence

FILM, TABLE = images(FAMILY, 6, 5), frame_of(FAMILY)


@pytest.mark.parametrize("name", CASES)
def test_drawn_cases(name: str) -> None:
    scores = scored(CASES[name])
    assert {k: scores[k].value for k in CASES[name].expect} == pytest.approx(CASES[name].expect, abs=1e-12)


def test_truth_against_itself_is_perfect_and_says_how() -> None:
    scores = score_sequence(FILM, TABLE, FILM, TABLE, {0: FILM[0]})
    errors = {"NS", "FN", "FP", "ED", "EA", "EC", "AOGM"}
    assert {scores[k].value for k in errors} == {0.0}
    undefined = {k for k in scores if math.isnan(scores[k].value)}
    assert undefined == {"CCA"}  # one division, no whole cycle
    assert {scores[k].value for k in scores if k not in errors | undefined} == {1.0}
    assert scores["TRA"].count == 9 + 8
    assert scores["SEG"].count == 1
    assert scores["SEG"].how["frames"] == 1
    assert scores["DET"].how["matcher"] == "mask covers > 0.5 of the marker"
    assert scores["BIO"].how["tolerance"] == 0


def test_one_frame_at_a_time_and_one_pass() -> None:
    alive: list[int] = []

    def frames(stack: np.ndarray) -> Iterator[np.ndarray]:
        for t, image in enumerate(stack):
            alive.append(t)
            yield image

    class Lazy(dict[int, Any]):
        def __getitem__(self, frame: int) -> Any:
            alive.append(100 + frame)
            return super().__getitem__(frame)

    score_sequence(frames(FILM), TABLE, frames(FILM), TABLE, Lazy({1: FILM[1], 3: FILM[3]}))
    assert alive == [0, 0, 1, 1, 101, 2, 2, 3, 3, 103, 4, 4, 5, 5]


def test_without_tables_each_label_is_a_track_without_parent() -> None:
    scores = score_sequence(FILM, None, FILM, None)
    assert scores["LNK"].count == 6
    assert scores["TRA"].value == 1
    assert math.isnan(scores["BC(0)"].value)
    assert "SEG" not in scores
    assert "OP_CTB" not in scores


def test_large_and_skipping_ids() -> None:
    names = {7: 70_000, 8: 3, 9: 2_000_003}
    rows = renamed(FAMILY, names)
    scores = score_sequence(images(rows, 6, 5), frame_of(rows), FILM, TABLE, {0: FILM[0]})
    assert scores.metrics == score_sequence(FILM, TABLE, FILM, TABLE, {0: FILM[0]}).metrics


def test_a_track_with_a_gap_is_cut() -> None:
    gap = FILM.copy()
    gap[4][gap[4] == 8] = 0
    parted = ((7, 0, 2, 0, 1), (8, 3, 3, 7, 0), (9, 3, 5, 7, 2), (10, 5, 5, 8, 0))
    seen = score_matches(match_sequence(gap, TABLE, FILM, TABLE))
    assert seen.metrics == score_matches(matched(FAMILY, parted)).metrics
    assert seen["TRA"].how["cuts in the result"] == 1
    assert "cuts in the truth" not in seen["TRA"].how


def test_a_mother_that_outlives_a_birth_is_cut() -> None:
    rows = ((7, 0, 5, 0, 0), (9, 3, 5, 7, 2))
    parted = ((7, 0, 2, 0, 0), (10, 3, 5, 7, 0), (9, 3, 5, 7, 2))
    assert score_matches(matched(rows, rows)).metrics == score_matches(matched(parted, parted)).metrics
    assert score_matches(matched(FAMILY, rows)).metrics == score_matches(matched(FAMILY, parted)).metrics


def test_empty_truth_is_not_defined() -> None:
    scores = score_sequence(FILM, TABLE, blank(6), None, {0: blank(1)[0]})
    undefined = {"SEG", "DET", "TRA", "LNK", "MOTA", "TF", "BC(0)", "CCA", "DIV_F1(0)", "DIV_R(0)", "OP_CSB"}
    assert {k for k in undefined if not math.isnan(scores[k].value)} == set()
    assert (scores["FP"].value, scores["HOTA"].value, scores["IDF1"].value, scores["CT"].value) == (9, 0, 0, 0)
    assert scores["SEG"].count == 0


def test_empty_result_finds_nothing() -> None:
    scores = score_sequence(blank(6), pd.DataFrame(columns=COLUMNS), FILM, TABLE, {0: FILM[0]})
    zero = ["SEG", "DET", "TRA", "LNK", "CT", "TF", "BC(0)", "BIO", "HOTA", "CHOTA", "MOTA", "IDF1", "DIV_F1(3)"]
    assert {k: scores[k].value for k in zero} == dict.fromkeys(zero, 0.0)
    assert scores["FN"].value == 9
    assert math.isnan(scores["DIV_P(0)"].value)


def test_nothing_on_either_side_and_no_frames() -> None:
    for scores in (score_sequence(blank(3), None, blank(3), None), score_sequence(blank(0), None, blank(0), None)):
        defined = {k for k in scores if not math.isnan(scores[k].value)}
        assert defined == {"NS", "FN", "FP", "ED", "EA", "EC", "AOGM"}


def test_bio_is_the_mean_of_what_is_defined() -> None:
    scores = scored(CASES["missed division"])
    parts = [scores[k].value for k in ("CT", "TF", "BC(0)")]
    assert math.isnan(scores["CCA"].value)
    assert scores["BIO(0)"].value == pytest.approx(sum(parts) / 3)
    assert scores["OP_CLB(0)"].value == pytest.approx((scores["LNK"].value + scores["BIO(0)"].value) / 2)


def test_tolerances_are_a_setting() -> None:
    chosen = TrackingSettings.parse({"tolerances": 1, "tolerance": 2})
    scores = score_matches(matched(FAMILY, CASES["late division"].result), chosen)
    assert "BC(1)" in scores
    assert "BC(2)" not in scores
    assert "DIV_F1(2)" not in scores
    assert scores["BC"].how["tolerance"] == 2
    assert scores["BC"].value == 1
    with pytest.raises(SettingsError, match="tolerances"):
        TrackingSettings.parse({"tolerances": -1})


@pytest.mark.parametrize(
    ("pred", "truth", "text"),
    [
        (FILM[:4], FILM, "result has 4 frames and the truth 6"),
        (FILM, FILM[:5], "result has 6 frames and the truth 5"),
        (FILM[:, :4], FILM, "Frame 0 .* one shape"),
        (FILM.astype(float), FILM, "Frame 0 .* integers"),
        (FILM, FILM.astype(np.float32), "Frame 0 .* integers"),
        (-FILM, FILM, "Frame 0 .* got -7"),
    ],
)
def test_images_that_do_not_fit(pred: np.ndarray, truth: np.ndarray, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        match_sequence(pred, None, truth, None)


def test_segmentation_truth_beyond_the_sequence() -> None:
    with pytest.raises(ShapeError, match="has frame 6, but the sequence has 6 frames"):
        match_sequence(FILM, TABLE, FILM, TABLE, {6: FILM[0]})


BROKEN = {
    "Label 9 of the {} is in its images but has no row": FAMILY[:2],
    "Label 3 of the {} has a row in its track table but no pixels": (*FAMILY, (3, 0, 1, 0, 0)),
    "Label 5 of the {} is named as a parent but has no row": (*FAMILY[:2], (9, 3, 5, 5, 2)),
    "Track 9 of the {} is stated for frames 2 to 5, but its images hold it in 3 to 5": (*FAMILY[:2], (9, 2, 5, 7, 2)),
    "of the {} has two rows for track 9": (*FAMILY, FAMILY[2]),
    "tracks of the {} cannot be used: Track 8 begins before its parent 9": (FAMILY[0], (8, 3, 5, 9, 0), FAMILY[2]),
}


@pytest.mark.parametrize("text", BROKEN)
def test_tables_that_do_not_fit(text: str) -> None:
    broken = frame_of(BROKEN[text])
    with pytest.raises(ShapeError, match=text.format("result")):
        match_sequence(FILM, broken, FILM, TABLE)
    with pytest.raises(TruthError, match=text.format("truth")):
        match_sequence(FILM, TABLE, FILM, broken)


def test_a_table_without_its_columns() -> None:
    with pytest.raises(ShapeError, match="lacks the column 'last'"):
        match_sequence(FILM, TABLE.drop(columns="last"), FILM, TABLE)


def test_seg_is_strict_at_half_and_uses_iou() -> None:
    truth = np.zeros((1, 4, 8), int)
    truth[0, :, :4] = 1
    half, more = truth.copy(), truth.copy()
    half[0, :2, :4] = 0
    more[0, 0, :4] = 0
    assert score_sequence(half, None, truth, None, {0: truth[0]})["SEG"].value == 0
    assert score_sequence(more, None, truth, None, {0: truth[0]})["SEG"].value == 0.75
    big = np.ones_like(truth)
    assert score_sequence(big, None, truth, None, {0: truth[0]})["SEG"].value == 0.5


def test_rows_of_cases_are_written_as_drawn() -> None:
    case = Case(((1, 0, 1, 0, (0, 1)),), (), "")
    film = images(case.truth, 2, 2)
    assert film.shape == (2, 6, 10)
    assert film.sum() == 2 * 4 * 9
    assert table(case.truth).tolist() == [[1, 0, 1, 0]]


def test_seg_has_an_interval_over_objects_and_sequences_are_drawn_whole() -> None:
    truth = np.zeros((2, 12, 24), np.int32)
    truth[:, 2:10, 2:10], truth[:, 2:10, 14:22] = 1, 2
    found = truth.copy()
    found[:, 2:6, 2:10] = 0
    found[:, 2:4, 14:22] = 0
    outlines = dict(enumerate(truth))
    one = score_sequence(found, None, truth, None, outlines, plan=Plan(draws=200, seed=1))
    span = one["SEG"].interval
    assert one["SEG"].value == pytest.approx((0.0 + 0.75) / 2)  # half an object is not more than half of it
    assert span is not None
    assert (span.low, span.high) == (0.0, 0.75)
    assert span.units == 4
    best = score_sequence(truth, None, truth, None, outlines)
    both = over_sequences([one, best], Plan(draws=200, seed=1))
    assert both["SEG"].value == pytest.approx((0.375 + 1) / 2)
    assert both["SEG"].count == 2
    assert both["TRA"].interval is not None
    assert both["TRA"].interval.unit == "sequences"
