"""Masks that follow the picture lose no fractions of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.predict.following import depth_of, moved, renewed

Y, X = np.mgrid[:40, :60]


def disc(y: float, x: float, radius: float = 8.0) -> np.ndarray:
    return np.hypot(Y - y, X - x) < radius


class Steady:
    """Everything moves by the same step."""

    def __init__(self, dy: float, dx: float) -> None:
        self.flow = np.zeros((2, 40, 60), np.float32) - np.array([dy, dx], np.float32)[:, None, None]

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return self.flow


def test_small_steps_add_up() -> None:
    depth = depth_of(disc(20, 15))
    frame, whole = np.zeros((40, 60)), depth
    for _ in range(40):
        depth = moved(depth, frame, frame, Steady(0.0, 0.3))
        depth = renewed(depth, depth < 0)  # a network that draws what it was shown, in whole pixels
        whole = depth_of(moved(whole, frame, frame, Steady(0.0, 0.3)) < 0)  # kept in whole pixels instead
    true = disc(20, 27)
    assert ((depth < 0) & true).sum() / ((depth < 0) | true).sum() > 0.93
    assert ((whole < 0) & true).sum() / ((whole < 0) | true).sum() < 0.5  # it stays behind


def test_what_is_drawn_anew_replaces_what_was() -> None:
    depth = depth_of(disc(20, 15))
    both = disc(20, 15) | disc(20, 45, 5.0)
    out = renewed(depth, both)
    assert np.array_equal(out < 0, both)
    assert np.array_equal(out[:, :20], depth[:, :20])
    assert np.array_equal(renewed(depth, np.zeros_like(both)) < 0, np.zeros_like(both))


@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_masks_have_a_depth(value: bool) -> None:
    depth = depth_of(np.full((5, 6), value))
    assert np.isfinite(depth).all()
    assert ((depth < 0) == value).all()
