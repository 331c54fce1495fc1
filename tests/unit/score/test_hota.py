"""HOTA, CHOTA, MOTA and IDF1 by hand on tiny sequences."""

from __future__ import annotations

import math

import pytest

from tests.cases.lineages import FAMILY
from tests.unit.score.films import matched
from unfade.score.hota import associate, chota, hota, idf1, joined, mota, switches

ONE = ((1, 0, 5, 0, 0),)
CUT = ((1, 0, 3, 0, 0), (2, 4, 5, 0, 0))  # the same cell under two ids, no link between them


def test_an_identity_that_changes_once() -> None:
    matches = matched(ONE, CUT)
    seen = associate(matches)
    assert sorted(seen.n.tolist()) == [2, 4]
    assert hota(seen) == pytest.approx(math.sqrt((4 * 4 / 6 + 2 * 2 / 6) / 6))
    assert idf1(seen) == pytest.approx(2 * 4 / (6 + 6))
    assert switches(matches, seen) == 1
    assert mota(matches, seen) == pytest.approx(1 - 1 / 6)


def test_one_child_parents_are_joined() -> None:
    chain = ((5, 0, 1, 0, 0), (3, 2, 3, 5, 0), (9, 4, 5, 3, 0))
    matches = matched(ONE, chain)
    assert matches.result.id.tolist() == [3, 5, 9]
    assert joined(matches.result).tolist() == [1, 1, 1]
    assert hota(associate(matches)) == 1
    assert joined(matched(FAMILY, FAMILY).truth).tolist() == [0, 1, 2]


def test_chota_sees_a_lost_mother_where_hota_does_not() -> None:
    lost = ((7, 0, 2, 0, 1), (8, 3, 5, 0, 0), (9, 3, 5, 0, 2))
    matches = matched(FAMILY, lost)
    seen = associate(matches)
    assert hota(seen) == 1
    # families of the truth: 9 objects for the mother, 6 for a daughter; those of the result are single tracks of 3
    assert chota(seen, matches.truth, matches.result) == pytest.approx(math.sqrt((3 * 3 / 9 + 2 * 3 * 3 / 6) / 9))


def test_a_mask_over_two_counts_for_both() -> None:
    two = ((1, 0, 5, 0, 0), (2, 0, 5, 0, 1))
    matches = matched(two, ((1, 0, 5, 0, (0, 1)),))
    seen = associate(matches)
    assert seen.rows().tolist() == [6, 6]
    assert seen.columns().tolist() == [12]
    assert hota(seen) == pytest.approx(math.sqrt((6 * 6 / 12) * 2 / 12))
    assert idf1(seen) == pytest.approx(2 * 6 / (12 + 12))
    assert mota(matches, seen) == pytest.approx(1 - 6 / 12)


def test_idf1_takes_the_best_pairing_not_the_greedy_one() -> None:
    # truth 1: five frames with result 1, one with result 2; truth 2: four frames with result 1 (elsewhere), none with 2
    truth = ((1, 0, 9, 0, 0), (2, 0, 9, 0, 1))
    result = ((1, 0, 4, 0, 0), (2, 5, 9, 0, 0), (3, 0, 3, 0, 1), (4, 4, 9, 0, 1))
    seen = associate(matched(truth, result, frames=10))
    assert idf1(seen) == pytest.approx(2 * (5 + 6) / 40)
    swapped = ((1, 0, 4, 0, 0), (2, 5, 9, 0, 0), (3, 5, 9, 0, 1), (4, 0, 4, 0, 1))
    assert idf1(associate(matched(truth, swapped, frames=10))) == pytest.approx(2 * 10 / 40)


def test_idf1_when_two_tracks_want_the_same() -> None:
    # result 1 goes from truth 1 (4 frames) to truth 2 (3 frames), result 2 covers the last 3 frames of truth 1
    truth = ((1, 0, 6, 0, 0), (2, 0, 6, 0, 1))
    seen = associate(matched(truth, ((1, 0, 3, 0, 0), (2, 4, 6, 0, 0), (3, 0, 6, 0, 1)), frames=7))
    assert idf1(seen) == pytest.approx(2 * (4 + 7) / 28)


def test_spare_masks_and_misses() -> None:
    matches = matched(ONE, ((1, 0, 2, 0, 0), (2, 0, 5, 0, 3)))
    seen = associate(matches)
    assert (int(seen.missed.sum()), int(seen.spare.sum()), seen.union) == (3, 6, 12)
    assert hota(seen) == pytest.approx(math.sqrt(3 * (3 / 6) / 12))
    assert mota(matches, seen) == pytest.approx(1 - 9 / 6)
