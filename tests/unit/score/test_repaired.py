"""Repair in figures: groups, counts, means before and after."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.score.scenes import cells, renamed
from unfade.errors import ShapeError
from unfade.score.bootstrap import Plan
from unfade.score.repaired import nuclei, score_repair

TRUTH = np.zeros((10, 40), np.int32)
for k in range(5):
    TRUTH[2:8, 8 * k + 1 : 8 * k + 7] = 11 + k  # five nuclei of 36 pixels

BEFORE = np.where(np.isin(TRUTH, [11, 12, 15]), TRUTH, 0)
BEFORE[5:, 8:16] = 0  # nucleus 12 is half seen, 13 and 14 are missed
AFTER = np.where(TRUTH == 14, 0, TRUTH)
AFTER[2:4, 16:24] = 0  # nucleus 13 is brought back but for two of six rows
AFTER[2:8, 9] = 0  # 12 is updated, a column short
ORIGIN = {12: "updated", 13: "interpolated", 11: "seen"}


def test_a_drawn_case() -> None:
    seen = nuclei(BEFORE, AFTER, TRUTH, ORIGIN)
    assert seen.before.tolist() == [1, 0.5, 0, 0, 1]
    assert seen.after.tolist() == pytest.approx([1, 30 / 36, 24 / 36, 0, 1])
    assert seen.origin.tolist() == ["seen", "updated", "interpolated", "interpolated", "seen"]


def test_table_of_two_frames() -> None:
    whole = nuclei(TRUTH, TRUTH, TRUTH, {})
    scores = score_repair([nuclei(BEFORE, AFTER, TRUTH, ORIGIN), whole], Plan(draws=100))
    counts = {name: scores[f"IoU {name}"].count for name in ("all", "updated", "interpolated", "non-updated")}
    assert counts == {"all": 10, "updated": 1, "interpolated": 2, "non-updated": 7}
    assert scores["IoU all before"].value == pytest.approx(0.75)
    assert scores["IoU all"].value == pytest.approx((7 + 30 / 36 + 24 / 36) / 10)
    assert scores["IoU all gain"].value == pytest.approx(scores["IoU all"].value - 0.75)
    assert scores["IoU updated"].value == pytest.approx(30 / 36)
    assert scores["IoU updated before"].value == 0.5
    assert scores["IoU interpolated before"].value == 0
    assert scores["IoU interpolated"].value == pytest.approx(12 / 36)
    assert scores["IoU non-updated"].value == scores["IoU non-updated before"].value == 1
    span = scores["IoU all"].interval
    assert span is not None
    assert (span.unit, span.units) == ("nuclei", 10)
    assert span.low < scores["IoU all"].value < span.high


def test_counts_of_the_groups_add_up_and_ids_do_not_matter() -> None:
    truth = cells(6)
    found = renamed(truth, 3)
    ids = np.unique(found)[1:]
    seen = nuclei(found, found, truth, {int(ids[0]): "updated", int(ids[1]): "interpolated"})
    assert seen.after.tolist() == [1] * 12
    scores = score_repair([seen])
    assert [scores[f"IoU {n}"].count for n in ("all", "updated", "interpolated", "non-updated")] == [12, 1, 1, 10]


def test_the_best_object_counts_and_not_the_last() -> None:
    pieces = np.where(TRUTH == 11, 5, 0)
    pieces[2, 1:3] = 90  # a small piece with a higher id
    seen = nuclei(pieces, pieces, TRUTH, {5: "updated", 90: "interpolated"})
    assert seen.after[0] == 34 / 36
    assert seen.origin[0] == "updated"


def test_nothing_to_score() -> None:
    none = np.zeros_like(TRUTH)
    for frames in ([], [nuclei(none, AFTER, none, {})]):
        scores = score_repair(frames)
        assert scores["IoU all"].count == 0
        assert set(scores.metrics.values()) == {None}


def test_bad_input_is_refused() -> None:
    with pytest.raises(ShapeError, match="seen, updated, interpolated, got guessed"):
        nuclei(BEFORE, AFTER, TRUTH, {3: "guessed"})
    with pytest.raises(ShapeError, match="one shape"):
        nuclei(BEFORE, AFTER[:5], TRUTH, {})
