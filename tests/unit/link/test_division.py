"""Divisions and merges on drawn frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.link.test_overlap import families, linked, squares, tracks
from unfade.link import LinkSettings, OverlapLinker, clean

MOTHER = {1: (20, 30, 16)}
DAUGHTERS = {2: (22, 22, 11), 3: (22, 42, 11)}


def test_a_mother_ends_and_two_daughters_begin() -> None:
    lineage, decided = linked(squares(MOTHER, DAUGHTERS, DAUGHTERS))
    assert families(lineage) == {((1, 2), (0, 1)), ((1, 3), (0, 1))}
    assert decided[1].parents.tolist() == [[2, 1], [3, 1]]
    assert np.isnan(decided[1].confidence).all()


def test_daughters_that_leap_clear_of_the_mother_are_found_by_distance() -> None:
    apart = {2: (22, 14, 11), 3: (22, 51, 11)}
    still = {9: (2, 2, 10), 8: (46, 70, 10), 7: (2, 70, 10)}  # the stage stands still
    lineage, _ = linked(squares({**MOTHER, **still}, {**apart, **still}))
    assert families(lineage) == {((1, 2), (0, 1)), ((1, 3), (0, 1))}
    assert families(linked(squares({**MOTHER, **still}, {**apart, **still}), reach=0)[0]) == set()


def test_a_newcomer_beside_a_cell_that_kept_its_size_is_no_daughter() -> None:
    lineage, _ = linked(squares(MOTHER, {1: (20, 30, 16), 5: (22, 47, 11)}))
    assert families(lineage) == set()
    assert tracks(lineage) == {((0, 1), (1, 1)), ((1, 5),)}


def test_a_daughter_is_not_taken_from_a_neighbour_that_needs_it() -> None:
    first = {1: (20, 20, 12), 2: (20, 34, 12)}
    lineage, _ = linked(squares(first, {1: (20, 20, 10), 2: (20, 33, 12)}))
    assert families(lineage) == set()
    assert tracks(lineage) == {((0, 1), (1, 1)), ((0, 2), (1, 2))}


def test_a_daughter_is_taken_from_a_lost_neighbour_that_fits_worse() -> None:
    lineage, _ = linked(squares({**MOTHER, 7: (20, 56, 10)}, DAUGHTERS))
    assert families(lineage) == {((1, 2), (0, 1)), ((1, 3), (0, 1))}
    assert ((0, 7),) in tracks(lineage)


def test_two_mothers_do_not_share_a_daughter() -> None:
    frames = np.zeros((2, 60, 90), np.int32)
    frames[0, 20:32, 20:32], frames[0, 20:32, 32:44] = 1, 2
    frames[1, 20:32, 20:28], frames[1, 20:32, 28:36], frames[1, 20:32, 36:44] = 1, 2, 3
    lineage, _ = linked(frames)
    assert len(families(lineage)) == 2
    assert len({child for child, _ in lineage.parents.tolist()}) == 2


def test_a_mother_is_gone_after_she_divided() -> None:
    linker = OverlapLinker()
    state, _ = linker.push(linker.start(), squares(MOTHER)[0])
    state, _ = linker.push(state, squares(DAUGHTERS)[0])
    assert state.front.track.tolist() == [2, 3]


def test_a_daughter_that_vanishes_beside_her_unchanged_sister_has_not_merged() -> None:
    sisters = {2: (22, 25, 11), 3: (22, 38, 11)}
    _, decided = linked(squares(MOTHER, sisters, {2: (22, 29, 11)}))
    assert decided[2].merged.tolist() == []


def test_a_mother_missed_while_she_divides_is_still_the_mother() -> None:
    lineage, _ = linked(squares(MOTHER, {}, DAUGHTERS))
    assert families(lineage) == {((2, 2), (0, 1)), ((2, 3), (0, 1))}


def test_divisions_can_be_switched_off() -> None:
    lineage, _ = linked(squares(MOTHER, DAUGHTERS), divisions=False)
    assert len(lineage.parents) == 0
    assert len(tracks(lineage)) == 2


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_an_object_cut_in_two_for_a_while_stays_one(seconds: int) -> None:
    pieces: Any = {2: (20, 25, 16), 3: (22, 42, 10)}
    whole = {1: (20, 28, 18)}
    lineage, decided = linked(squares(whole, *([pieces] * seconds), whole, whole, whole, whole))
    assert decided[seconds + 1].merged.tolist() == [[3, 2]]
    assert len(lineage.parents) == 0
    long = max(tracks(lineage), key=len)
    assert [frame for frame, _ in long] == list(range(seconds + 5))


def test_daughters_that_touch_for_a_frame_stay_daughters() -> None:
    joined = {9: (22, 22, 31)}
    frames = squares(MOTHER, DAUGHTERS, DAUGHTERS, joined, DAUGHTERS, DAUGHTERS)
    frames[3, 33:] = 0
    lineage = clean(linked(frames)[0], LinkSettings())
    assert families(lineage) == {((1, 2), (0, 1)), ((1, 3), (0, 1))}
