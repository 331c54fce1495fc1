from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unfade.augment.temporal import draw_frames
from unfade.augment.unreliable import UnreliableSettings, eroded, spoil, wrong


def mask() -> np.ndarray:
    out = np.zeros((40, 60), np.float32)
    for y, x in ((8, 8), (8, 30), (28, 12), (28, 45)):
        out[y - 4 : y + 5, x - 5 : x + 6] = 1
    return out


def test_nothing_is_spoilt_unasked() -> None:
    given = mask()
    assert spoil(np.random.default_rng(0), given, UnreliableSettings()) is given


def test_every_kind_comes_as_often_as_asked() -> None:
    rng, given = np.random.default_rng(1), mask()
    settings = UnreliableSettings(dropped=0.3, wrong=0.2, eroded=0.1)
    drawn = [spoil(rng, given, settings) for _ in range(1000)]
    empty = np.mean([not d.any() for d in drawn])
    same = np.mean([np.array_equal(d, given) for d in drawn])
    assert empty == pytest.approx(0.3, abs=0.05)
    assert same == pytest.approx(0.4, abs=0.05)


def test_eroded_masks_lie_within_three_pixels() -> None:
    rng, given = np.random.default_rng(2), mask()
    low, high = ndimage.binary_erosion(given, iterations=3), ndimage.binary_dilation(given, iterations=3)
    areas = set()
    for _ in range(60):
        found = eroded(rng, given)
        assert (found >= low).all()
        assert (found <= high).all()
        areas.add(int(found.sum()))
    assert len(areas) == 6  # one to three steps, in and out


def test_wrong_masks_lack_move_and_double_objects() -> None:
    rng, given = np.random.default_rng(3), mask()
    counts = [ndimage.label(wrong(rng, given))[1] for _ in range(200)]
    assert min(counts) < 4 < max(counts)
    assert not wrong(rng, np.zeros((8, 8), np.float32)).any()


def test_objects_moved_over_the_edge_are_cut() -> None:
    rng, given = np.random.default_rng(4), np.zeros((10, 10), np.float32)
    given[:4, :4] = 1
    for _ in range(50):
        assert wrong(rng, given).shape == (10, 10)


@pytest.mark.parametrize(("count", "length", "fastest"), [(27, 4, 2), (5, 5, 3), (3, 4, 2), (1, 1, 1)])
def test_frames_are_evenly_spaced_inside_the_movie(count: int, length: int, fastest: int) -> None:
    rng = np.random.default_rng(5)
    firsts, paces = set(), set()
    for _ in range(100):
        frames = draw_frames(rng, count, length, fastest, 0.5)
        assert frames.shape == (length,)
        assert frames.min() >= 0
        assert frames.max() < count
        steps = np.diff(frames)
        assert len(set(np.abs(steps[steps != 0]).tolist())) <= 1
        firsts.add(int(frames[0]))
        paces.update(steps.tolist())
    if count == 27:
        assert paces == {-2, -1, 1, 2}
        assert len(firsts) > 15


def test_time_runs_forwards_unless_asked() -> None:
    rng = np.random.default_rng(6)
    assert all((np.diff(draw_frames(rng, 20, 4, 3)) > 0).all() for _ in range(50))
