"""CT, TF, BC(i), CCA and BIO by hand on tiny sequences."""

from __future__ import annotations

import math

import pytest

from tests.cases.lineages import CASES, FAMILY, Row, images
from tests.unit.score.films import frame_of, matched, renamed
from unfade.score.biology import (
    bio,
    branching,
    branching_correctness,
    cell_cycle_accuracy,
    complete_tracks,
    longest_fractions,
    track_fractions,
)
from unfade.score.matches import match_sequence

ONE = ((1, 0, 5, 0, 0),)


def test_complete_tracks_need_the_same_first_and_last_frame() -> None:
    assert complete_tracks(matched(ONE, ONE)) == 1
    assert complete_tracks(matched(ONE, ((1, 0, 4, 0, 0),))) == 0
    assert complete_tracks(matched(((1, 1, 4, 0, 0),), ONE)) == 0
    two = (*ONE, (2, 0, 5, 0, 2))
    assert complete_tracks(matched(two, ONE)) == pytest.approx(2 / 3)


def test_a_mask_over_two_cells_completes_neither() -> None:
    two = (*ONE, (2, 0, 5, 0, 1))
    assert complete_tracks(matched(two, ((1, 0, 5, 0, (0, 1)),))) == 0
    assert track_fractions(matched(two, ((1, 0, 5, 0, (0, 1)),))) == 0


def test_fractions_take_the_longest_uninterrupted_stretch() -> None:
    parts = ((1, 0, 1, 0, 0), (2, 2, 2, 0, 0), (3, 3, 5, 0, 0))
    assert track_fractions(matched(ONE, parts)) == pytest.approx(3 / 6)
    undetected = (*ONE, (2, 0, 5, 0, 3))
    assert track_fractions(matched(undetected, parts)) == pytest.approx(3 / 6)  # not detected: not counted


def test_fractions_of_the_programme_and_of_the_words() -> None:
    case, other = CASES["held in full, then in part"], CASES["held in part, then in full"]
    values = [longest_fractions(matched(c.truth, c.result)) for c in (case, other)]
    assert values == pytest.approx([11 / 18, 11 / 18])
    assert track_fractions(matched(case.truth, case.result)) == pytest.approx(0.75)
    swapped = renamed(case.result, {1: 3, 2: 1, 3: 2})  # the order of the result's labels does not matter
    assert track_fractions(matched(case.truth, swapped)) == pytest.approx(0.75)


def test_branching_counts_both_kinds_of_error() -> None:
    lost = CASES["missed division"].result
    assert branching(matched(FAMILY, FAMILY), 0) == (1, 0, 0)
    assert branching(matched(FAMILY, lost), 0) == (0, 0, 1)
    assert branching(matched(lost, FAMILY), 3) == (0, 1, 0)
    assert math.isnan(branching_correctness((0, 1, 0)))
    assert branching_correctness((2, 1, 0)) == pytest.approx(4 / 5)


@pytest.mark.parametrize(("late", "needed"), [(1, 1), (2, 2)])
def test_branching_within_a_tolerance(late: int, needed: int) -> None:
    result = ((7, 0, 2 + late, 0, (0, 1)), (8, 3 + late, 5, 7, 0), (9, 3 + late, 5, 7, 2))
    for tolerance in range(4):
        assert branching(matched(FAMILY, result), tolerance)[0] == int(tolerance >= needed)


@pytest.mark.parametrize(
    "result",
    [
        ((7, 0, 1, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 7, 2)),  # the mother is lost one frame early
        ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 4, 5, 7, 2)),  # one daughter is found one frame late
    ],
)
def test_mother_and_daughters_each_keep_to_the_tolerance(result: tuple[Row, ...]) -> None:
    assert [branching(matched(FAMILY, result), i)[0] for i in range(3)] == [0, 1, 1]


def test_every_daughter_needs_a_partner_of_her_own() -> None:
    truth = ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 4, 5, 7, 2))
    drawn = ((7, 0, 2, 0, 1), (8, 3, 3, 7, 0), (8, 4, 5, 7, 2), (9, 3, 5, 7, 4))  # 8 jumps from one to the other
    told = frame_of(((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 7, 4)))
    matches = match_sequence(images(drawn, 6, 5), told, images(truth, 6, 5), frame_of(truth))
    assert branching(matches, 1) == (0, 1, 1)


def test_branching_wants_the_right_daughters() -> None:
    strangers = (*FAMILY, (4, 3, 5, 0, 4))
    wrong = ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 0, 2), (4, 3, 5, 7, 4))
    assert branching(matched(strangers, wrong), 3) == (0, 1, 1)
    more = ((7, 0, 2, 0, 1), (8, 3, 5, 7, 0), (9, 3, 5, 7, 2), (4, 3, 5, 7, 4))
    assert branching(matched(strangers, more), 0) == (0, 1, 1)


def test_branching_wants_the_right_mother() -> None:
    two = (*FAMILY, (4, 0, 2, 0, 4))
    wrong = ((7, 0, 2, 0, 1), (8, 3, 5, 4, 0), (9, 3, 5, 4, 2), (4, 0, 2, 0, 4))
    assert branching(matched(two, wrong), 0) == (0, 1, 1)


CYCLES = ((1, 0, 0, 0, 1), (2, 1, 3, 1, 0), (3, 1, 5, 1, 2), (4, 4, 5, 2, 0), (5, 4, 5, 2, 1))
SHORTER = ((1, 0, 1, 0, 1), (2, 2, 3, 1, 0), (3, 2, 5, 1, 2), (4, 4, 5, 2, 0), (5, 4, 5, 2, 1))


def test_cycles_are_compared_by_their_lengths() -> None:
    same, shorter = matched(CYCLES, CYCLES), matched(CYCLES, SHORTER)
    assert cell_cycle_accuracy(same.truth, same.result) == 1
    assert cell_cycle_accuracy(shorter.truth, shorter.result) == 0
    assert math.isnan(cell_cycle_accuracy(matched(FAMILY, CYCLES).truth, shorter.truth))
    assert cell_cycle_accuracy(shorter.truth, matched(FAMILY, FAMILY).truth) == 0


def test_a_cycle_begins_with_a_division() -> None:
    seen_again = ((1, 0, 0, 0, 0), (2, 2, 3, 1, 0), (4, 4, 5, 2, 0), (5, 4, 5, 2, 1))
    assert math.isnan(cell_cycle_accuracy(matched(seen_again, CYCLES).truth, matched(CYCLES, CYCLES).truth))


def test_half_of_the_cycles_differ() -> None:
    second = tuple((a + 10, b, c, d + 10 if d else 0, p + 3) for a, b, c, d, p in CYCLES if isinstance(p, int))
    late = tuple((a + 10, b, c, d + 10 if d else 0, p + 3) for a, b, c, d, p in SHORTER if isinstance(p, int))
    matches = matched((*CYCLES, *second), (*CYCLES, *late), places=6)
    assert cell_cycle_accuracy(matches.truth, matches.result) == pytest.approx(0.5)


def test_bio_leaves_out_what_is_not_defined() -> None:
    assert bio([1.0, 0.5, math.nan, math.nan]) == 0.75
    assert math.isnan(bio([math.nan, math.nan]))
