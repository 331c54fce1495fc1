"""The pairs linker on drawn blocks: ids across blocks, new objects, divisions, merges, short tracks."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.errors import ShapeError
from unfade.link.pairs import PairLinker
from unfade.link.settings import LinkSettings
from unfade.records import Lineage

A, B, C = (2, 8, 2, 8), (2, 8, 12, 18), (12, 18, 2, 18)


def frame(**ids: tuple[int, int, int, int]) -> dict[int, tuple[int, int, int, int]]:
    return {int(name[1:]): box for name, box in ids.items()}


def painted(boxes: dict[int, tuple[int, int, int, int]]) -> np.ndarray:
    out = np.zeros((20, 20), np.int32)
    for label, (y0, y1, x0, x1) in boxes.items():
        out[y0:y1, x0:x1] = label
    return out


def linked(*blocks: tuple[dict, dict], **settings: object) -> Lineage:
    linker = PairLinker(LinkSettings.parse(settings))
    state = linker.start()
    for before, now in blocks:
        state, _ = linker.push(state, np.stack([painted(before), painted(now)]))
    return linker.finish(state)


def tracks_by_frame(lineage: Lineage, frames: int) -> list[dict[int, int]]:
    """Track of each label, frame by frame."""
    out: list[dict[int, int]] = [{} for _ in range(frames)]
    for t, label, track in zip(lineage.frame, lineage.label, lineage.track, strict=True):
        out[t][int(label)] = int(track)
    return out


def test_ids_that_change_from_block_to_block_stay_one_track() -> None:
    found = tracks_by_frame(linked(({}, {5: A, 9: B}), ({1: A, 2: B}, {1: A, 2: B}), ({8: A, 3: B}, {8: A, 3: B})), 3)
    assert found[0][5] == found[1][1] == found[2][8]
    assert found[0][9] == found[1][2] == found[2][3]
    assert found[0][5] != found[0][9]


def test_highest_iou_wins_the_match() -> None:
    wide = (2, 8, 2, 13)  # mostly A, and a little of B
    found = tracks_by_frame(linked(({}, {1: A, 2: B}), ({4: wide, 7: (2, 8, 13, 18)}, {4: A, 7: B})), 2)
    assert found[1] == {4: found[0][1], 7: found[0][2]}


def test_a_mother_ends_where_her_daughters_begin() -> None:
    left, right = (12, 18, 2, 9), (12, 18, 11, 18)
    lineage = linked(
        ({}, {1: C}), ({1: C}, {1: C}), ({1: C}, {2: left, 3: right}), ({2: left, 3: right}, {2: left, 3: right})
    )
    tracks = tracks_by_frame(lineage, 4)
    mother, daughters = tracks[1][1], {tracks[2][2], tracks[2][3]}
    assert mother not in daughters
    assert len(daughters) == 2
    assert {tuple(pair) for pair in lineage.parents.tolist()} == {(d, mother) for d in daughters}


def test_a_mother_whose_id_goes_on_in_one_daughter_ends_too() -> None:
    left, right = (12, 18, 2, 9), (12, 18, 11, 18)
    lineage = linked(({}, {1: C}), ({1: C}, {1: left, 3: right}), ({1: left, 3: right}, {1: left, 3: right}))
    tracks = tracks_by_frame(lineage, 3)
    assert tracks[1][1] != tracks[0][1]
    assert sorted(lineage.parents[:, 1].tolist()) == [tracks[0][1]] * 2


def test_what_appears_far_from_all_has_no_parent() -> None:
    lineage = linked(({}, {1: A}), ({1: A}, {1: A, 2: C}), ({1: A, 2: C}, {1: A, 2: C}))
    assert len(lineage.parents) == 0
    assert len(lineage.tracks()) == 2


def test_an_object_lost_for_a_frame_is_found_again_as_the_same_track() -> None:
    lineage = linked(({}, {1: A}), ({1: A}, {1: A}), ({}, {}), ({}, {7: A}), ({7: A}, {7: A}))
    assert lineage.track.tolist() == [1] * 4
    assert len(lineage.parents) == 0


@pytest.mark.parametrize(("within", "left_over"), [(10, 0), (1, 2)])
def test_a_division_that_fuses_again_is_undone_within_merge_frames(within: int, left_over: int) -> None:
    left, right = (12, 18, 2, 10), (12, 18, 10, 18)
    split = ({2: left, 3: right}, {2: left, 3: right})
    lineage = linked(
        ({}, {1: C}),
        ({1: C}, {2: left, 3: right}),
        split,
        split,
        ({2: left, 3: right}, {2: C}),
        ({2: C}, {2: C}),
        merge_frames=within,
    )
    assert len(lineage.parents) == left_over
    assert (tracks_by_frame(lineage, 6)[5][2] == tracks_by_frame(lineage, 6)[0][1]) == (within == 10)


def test_tracks_of_one_frame_are_dropped_but_not_at_the_end() -> None:
    lineage = linked(({}, {1: A}), ({1: A}, {1: A, 2: C}), ({1: A}, {1: A}), ({1: A}, {1: A, 5: B}))
    assert tracks_by_frame(lineage, 4) == [{1: 1}, {1: 1}, {1: 1}, {1: 1, 5: 3}]


def test_single_frames_are_refused() -> None:
    with pytest.raises(ShapeError, match="two frames per block"):
        PairLinker().push(PairLinker().start(), np.zeros((20, 20), np.int32))


def test_frames_of_another_size_are_refused() -> None:
    linker = PairLinker()
    state, _ = linker.push(linker.start(), np.zeros((2, 20, 20), np.int32))
    with pytest.raises(ShapeError, match="frames of shape"):
        linker.push(state, np.zeros((2, 20, 21), np.int32))


@pytest.mark.parametrize(("gap", "same"), [(0, False), (1, True), (4, True)])
def test_a_track_may_lack_as_many_frames_as_the_gap(gap: int, same: bool) -> None:
    there, gone = ({1: A}, {1: A}), ({}, {})
    lineage = linked(({}, {1: A}), there, gone, ({}, {7: A}), ({7: A}, {7: A}), gap=gap)
    assert (len(set(lineage.track.tolist())) == 1) == same


@pytest.mark.parametrize("gap", [2, 5])
def test_a_long_gap_is_bridged_only_where_asked(gap: int) -> None:
    gone = ({}, {})
    lineage = linked(({}, {1: A}), ({1: A}, {1: A}), *[gone] * 5, ({}, {7: A}), ({7: A}, {7: A}), gap=gap)
    assert len(set(lineage.track.tolist())) == (1 if gap == 5 else 2)


def test_without_divisions_nothing_has_a_parent() -> None:
    left, right = (12, 18, 2, 9), (12, 18, 11, 18)
    blocks = (({}, {1: C}), ({1: C}, {1: left, 3: right}), ({1: left, 3: right}, {1: left, 3: right}))
    assert len(linked(*blocks).parents) == 2
    lineage = linked(*blocks, divisions=False)
    assert len(lineage.parents) == 0
    found = tracks_by_frame(lineage, 3)
    assert found[0][1] == found[2][1]


def test_one_shared_pixel_is_no_match() -> None:
    cell, other = (2, 8, 2, 8), (7, 19, 7, 19)
    blocks = (({}, {1: cell}), ({1: cell}, {1: cell}), ({2: other}, {2: other}), ({2: other}, {2: other}))
    lineage = linked(*blocks)
    assert len(set(lineage.track.tolist())) == 2
    assert len(lineage.parents) == 0
    assert len(set(linked(*blocks, least=0.0).track.tolist())) == 1


def test_newcomers_choose_parents_one_by_one() -> None:
    """Three appear at once: two halves of one object, and one where another was lost two frames ago."""
    left, right = (12, 18, 2, 9), (12, 18, 11, 18)
    lineage = linked(
        ({}, {1: C, 2: A}),
        ({1: C, 2: A}, {1: C, 2: A}),
        ({1: C}, {1: C}),
        ({1: C}, {4: left, 5: right, 6: A}),
        ({4: left, 5: right, 6: A}, {4: left, 5: right, 6: A}),
    )
    tracks = tracks_by_frame(lineage, 5)
    assert tracks[4][6] == tracks[0][2]
    assert {tuple(p) for p in lineage.parents.tolist()} == {(tracks[4][4], tracks[0][1]), (tracks[4][5], tracks[0][1])}
