"""One affine map for a whole picture, found below a pixel and beside nuclei that fade."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unfade.repair.whole_picture import WholePicture

TURN = np.array([[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]])
STRETCH = np.array([[1.03, 0.02], [0.0, 0.98]])


def pictures(matrix: np.ndarray, shift: tuple[float, float], shape: tuple[int, int] = (120, 150)):
    """A picture, the same turned and shifted about its middle, and the true flow from the second to the first."""
    rng = np.random.default_rng(1)
    wide = ndimage.gaussian_filter(rng.normal(size=(shape[0] + 80, shape[1] + 80)), 3.0) * 100 + 50
    middle = (np.array(shape) - 1) / 2
    inverse = np.linalg.inv(matrix)
    grid = np.indices(shape).reshape(2, -1) - (middle + shift)[:, None]
    source = (inverse @ grid + middle[:, None]).reshape(2, *shape)
    second = ndimage.map_coordinates(wide, source + 40, order=3)
    return wide[40:-40, 40:-40], second, source - np.indices(shape)


@pytest.mark.parametrize("matrix", [np.eye(2), TURN, STRETCH, TURN @ STRETCH])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.3, -4.6)])
def test_the_flow_is_that_of_the_picture(matrix: np.ndarray, shift: tuple[float, float]) -> None:
    first, second, true = pictures(matrix, shift)
    found = WholePicture(18.0).between(second, first)
    assert found.shape == (2, 120, 150)
    assert np.abs(found - true).max() < 0.2


def test_nuclei_that_vanish_do_not_mislead() -> None:
    first, second, true = pictures(TURN, (1.0, 0.0))
    y, x = np.mgrid[:120, :150]
    for cy, cx in ((40, 40), (70, 100), (90, 50)):
        first = first + 60 * (np.hypot(y - cy, x - cx) < 9)
    assert np.abs(WholePicture(18.0).between(second, first) - true).max() < 0.6


def test_flat_and_unlike_pictures_do_not_fail() -> None:
    rng = np.random.default_rng(2)
    assert np.abs(WholePicture().between(np.ones((64, 64)), np.ones((64, 64)))).max() == 0
    noise = WholePicture().between(rng.normal(size=(64, 64)), rng.normal(size=(64, 64)))
    assert np.abs(noise).max() == 0  # nothing there that could have moved
    narrow = WholePicture(48.0).between(np.ones((20, 64)), rng.normal(size=(20, 64)))
    assert np.abs(narrow).max() == 0


def test_a_dark_noisy_frame_moves_nothing() -> None:
    first, *_ = pictures(np.eye(2), (0.0, 0.0))
    rng = np.random.default_rng(3)
    seen, dark = first + rng.normal(0, 2, first.shape), 0.01 * first + rng.normal(0, 5, first.shape)
    for pair in ((seen, dark), (dark, seen), (seen, first)):
        assert np.abs(WholePicture(24.0).between(*pair)).max() < 0.2


def turning(noise: float, seed: int = 4) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Noisy frames of cells that turn by a degree per frame, and the true maps from the first one."""
    rng = np.random.default_rng(seed)
    wide = np.maximum(ndimage.gaussian_filter(rng.normal(size=(180, 180)), 5.0), 0) * 800
    frames, maps = [], []
    for t in range(16):
        a = np.deg2rad(t)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        middle = np.array([59.5, 59.5])
        inverse = turn.T
        picture = ndimage.affine_transform(wide, inverse, middle + 30 - inverse @ middle, (120, 120), order=1)
        frames.append(picture + rng.normal(0, noise, picture.shape))
        matrix = np.eye(3)
        matrix[:2, :2], matrix[:2, 2] = turn, middle - turn @ middle
        maps.append(matrix)
    return frames, maps


@pytest.mark.parametrize(("noise", "far_px"), [(0.0, 0.3), (40.0, 0.6)])
def test_small_steps_add_up_also_in_noise(noise: float, far_px: float) -> None:
    frames, maps = turning(noise)
    motion = WholePicture(18.0)
    past, placed = motion.start(), np.eye(3)
    for frame in frames:
        placed = motion.next(past, frame).matrix @ placed
    corner = np.array([10.0, 10.0, 1.0])
    assert np.hypot(*(placed @ corner - maps[-1] @ corner)[:2]) < far_px


def test_a_frame_that_shows_something_else_is_a_shot_of_its_own() -> None:
    frames, maps = turning(5.0)
    rng = np.random.default_rng(6)
    motion = WholePicture(18.0)
    past, placed, shots = motion.start(), np.eye(3), []
    for t, frame in enumerate(frames):
        seen = np.abs(ndimage.gaussian_filter(rng.normal(size=(120, 120)), 5.0)) * 900 if t == 6 else frame
        found = motion.next(past, seen)
        placed = found.matrix @ placed
        shots.append(found.shot)
    assert shots == [0] * 6 + [1] + [0] * 9
    assert np.abs(placed - maps[-1])[:2, :2].max() < 0.01


def test_black_frames_do_not_take_the_past_away() -> None:
    frames, maps = turning(5.0)
    motion = WholePicture(18.0)
    past, placed, shots = motion.start(), np.eye(3), []
    for t, frame in enumerate(frames):
        found = motion.next(past, np.zeros_like(frame) if 5 <= t < 9 else frame)
        placed = found.matrix @ placed
        shots.append(found.shot)
    assert shots == [0] * 5 + [1, 2, 3, 4] + [0] * 7
    assert np.abs(placed - maps[-1])[:2, :2].max() < 0.01


def test_a_new_picture_begins_a_shot_once_it_stays() -> None:
    frames, _ = turning(5.0)
    other, _ = turning(5.0, seed=9)
    motion = WholePicture(18.0)
    past = motion.start()
    shots = [motion.next(past, frame).shot for frame in frames[:4] + other[:6]]
    assert shots[:4] == [0] * 4
    assert len(set(shots[4:7])) == 3
    assert len(set(shots[6:])) == 1


def test_large_nuclei_are_followed_on_a_coarser_picture() -> None:
    first, second, true = pictures(TURN, (3.0, 2.0))
    motion = WholePicture(48.0)
    assert motion.shrink == 4
    assert np.abs(motion.between(second, first) - true).max() < 0.5
