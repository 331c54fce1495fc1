"""Tracks cut into pieces without gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfade.errors import ShapeError
from unfade.ops.tracks import pieces


def table(frame: list[int], track: list[int], parents: list[tuple[int, int]]) -> dict[int, tuple[int, int, int]]:
    """First frame, last frame and parent id of each piece by its id."""
    cut = pieces(frame, track, np.array(parents, int).reshape(-1, 2))
    parent = [int(cut.id[p]) if p >= 0 else 0 for p in cut.parent]
    return {int(k): (int(a), int(b), p) for k, a, b, p in zip(cut.id, cut.first, cut.last, parent, strict=True)}


def test_a_track_without_gaps_keeps_its_id() -> None:
    assert table([0, 1, 2, 1], [7, 7, 7, 3], []) == {7: (0, 2, 0), 3: (1, 1, 0)}
    assert table([], [], []) == {}


def test_after_a_gap_comes_a_new_id_with_the_old_one_as_parent() -> None:
    assert table([5, 0, 2, 6, 1], [4, 4, 4, 4, 4], []) == {4: (0, 2, 0), 5: (5, 6, 4)}
    assert table([0, 2, 4], [1, 1, 1], []) == {1: (0, 0, 0), 2: (2, 2, 1), 3: (4, 4, 2)}


def test_a_child_has_the_last_piece_before_it() -> None:
    assert table([0, 2, 4, 3], [1, 1, 1, 8], [(8, 1)]) == {1: (0, 0, 0), 9: (2, 2, 1), 10: (4, 4, 9), 8: (3, 3, 9)}


def test_a_mother_that_lives_on_becomes_a_sister() -> None:
    assert table([0, 1, 2, 3, 2, 3], [4, 4, 4, 4, 5, 5], [(5, 4)]) == {4: (0, 1, 0), 6: (2, 3, 4), 5: (2, 3, 4)}


def test_the_first_of_several_parents_counts() -> None:
    assert table([0, 0, 1], [1, 2, 3], [(3, 2), (3, 1)])[3] == (1, 1, 2)


def test_nodes_know_their_piece_in_any_order() -> None:
    cut = pieces([6, 0, 5, 1], [4, 4, 4, 4], np.zeros((0, 2), int))
    assert cut.of_node.tolist() == [1, 0, 1, 0]
    assert cut.track.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("frame", "track", "parents", "text"),
    [
        ([3, 3], [2, 2], [], "Track 2 stands twice in frame 3"),
        ([3], [2], [(2, 9)], "Track 9 is named as a parent but has no objects"),
        ([3], [2], [(9, 2)], "Track 9 is named as a child but has no objects"),
        ([3, 3], [2, 1], [(2, 1)], "Track 2 begins before its parent 1"),
        ([3], [2], [(2, 2)], "Track 2 begins before its parent 2"),
    ],
)
def test_what_cannot_be(frame: list[int], track: list[int], parents: list[tuple[int, int]], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        pieces(frame, track, np.array(parents, int).reshape(-1, 2))


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(1, 5))), st.randoms(use_true_random=False))
def test_pieces_are_whole_and_parents_end_first(nodes: set[tuple[int, int]], random: st.DataObject) -> None:
    frame, track = np.array(sorted(nodes)).reshape(-1, 2).T
    first = {k: int(frame[track == k].min()) for k in set(track.tolist())}
    parents = [(k, p) for k in first for p in first if first[p] < first[k]]
    random.shuffle(parents)  # type: ignore[attr-defined]
    cut = pieces(frame, track, np.array(parents, int).reshape(-1, 2))
    assert len(set(cut.id.tolist())) == len(cut.id)
    for p in range(len(cut.id)):
        mine = np.sort(frame[cut.of_node == p])
        assert mine.tolist() == list(range(cut.first[p], cut.last[p] + 1))
        assert set(track[cut.of_node == p].tolist()) == {cut.track[p]}
    child = np.flatnonzero(cut.parent >= 0)
    assert (cut.last[cut.parent[child]] < cut.first[child]).all()
    begins = {k for k, _ in parents}
    roots = {int(k) for k, p in zip(cut.id, cut.parent, strict=True) if p < 0}
    assert roots == set(first) - begins
