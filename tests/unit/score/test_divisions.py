"""Divisions on the graph with a tolerance in frames."""

from __future__ import annotations

import math

import pytest

from tests.cases.lineages import FAMILY, images
from tests.unit.score.films import frame_of, matched
from unfade.score.divisions import divisions
from unfade.score.matches import match_sequence

LOST = ((7, 0, 2, 0, 1), (8, 3, 5, 0, 0), (9, 3, 5, 0, 2))


def rights(truth: tuple, result: tuple) -> list[int]:
    return [seen.right for seen in divisions(matched(truth, result), 3)]


def test_found_lost_and_invented() -> None:
    (found, *_) = divisions(matched(FAMILY, FAMILY), 3)
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    (lost,) = divisions(matched(FAMILY, LOST), 0)
    assert (lost.recall, lost.f1) == (0, 0)
    assert math.isnan(lost.precision)
    (invented,) = divisions(matched(LOST, FAMILY), 0)
    assert invented.precision == 0
    assert math.isnan(invented.recall)
    assert math.isnan(invented.f1)


@pytest.mark.parametrize("late", [1, 2])
def test_late_divisions_need_their_tolerance(late: int) -> None:
    result = ((7, 0, 2 + late, 0, (0, 1)), (8, 3 + late, 5, 7, 0), (9, 3 + late, 5, 7, 2))
    assert rights(FAMILY, result) == [int(i >= late) for i in range(4)]


@pytest.mark.parametrize("early", [1, 2])
def test_early_divisions_need_their_tolerance(early: int) -> None:
    truth = ((7, 0, 2, 0, (0, 1)), (8, 3, 5, 7, 0), (9, 3, 5, 7, 2))
    result = ((7, 0, 2 - early, 0, (0, 1)), (8, 3 - early, 5, 7, 0), (9, 3 - early, 5, 7, 2))
    assert rights(truth, result) == [int(i >= early) for i in range(4)]


def test_a_wrong_daughter_stays_wrong() -> None:
    truth = (*FAMILY, (4, 3, 5, 0, 4))
    result = ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 0, 2), (4, 3, 5, 7, 4))
    assert rights(truth, result) == [0, 0, 0, 0]


def test_late_and_wrong_daughter() -> None:
    truth = (*FAMILY, (4, 3, 5, 0, 4))
    result = ((7, 0, 3, 0, (0, 1)), (8, 4, 5, 7, 0), (9, 3, 5, 0, 2), (4, 4, 5, 7, 4))
    assert rights(truth, result) == [0, 0, 0, 0]


def test_a_track_cut_in_two_rows_is_still_one_cell() -> None:
    cut = ((6, 0, 1, 0, 1), (7, 2, 2, 6, 1), (8, 3, 5, 7, 0), (9, 3, 5, 7, 2))
    assert rights(FAMILY, cut) == [1, 1, 1, 1]


def test_a_shifted_division_needs_the_same_mother() -> None:
    truth = (*FAMILY, (4, 0, 2, 0, 4))
    drawn = ((7, 0, 2, 0, 4), (7, 3, 3, 0, (0, 1)), (8, 4, 5, 7, 0), (9, 4, 5, 7, 2))  # 7 jumps to the daughters
    told = frame_of(((7, 0, 3, 0, 4), (8, 4, 5, 7, 0), (9, 4, 5, 7, 2)))
    matches = match_sequence(images(drawn, 6, 5), told, images(truth, 6, 5), frame_of(truth))
    assert [seen.right for seen in divisions(matches, 3)] == [0, 0, 0, 0]


def test_one_division_pairs_with_one_only() -> None:
    # the result divides twice within reach of the one division of the truth
    truth = ((1, 0, 3, 0, (0, 1)), (2, 4, 7, 1, 0), (3, 4, 7, 1, 1))
    result = ((1, 0, 2, 0, (0, 1)), (2, 3, 4, 1, 0), (3, 3, 7, 1, 1), (4, 5, 7, 2, 0), (5, 5, 7, 2, 4))
    counted = divisions(matched(truth, result, frames=8), 3)
    assert [seen.right for seen in counted] == [0, 1, 1, 1]
    assert (counted[1].truth, counted[1].result) == (1, 2)
    assert counted[1].f1 == pytest.approx(2 / 3)


def test_two_shifted_divisions_cannot_share_one() -> None:
    truth = ((7, 0, 3, 0, 1), (8, 4, 5, 7, 0), (9, 4, 5, 7, 2))
    # the result divides after frames 1 and 2, and either fits; what waits at the places 3 and 4 becomes the daughters
    early = ((1, 0, 1, 0, 1), (2, 2, 2, 1, 1), (4, 3, 3, 2, 1))
    drawn = (*early, (3, 2, 3, 1, 4), (3, 4, 5, 1, 2), (5, 3, 3, 2, 3), (5, 4, 5, 2, 0))
    told = frame_of((*early, (3, 2, 5, 1, 4), (5, 3, 5, 2, 3)))
    matches = match_sequence(images(drawn, 6, 5), told, images(truth, 6, 5), frame_of(truth))
    assert [seen.right for seen in divisions(matches, 3)] == [0, 1, 1, 1]


def test_a_division_that_is_right_cannot_stand_for_the_next_one() -> None:
    truth = ((7, 0, 2, 0, 1), (8, 3, 3, 7, 0), (9, 3, 5, 7, 2), (10, 4, 5, 8, 0), (11, 4, 5, 8, 1))
    assert rights(truth, FAMILY) == [1, 1, 1, 1]


def test_a_daughter_is_followed_to_the_next_division_only() -> None:
    late = ((10, 4, 5, 8, 0), (11, 4, 5, 8, 1))
    truth = ((7, 0, 1, 0, 1), (8, 2, 3, 7, 0), (9, 2, 5, 7, 2), *late)
    result = ((7, 0, 2, 0, 1), (8, 4, 5, 7, 0), (9, 3, 5, 7, 2))  # 8 stands for a granddaughter
    assert rights(truth, result) == [0, 0, 0, 0]


def test_masks_over_two_cells_match_none() -> None:
    merged = ((7, 0, 2, 0, 1), (8, 3, 5, 7, (0, 2)))
    assert rights(FAMILY, merged) == [0, 0, 0, 0]
