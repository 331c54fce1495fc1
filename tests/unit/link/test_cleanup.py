"""Clean-up of a lineage: what is undone, joined and removed, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.link import LinkSettings, clean, cleaned
from unfade.link.cleanup import Merge, without_remerged
from unfade.records import Lineage

Spans = dict[int, tuple[int, int]]


def lineage(spans: Spans, parents: tuple[tuple[int, int], ...] = ()) -> Lineage:
    """Tracks that are seen in every frame from the first to the last."""
    nodes = [(t, 10 * k, k) for k, (first, last) in spans.items() for t in range(first, last + 1)]
    frame, label, track = np.array(nodes, np.int32).reshape(-1, 3).T
    return Lineage(frame, label, track, np.ones(len(frame), np.float32), np.array(parents, np.int32).reshape(-1, 2))


def spans(found: Lineage) -> Spans:
    rows = found.tracks()[["track", "first", "last"]].to_numpy().tolist()
    return {k: (first, last) for k, first, last in rows}


def test_a_daughter_that_vanishes_at_once_undoes_the_division() -> None:
    found = cleaned(lineage({1: (0, 3), 2: (4, 9), 3: (4, 4)}, ((2, 1), (3, 1))), LinkSettings(daughter_frames=2))
    assert spans(found.lineage) == {1: (0, 9), 3: (4, 4)}
    assert found.lineage.parents.tolist() == []
    assert found[1:] == (1, 0, 0)
    assert found.lineage.label.tolist()[:5] == [10, 10, 10, 10, 20]


@pytest.mark.parametrize(
    ("kids", "frames"),
    [
        ({2: (4, 9), 3: (4, 5)}, 2),  # lives long enough
        ({2: (4, 4), 3: (4, 4), 4: (0, 9)}, 2),  # both vanish: nobody goes on
        ({2: (4, 9), 3: (4, 4)}, 0),  # switched off
    ],
)
def test_other_divisions_stay(kids: Spans, frames: int) -> None:
    before = lineage({1: (0, 3), **kids}, ((2, 1), (3, 1)))
    after = clean(before, LinkSettings(daughter_frames=frames))
    assert spans(after) == spans(before)
    assert after.parents.tolist() == [[2, 1], [3, 1]]


def test_a_daughter_cut_short_by_the_end_of_the_movie_counts() -> None:
    before = lineage({1: (0, 3), 2: (4, 4), 3: (4, 5), 4: (5, 5), 5: (5, 5)}, ((2, 1), (3, 1), (4, 2), (5, 2)))
    assert len(clean(before, LinkSettings(daughter_frames=3)).parents) == 4


def test_a_daughter_is_as_old_as_what_was_joined_to_her() -> None:
    before = lineage({1: (0, 3), 2: (4, 4), 3: (4, 12), 4: (5, 12), 5: (5, 5)}, ((2, 1), (3, 1), (4, 2), (5, 2)))
    found = cleaned(before, LinkSettings())
    assert spans(found.lineage) == {1: (0, 3), 2: (4, 12), 3: (4, 12), 5: (5, 5)}
    assert found.undone_divisions == 1


def test_a_brief_daughter_that_divides_again_counts() -> None:
    before = lineage({1: (0, 3), 2: (4, 9), 3: (4, 4), 4: (5, 9), 5: (5, 9)}, ((2, 1), (3, 1), (4, 3), (5, 3)))
    assert len(clean(before, LinkSettings()).parents) == 4


def test_undoing_goes_down_a_chain_and_keeps_the_grandchildren() -> None:
    before = lineage(
        {1: (0, 3), 2: (4, 6), 3: (4, 4), 4: (7, 12), 5: (7, 7), 6: (13, 20), 7: (13, 20)},
        ((2, 1), (3, 1), (4, 2), (5, 2), (6, 4), (7, 4)),
    )
    found = cleaned(before, LinkSettings())
    assert spans(found.lineage) == {1: (0, 12), 3: (4, 4), 5: (7, 7), 6: (13, 20), 7: (13, 20)}
    assert found.lineage.parents.tolist() == [[6, 1], [7, 1]]
    assert found.undone_divisions == 2


def test_an_only_child_goes_on_as_its_mother() -> None:
    found = cleaned(lineage({1: (0, 3), 2: (6, 9)}, ((2, 1),)), LinkSettings())
    assert spans(found.lineage) == {1: (0, 9)}
    assert found[1:] == (0, 1, 0)
    overlapping = lineage({1: (0, 5), 2: (4, 9)}, ((2, 1),))  # a bud: its mother lives on
    assert spans(clean(overlapping, LinkSettings())) == {1: (0, 5), 2: (4, 9)}


def test_short_tracks_go_only_without_relatives_and_when_asked() -> None:
    before = lineage({1: (0, 3), 2: (4, 5), 3: (4, 9), 4: (2, 3), 5: (0, 9)}, ((2, 1), (3, 1)))
    assert cleaned(before, LinkSettings()).removed_tracks == 0
    found = cleaned(before, LinkSettings(track_frames=3))
    assert spans(found.lineage) == {1: (0, 3), 2: (4, 5), 3: (4, 9), 5: (0, 9)}
    assert found.removed_tracks == 1
    assert len(found.lineage.confidence) == len(found.lineage.frame)


def test_daughters_that_fuse_are_one_object() -> None:
    before = lineage({1: (0, 3), 2: (4, 12), 3: (4, 8)}, ((2, 1), (3, 1)))
    found = without_remerged(before, [Merge(9, 3, 2)])
    assert spans(found) == {1: (0, 12), 3: (4, 8)}
    assert len(found.parents) == 0


@pytest.mark.parametrize(
    ("merge", "why"),
    [(Merge(9, 3, 8), "into a stranger"), (Merge(6, 3, 2), "only touched"), (Merge(9, 8, 2), "a stranger")],
)
def test_other_merges_undo_nothing(merge: Merge, why: str) -> None:
    before = lineage({1: (0, 3), 2: (4, 12), 3: (4, 8), 8: (0, 12)}, ((2, 1), (3, 1)))
    assert len(without_remerged(before, [merge]).parents) == 2, why


def test_a_daughter_that_divided_has_not_fused() -> None:
    before = lineage({1: (0, 3), 2: (4, 12), 3: (4, 8), 4: (9, 12), 5: (9, 12)}, ((2, 1), (3, 1), (4, 3), (5, 3)))
    assert len(without_remerged(before, [Merge(9, 3, 2)]).parents) == 4
