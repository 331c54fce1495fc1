"""The linker on tiny movies: who goes on, after what gap, over what jump, and what it refuses."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tests.cases.bestiary import BESTIARY, Case
from unfade.errors import SettingsError, ShapeError
from unfade.link import FrameLinks, LinkSettings, OverlapLinker, clean
from unfade.records import Lineage
from unfade.registry import load

# what a linker without eyes cannot know: three daughters, three in one, two that swap places in one step
BEYOND = {"dividing in three", "merging", "crossing"}
FIELD = {1: (8, 6, 6), 2: (30, 12, 7), 3: (16, 27, 6), 4: (38, 41, 6), 5: (5, 58, 7)}  # y, x, side of squares
Tracks = set[tuple[tuple[int, int], ...]]


def linked(frames: np.ndarray, **settings: Any) -> tuple[Lineage, list[FrameLinks]]:
    linker = OverlapLinker(LinkSettings.parse(settings))
    state, decided = linker.start(), []
    for image in frames:
        state, links = linker.push(state, image)
        decided.append(links)
    return linker.finish(state), decided


def tracks(lineage: Lineage) -> Tracks:
    """Every track as its objects (frame, label)."""
    nodes: dict[int, list[tuple[int, int]]] = {}
    for frame, label, track in zip(lineage.frame.tolist(), lineage.label.tolist(), lineage.track.tolist(), strict=True):
        nodes.setdefault(track, []).append((frame, label))
    return {tuple(sorted(v)) for v in nodes.values()}


def families(lineage: Lineage) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    """First object of each child, last object of its parent."""
    ends: dict[int, tuple[int, int]] = {}
    starts: dict[int, tuple[int, int]] = {}
    order = np.argsort(lineage.frame, kind="stable")
    for n in order.tolist():
        node = (int(lineage.frame[n]), int(lineage.label[n]))
        starts.setdefault(int(lineage.track[n]), node)
        ends[int(lineage.track[n])] = node
    return {(starts[c], ends[p]) for c, p in lineage.parents.tolist()}


def squares(*frames: dict[int, tuple[int, int, int]], shape: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Movie of squares, label: (y, x, side)."""
    out = np.zeros((len(frames), *shape), np.int32)
    for image, objects in zip(out, frames, strict=True):
        for label, (y, x, side) in objects.items():
            image[y : y + side, x : x + side] = label
    return out


@pytest.mark.parametrize("name", sorted(set(BESTIARY) - BEYOND))
@pytest.mark.parametrize("method", ["optimal", "greedy"])
def test_every_case_of_the_bestiary_is_linked_as_it_is(name: str, method: str) -> None:
    case: Case = BESTIARY[name]()
    shuffled, back = renamed(case.labels)
    lineage, _ = linked(shuffled, method=method)
    found = clean(lineage, LinkSettings())
    known = np.array([back[f, n] for f, n in zip(found.frame.tolist(), found.label.tolist(), strict=True)], np.int32)
    found = Lineage(found.frame, known, found.track, found.confidence, found.parents)
    assert tracks(found) == tracks(case.lineage)
    assert families(found) == families(case.lineage)


def renamed(labels: np.ndarray) -> tuple[np.ndarray, dict[tuple[int, int], int]]:
    """Fresh labels in every frame, so that they say nothing about tracks; and the way back."""
    random = np.random.default_rng(7)
    out, back = np.zeros_like(labels), {}
    for t, image in enumerate(labels):
        ids = [k for k in np.unique(image).tolist() if k]
        for old, new in zip(ids, (random.permutation(3 * len(ids) + 1) + 1).tolist(), strict=False):
            out[t][image == old] = new
            back[t, new] = old
    return out, back


@pytest.mark.parametrize(("gap", "expected"), [(0, 2), (1, 2), (2, 1), (5, 1)])
def test_a_track_survives_as_many_missing_frames_as_the_gap_allows(gap: int, expected: int) -> None:
    seen, nothing = {5: (20, 20, 8)}, dict[int, tuple[int, int, int]]()
    lineage, _ = linked(squares(seen, nothing, nothing, seen), gap=gap)
    assert len(tracks(lineage)) == expected


def test_a_lost_track_goes_on_where_it_was_although_others_moved_near() -> None:
    lineage, _ = linked(
        squares({1: (20, 20, 8), 2: (20, 40, 8)}, {2: (20, 36, 8)}, {1: (20, 21, 8), 2: (20, 33, 8)}), divisions=False
    )
    assert tracks(lineage) == {((0, 1), (2, 1)), ((0, 2), (1, 2), (2, 2))}


def test_small_objects_are_followed_over_steps_longer_than_themselves() -> None:
    far = [{k: (10 + 2 * t, 10 + 25 * (k - 1) + 6 * t, 4) for k in (1, 2, 3)} for t in range(4)]
    lineage, _ = linked(squares(*far))
    assert tracks(lineage) == {tuple((t, k) for t in range(4)) for k in (1, 2, 3)}
    assert len(tracks(linked(squares(*far), reach=0, drift=False)[0])) == 12


def test_the_total_decides_where_the_best_single_link_misleads() -> None:
    first = {1: (20, 20, 10), 2: (20, 31, 10)}
    then = {1: (20, 26, 10), 2: (20, 38, 10)}
    keep, swap = {((0, 1), (1, 1)), ((0, 2), (1, 2))}, {((0, 1),), ((0, 2), (1, 1)), ((1, 2),)}
    settings = {"reach": 0.0, "divisions": False}
    assert tracks(linked(squares(first, then), method="optimal", **settings)[0]) == keep
    assert tracks(linked(squares(first, then), method="greedy", **settings)[0]) == swap


@pytest.mark.parametrize("way", [(9, 15), (-6, -5), (0, 50)])
def test_jumps_of_the_stage_are_found_and_reported(way: tuple[int, int]) -> None:
    first = {k: v for k, v in FIELD.items() if k < 4}
    jumped = {k: (y + way[0], x + way[1], side) for k, (y, x, side) in first.items()}
    lineage, decided = linked(squares(first, first, jumped, jumped), reach=0)
    assert [d.drift_px for d in decided] == [(0, 0), (0, 0), way, (0, 0)]
    assert tracks(lineage) == {tuple((t, k) for t in range(4)) for k in first}
    _, decided = linked(squares(first, first, jumped), drift=False)
    assert decided[2].drift_px == (0, 0)


def test_a_jump_is_judged_by_the_objects_that_stay_in_view() -> None:
    first = {**FIELD, 6: (44, 70, 6), 7: (20, 75, 6)}
    jumped = {k: (y, x + 50, side) for k, (y, x, side) in first.items() if x + 50 + side < 90}
    assert len(jumped) == 3
    assert linked(squares(first, jumped))[1][1].drift_px == (0, 50)


def test_a_jump_shows_in_a_field_without_background() -> None:
    random = np.random.default_rng(3)
    rows, columns = (np.searchsorted(np.cumsum(random.integers(9, 22, 12)), np.arange(110)) for _ in range(2))
    whole = (rows[:, None] * 20 + columns + 1).astype(np.int32)
    _, decided = linked(np.stack([whole[:90, :90], whole[8:98, 7:97]]))
    assert decided[1].drift_px == (-8, -7)


def test_a_field_of_other_objects_is_no_jump() -> None:
    others = {1: (40, 10, 6), 2: (10, 40, 7), 3: (45, 70, 6), 4: (25, 75, 6)}
    assert linked(squares(FIELD, others))[1][1].drift_px == (0, 0)


def test_a_track_that_is_lost_as_the_stage_jumps_is_found_again() -> None:
    jumped = {k: (y + 9, x + 15, side) for k, (y, x, side) in FIELD.items()}
    without = {k: v for k, v in jumped.items() if k != 3}
    assert ((0, 3), (2, 3)) in tracks(linked(squares(FIELD, without, jumped), reach=0)[0])
    before = {k: v for k, v in FIELD.items() if k != 3}
    assert ((0, 3), (2, 3)) in tracks(linked(squares(FIELD, before, jumped), reach=0)[0])
    linker, state = OverlapLinker(), OverlapLinker().start()
    for image in squares(FIELD, without):
        state, _ = linker.push(state, image)
    y, x, side = jumped[3]
    assert (state.front.y[-1], state.front.x[-1]) == (y + (side - 1) / 2, x + (side - 1) / 2)


def test_a_track_seen_just_now_comes_before_one_long_lost() -> None:
    first = {1: (20, 20, 8), 2: (20, 29, 8)}
    frames = squares(first, {2: (20, 29, 8)}, {9: (20, 24, 8)})  # more of 9 lies on 1 than on 2
    assert ((0, 2), (1, 2), (2, 9)) in tracks(linked(frames, divisions=False)[0])


def test_confidence_falls_where_another_object_would_do_as_well() -> None:
    alone, _ = linked(squares({1: (20, 20, 8)}, {1: (20, 21, 8)}))
    assert np.isnan(alone.confidence[0])
    assert alone.confidence[1] == pytest.approx(1)
    crowd, _ = linked(squares({1: (20, 20, 8), 2: (20, 28, 8)}, {1: (20, 24, 8), 2: (20, 32, 8)}), divisions=False)
    assert np.all(crowd.confidence[2:] < 0.8)


def test_ids_count_from_one_and_are_never_used_again() -> None:
    here, there = {9: (5, 5, 6)}, {4: (45, 75, 6)}
    lineage, decided = linked(squares(here, {}, {}, {}, there, here), gap=0)
    assert lineage.track.tolist() == [1, 2, 3]
    assert [d.track.tolist() for d in decided] == [[1], [], [], [], [2], [3]]
    assert lineage.label.tolist() == [9, 4, 9]
    assert lineage.frame.tolist() == [0, 4, 5]


def test_a_movie_without_frames_or_objects_has_an_empty_lineage() -> None:
    for frames in (np.zeros((0, 9, 9), np.int32), np.zeros((3, 9, 9), np.int32)):
        lineage, _ = linked(frames)
        assert lineage.track.shape == (0,)
        assert lineage.parents.shape == (0, 2)
        assert len(clean(lineage, LinkSettings()).tracks()) == 0


def test_memory_does_not_grow_with_lost_tracks() -> None:
    linker, state = OverlapLinker(LinkSettings(gap=1)), OverlapLinker(LinkSettings()).start()
    held = []
    for t in range(12):
        state, _ = linker.push(state, squares({1: (4 * t, 6 * t, 5)}, shape=(60, 90))[0] if t % 2 else squares({})[0])
        held.append(sum(sys.getsizeof(a) for a in (state.front.lost.track, state.front.lost.y, state.front.track)))
    assert len(state.front) <= 2
    assert held[11] <= max(held[:4])


def test_frames_of_another_size_are_refused() -> None:
    linker = OverlapLinker()
    state, _ = linker.push(linker.start(), np.zeros((5, 6), np.int32))
    with pytest.raises(ShapeError, match=r"\(5, 6\)"):
        linker.push(state, np.zeros((6, 5), np.int32))
    with pytest.raises(ShapeError, match="Y, X"):
        linker.push(linker.start(), np.zeros((2, 5, 6), np.int32))


def test_settings_are_checked_and_the_linker_is_registered() -> None:
    with pytest.raises(SettingsError, match="gap"):
        LinkSettings.parse({"gap": -1})
    assert LinkSettings().linker == "auto"
    assert load("linkers", "overlap") is OverlapLinker
