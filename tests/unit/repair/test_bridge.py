"""Bridging: gaps are crossed from both ends, what is lost is found again, nothing goes over a division."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.repair import RepairSettings
from unfade.repair.repairer import Repairer, inspect, lineage_of

SHAPE = (60, 120)
NONE = np.zeros((0, 2), np.int32)


def disk(y, x, radius=6.0):
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - y, columns - x) < radius


def labels_of(frames):
    """Frames as dicts: id -> (y, x, radius)."""
    out = []
    for frame in frames:
        image = np.zeros(SHAPE, np.int32)
        for key, place in frame.items():
            image[disk(*place)] = key
        out.append(image)
    return out


class Steady:
    """A flow of so many px per frame; images hold the number of their frame."""

    def __init__(self, dy=0.0, dx=0.0):
        self.step = np.array([dy, dx], np.float32)

    def between(self, first, second):
        way = self.step * float(second[0, 0] - first[0, 0])
        return np.broadcast_to(way[:, None, None], (2, *first.shape)).astype(np.float32)


def repair(frames, estimator=None, parents=NONE, uncertainty=None, **how):
    settings = RepairSettings.parse({"drift": False, **how})
    labels = labels_of(frames)
    images = [np.full(SHAPE, float(t)) for t in range(len(frames))]
    known = uncertainty or [{} for _ in frames]
    nodes = inspect(zip(images, labels, known, strict=True))
    repairer = Repairer(nodes, np.array(parents, np.int32).reshape(-1, 2), settings, estimator or Steady())
    seen = [repairer.seen(t, images[t], labels[t]) for t in range(len(frames))]
    left = list(repairer.sweep_forward(seen))
    out = list(repairer.sweep_backward(zip(seen[::-1], left[::-1], strict=True)))[::-1]
    return repairer, labels, out


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def origins(out):
    return [{o.track: (o.origin, o.age) for o in frame.objects} for frame in out]


def test_nothing_in_doubt_nothing_changed():
    frames = [{3: (30, 20 + t, 6), 5: (30, 80, 7)} for t in range(6)]
    _, labels, out = repair(frames, Steady(0, 1))
    for a, frame in zip(labels, out, strict=True):
        assert (a == frame.labels).all()
    assert all(v == ("seen", 0) for frame in origins(out) for v in frame.values())


def test_a_gap_is_filled_along_the_motion():
    frames = [{1: (30, 20 + 2 * t, 6)} if not 3 <= t < 7 else {} for t in range(10)]
    _, _, out = repair(frames, Steady(0, 2))
    for t in range(3, 7):
        assert iou(out[t].labels == 1, disk(30, 20 + 2 * t)) > 0.9
    assert [origins(out)[t][1] for t in range(2, 8)] == [
        ("seen", 0), ("interpolated", 1), ("interpolated", 2), ("interpolated", 2), ("interpolated", 1), ("seen", 0)
    ]  # fmt: skip


def test_both_ends_meet_though_the_flow_says_nothing():
    """Without flow each end stays where it was; between them the place goes over from one to the other."""
    frames = [{1: (30, 20 + t, 6)} if not 3 <= t < 7 else {} for t in range(10)]
    _, _, out = repair(frames, motion="none")
    for t in range(3, 7):
        assert iou(out[t].labels == 1, disk(30, 20 + t)) > 0.8


def test_a_cell_in_place_of_the_nucleus_is_updated():
    frames = [{1: (30, 60, 16 if 4 <= t < 7 else 7)} for t in range(10)]
    _, labels, out = repair(frames)
    for t in range(4, 7):
        assert (labels[t] == 1).sum() > 700
        assert iou(out[t].labels > 0, disk(30, 60, 7)) > 0.95
        assert origins(out)[t][1][0] == "updated"
        assert out[t].objects[0].label == 1


def test_confidence_falls_with_age():
    frames = [{1: (30, 60, 7)} if t < 4 else {} for t in range(12)]
    _, _, out = repair(frames, half_life=4.0, max_age=6, max_alone=24)
    sure = [frame.objects[0].confidence for frame in out[4:10]]
    assert sure == sorted(sure, reverse=True)
    assert sure[3] == pytest.approx(0.5, abs=0.03)
    assert [len(frame.objects) for frame in out] == [1] * 10 + [0] * 2  # not beyond max_age


def test_a_cell_that_was_seen_once_is_not_carried_on():
    frames = [{1: (30, 60, 7)} if t == 2 else {} for t in range(6)]
    _, _, out = repair(frames)
    assert [len(frame.objects) for frame in out] == [0, 0, 1, 0, 0, 0]


def test_what_reappears_where_it_was_carried_is_the_same_cell():
    """The linker gave up and began a new track."""
    frames = [{1: (30, 20 + 2 * t, 6)} for t in range(4)] + [{}] * 5 + [{9: (30, 20 + 2 * t, 6)} for t in range(9, 13)]
    repairer, _, out = repair(frames, Steady(0, 2))
    assert {o.track for frame in out for o in frame.objects} == {1}
    assert iou(out[6].labels == 1, disk(30, 32)) > 0.9
    lineage = lineage_of({f.t: f for f in out}, repairer.parents())
    assert lineage.frame.tolist() == list(range(13))
    assert np.isnan(lineage.confidence[0])
    assert not np.isnan(lineage.confidence[1:]).any()


def test_what_reappears_elsewhere_is_another_cell():
    frames = [{1: (30, 20, 6)} for _ in range(4)] + [{}] * 3 + [{1: (30, 90, 6)} for _ in range(4)]
    _, _, out = repair(frames, max_alone=24)
    assert {o.track for o in out[9].objects} == {1, 2}  # the old one is still carried
    assert out[9].labels[30, 90] == 2


def test_nothing_is_carried_over_a_division():
    frames = [{1: (30, 60, 8)} for _ in range(4)] + [{}] * 2 + [{2: (30, 50, 6), 3: (30, 70, 6)} for _ in range(4)]
    repairer, _, out = repair(frames, parents=[(2, 1), (3, 1)])
    tracks = [sorted(o.track for o in frame.objects) for frame in out]
    assert tracks[:4] == [[1]] * 4
    assert tracks[4:6] == [[1]] * 2  # the mother may last until her daughters are there
    assert tracks[6:] == [[2, 3]] * 4
    assert repairer.parents().tolist() == [[2, 1], [3, 1]]


def test_a_doubted_mask_that_falls_apart_is_no_division():
    nuclei = {1: (30, 50, 6), 2: (30, 68, 6)}
    clump = {1: (30, 59, 19)}
    frames = [nuclei] * 5 + [clump] * 3 + [{4: nuclei[1], 5: nuclei[2]}] * 5
    repairer, _, out = repair(frames, parents=[(4, 1), (5, 1)], diameter_px=12)
    assert len(repairer.parents()) == 0
    for frame in out:
        assert {o.track for o in frame.objects} == {1, 2}
        assert iou(frame.labels == 2, disk(*nuclei[2])) > 0.9


def test_a_doubted_mask_that_agrees_with_what_was_carried_stays():
    frames = [{1: (30, 60, 7 if t != 4 else 7.6)} for t in range(9)]
    doubt = [{1: 0.9 if t == 4 else 0.1} for t in range(9)]
    _, labels, out = repair(frames, uncertainty=doubt)
    assert (out[4].labels == labels[4]).all()
    assert origins(out)[4][1] == ("seen", 0)


def test_what_is_less_sure_than_the_doubted_mask_does_not_replace_it():
    frames = [{1: (30, 60, 7)} for _ in range(4)] + [{1: (30, 66, 8)} for _ in range(9)]
    doubt = [{1: 0.1} for _ in range(4)] + [{1: 0.5} for _ in range(9)]
    _, labels, out = repair(frames, uncertainty=doubt, half_life=1.0)
    assert (out[12].labels == labels[12]).all()
    assert out[12].objects[0].origin == "seen"


def test_one_side_must_be_surer_than_two():
    """The carried mask has a doubt of 0.35 to 0.39, that in its place one of 0.5."""
    shifted = [{1: (30, 66, 8)} for _ in range(3)]
    frames = [{1: (30, 60, 7)} for _ in range(4)] + shifted
    doubt = [{1: 0.35} for _ in range(4)] + [{1: 0.5} for _ in range(3)]
    _, _, open_ended = repair(frames, uncertainty=doubt, half_life=100.0)
    assert [frame.objects[0].origin for frame in open_ended] == ["seen"] * 7
    _, _, enclosed = repair(frames + frames[:4], uncertainty=doubt + doubt[:4], half_life=100.0)
    assert [frame.objects[0].origin for frame in enclosed] == ["seen"] * 4 + ["updated"] * 3 + ["seen"] * 4


def test_what_nothing_shows_again_is_carried_for_a_short_time_only():
    frames = [{1: (30, 20 + t, 6), 5: (30, 90, 6)} if t < 5 else {5: (30, 90, 6)} for t in range(12)]
    _, _, out = repair(frames, Steady(0, 1))
    assert [len(frame.objects) for frame in out] == [2] * 8 + [1] * 4
    _, _, out = repair(frames, Steady(0, 1), max_alone=0)
    assert [len(frame.objects) for frame in out] == [2] * 5 + [1] * 7


def test_a_doubted_mask_elsewhere_is_believed_rather_than_what_was_carried():
    """The cell moved on, its doubted mask with it; the flow did not see it."""
    frames = [{1: (30, 30, 6)} for _ in range(5)] + [{1: (30, 50, 6)} for _ in range(2)]
    doubt = [{1: 0.1} for _ in range(5)] + [{1: 0.9} for _ in range(2)]
    _, labels, out = repair(frames, uncertainty=doubt)
    for t in (5, 6):
        assert origins(out)[t] == {1: ("seen", 0)}
        assert (out[t].labels == labels[t]).all()


def test_a_doubted_mask_is_not_lost_because_its_cell_is_shown_elsewhere():
    """Track 1 goes over to a neighbour, track 9 goes on as the cell that was 1: both masks stay, under two names."""
    first, second = (30, 30, 6), (30, 75, 6)
    frames = [{1: first, 2: second} for _ in range(5)] + [{9: first, 1: second} for _ in range(3)]
    doubt = [{} for _ in range(5)] + [{1: 0.9} for _ in range(3)]
    _, labels, out = repair(frames, uncertainty=doubt, max_alone=0, max_age=1)
    for t in range(5, 8):
        assert ((out[t].labels > 0) == (labels[t] > 0)).all()
        assert out[t].labels[30, 30] == 1
        assert out[t].labels[30, 75] not in (0, 1)
    assert len({int(out[t].labels[30, 75]) for t in (6, 7)}) == 1


def test_trusted_masks_are_never_painted_over():
    frames = [{1: (30, 60, 8)} for _ in range(4)] + [{2: (30, 66, 8)} for _ in range(5)]
    _, labels, out = repair(frames, join=1.0)
    for t in range(4, 9):
        assert (out[t].labels[labels[t] == 2] == 2).all()


def test_ids_that_are_taken_are_not_given_twice():
    frames = [{1: (30, 20, 6), 7: (30, 100, 6)} for _ in range(4)] + [{}] * 3 + [{1: (30, 60, 6)} for _ in range(4)]
    _, _, out = repair(frames)
    for frame in out:
        found = [o.track for o in frame.objects]
        assert len(found) == len(set(found))
        assert set(found) == set(np.unique(frame.labels)) - {0}
    assert 8 in {o.track for o in out[9].objects}
