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


def test_a_dark_noisy_frame_moves_nothing() -> None:
    first, *_ = pictures(np.eye(2), (0.0, 0.0))
    rng = np.random.default_rng(3)
    seen, dark = first + rng.normal(0, 2, first.shape), 0.01 * first + rng.normal(0, 5, first.shape)
    for pair in ((seen, dark), (dark, seen), (seen, first)):
        assert np.abs(WholePicture(24.0).between(*pair)).max() < 0.2


def test_large_nuclei_are_followed_on_a_coarser_picture() -> None:
    first, second, true = pictures(TURN, (3.0, 2.0))
    motion = WholePicture(48.0)
    assert motion.shrink == 4
    assert np.abs(motion.between(second, first) - true).max() < 0.5
