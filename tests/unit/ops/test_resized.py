"""Labels at another size: nothing moves, nothing is mixed."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.ops.warp import resized, resized_labels


def disc(side: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return (np.hypot(y, x) < radius).astype(np.int32) * 7


@pytest.mark.parametrize("small", [32, 43, 50])
def test_down_and_up_again_does_not_move_an_object(small: int) -> None:
    labels = disc(64, 20)
    back = resized_labels(resized_labels(labels, (small, small)), (64, 64))
    assert np.argwhere(back).mean(axis=0) == pytest.approx([31.5, 31.5], abs=0.1)
    assert (back > 0).sum() == pytest.approx((labels > 0).sum(), rel=0.03)
    assert np.unique(back).tolist() == [0, 7]


@pytest.mark.parametrize("small", [44, 51, 58])
def test_outlines_survive_down_and_up_again(small: int) -> None:
    labels = disc(64, 14.3) + (disc(64, 26) > 0) * (disc(64, 20) == 0) * 3
    back = resized_labels(resized_labels(labels, (small, small - 3)), (64, 64))
    for number in (3, 7):
        mine, true = back == number, labels == number
        assert (mine & true).sum() / (mine | true).sum() > 0.93
    assert set(np.unique(back)) == {0, 3, 7}


def test_several_frames_are_resized_one_by_one() -> None:
    frames = np.random.default_rng(0).integers(-1, 4, (2, 3, 12, 10))
    for size in ((7, 6), (20, 25), (12, 10), (8, 14)):
        whole = resized_labels(frames, size)
        assert whole.dtype == frames.dtype
        assert np.array_equal(whole[1, 2], resized_labels(frames[1, 2], size))


def test_the_largest_part_of_four_wins_where_labels_grow() -> None:
    corner = np.array([[0, 5], [5, 5]])  # of the pixel near the corner of 0: 0 has 4/9, 5 the rest
    assert resized_labels(corner, (6, 6))[1:3, 1:3].tolist() == [[0, 0], [0, 5]]


def test_most_of_four_wins() -> None:
    labels = np.array([[5, 5, -1, 3], [5, 0, -1, -1]])
    assert resized_labels(labels, (1, 2)).tolist() == [[5, -1]]


def test_two_against_two_go_by_turns() -> None:
    labels = np.tile(np.array([[1, 2]]), (8, 4))
    assert np.bincount(resized_labels(labels, (4, 4)).ravel()).tolist() == [0, 8, 8]


def test_larger_labels_repeat() -> None:
    assert resized_labels(np.array([[1, 2]]), (2, 4)).tolist() == [[1, 1, 2, 2]] * 2


def test_an_image_keeps_its_middle() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    small = resized(x + 2 * y, (32, 32))
    assert small.shape == (32, 32)
    assert small[16, 16] == pytest.approx(32.5 * 3, abs=0.01)
