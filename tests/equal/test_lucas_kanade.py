"""The quick Lucas-Kanade flow against that of scikit-image."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import optical_flow_ilk

from unfade.repair.lucas_kanade import iterative_flow, pyramid


@pytest.mark.parametrize("shape", [(90, 121), (33, 40), (20, 60)])
@pytest.mark.parametrize("warps", [1, 3])
def test_flow_equals_that_of_scikit_image(shape, warps):
    rng = np.random.default_rng(4)
    first = ndimage.gaussian_filter(rng.normal(size=shape), 2.0).astype(np.float32)
    second = ndimage.shift(first, (0.8, -1.3), order=3, mode="nearest").astype(np.float32)
    expected = optical_flow_ilk(first, second, radius=4, num_warp=warps)
    found = iterative_flow(pyramid(first), pyramid(second), 4, warps)
    assert np.abs(expected).max() > 0.5
    off = np.abs(found - expected)
    assert np.median(off) < 1e-4
    assert off.mean() < 1e-2  # where a window says little, the order of sums shows


def test_flat_images_do_not_move():
    flat = pyramid(np.zeros((50, 60), np.float32))
    assert np.abs(iterative_flow(flat, flat, 3, 2)).max() == 0
