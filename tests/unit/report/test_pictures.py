"""PNG, contrast and outlines."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.image import imread
from numpy.typing import NDArray

from tests.unit.report.small import stack
from unfade.report import pictures
from unfade.report.content import Snapshot
from unfade.report.pictures import QUARTER, contrast, crop, cut, grey, outlines, picture, png, spread


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 1), (40, 33)])
def test_png_is_read_back_exactly(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    back = imread(BytesIO(png(pixels)), format="png")
    assert np.array_equal(np.rint(back * 255).astype(np.uint8), pixels)


def test_grey_stretches_cuts_and_survives_what_is_not_finite() -> None:
    image = np.array([[0.0, 10.0, 15.0, 20.0, 99.0, np.nan, np.inf, -np.inf]])
    assert grey(image, (10.0, 20.0)).tolist() == [[0, 0, 128, 255, 255, 0, 255, 0]]
    assert grey(np.full((2, 2), 7), (7.0, 7.0)).tolist() == [[0, 0], [0, 0]]


def test_contrast_is_one_for_all_frames() -> None:
    dim, bright = np.full((20, 20), 5.0), np.full((20, 20), 80.0)
    dim[0, 0] = np.nan
    assert contrast([dim, bright]) == (5.0, 80.0)
    assert contrast([np.full((3, 3), np.nan)]) == (0.0, 0.0)
    assert contrast([]) == (0.0, 1.0)


def loops(path: str) -> list[NDArray[np.float64]]:
    """Corners of every loop of a path in pixels, x and y."""
    found = []
    for loop in re.findall(r"M[^z]*z", path):
        numbers = np.array([int(n) for n in re.findall(r"-?\d+", loop)]).reshape(-1, 2)
        found.append(np.cumsum(numbers, axis=0) / QUARTER)
    return found


def inside(corners: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside an odd number of loops."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    odd = np.zeros(shape, bool)
    for loop in corners:
        for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            if y0 != y1:
                crosses = (y >= min(y0, y1)) & (y < max(y0, y1))
                odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd


@given(arrays(np.int32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 3)))
def test_outlines_enclose_exactly_their_object(labels: NDArray[np.int32]) -> None:
    found = outlines(labels)
    assert [line.track for line in found] == np.unique(labels[labels > 0]).tolist()
    for line in found:
        assert np.array_equal(inside(loops(line.path), labels.shape), labels == line.track)


def test_outline_of_a_square_has_its_eight_corners_and_lies_inside() -> None:
    labels = np.zeros((6, 7), np.uint16)
    labels[1:5, 2:6] = 300
    (line,) = outlines(labels)
    (corners,) = loops(line.path)
    assert line.track == 300
    assert len(corners) == 8
    assert corners.min(axis=0).tolist() == [2.25, 1.25]
    assert corners.max(axis=0).tolist() == [5.75, 4.75]


def test_touching_neighbours_keep_two_lines() -> None:
    left, right = outlines(np.array([[1, 1, 2, 2]]))
    assert max(c[:, 0].max() for c in loops(left.path)) < min(c[:, 0].min() for c in loops(right.path))


def test_large_images_are_shown_smaller_but_outlined_in_their_own_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LONGEST_PX", 30)
    image, labels = stack(1)
    shot = picture(Snapshot(0, image[0], labels[0]), (0.0, 1000.0))
    assert (shot.width, shot.height) == (80, 48)
    assert imread(BytesIO(b64decode(shot.png.partition(",")[2])), format="png").shape == (16, 26)
    assert max(c[:, 0].max() for line in shot.outlines for c in loops(line.path)) > 60
    thin = pictures._thinned(np.arange(24.0).reshape(4, 6), 3)
    assert thin.tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]


def test_crops_stay_in_the_frame_and_show_their_object() -> None:
    image, labels = stack()
    found = crop(image[0], labels[0], 1, (14.0, 10.0), side=20)
    assert found is not None
    assert found.image.shape == (20, 20)
    assert np.array_equal(found.mask, labels[0][4:24, 0:20] == 1)
    low = crop(image[0], labels[0], 6, (47.0, 79.0), side=20)
    assert low is not None
    assert np.array_equal(low.image, image[0][28:48, 60:80])
    assert crop(image[0], labels[0], 77, (14.0, 10.0)) is None


def test_cut_reads_every_frame_once_and_keeps_the_places_of_the_rows() -> None:
    image, labels = stack()
    table = pd.DataFrame(
        {
            "frame": [3, 0, 3, 1],
            "track": [1, 2, 99, 3],
            "reason": ["small", "small", "gap", "gap"],
            "y_px": [14.0, 14.0, 14.0, np.nan],
            "x_px": [13.0, 37.0, 13.0, 3.0],
        },
        index=[7, 7, 8, 9],
    )
    read: list[int] = []

    def frame(t: int) -> NDArray[np.uint16]:
        read.append(t)
        return image[t]

    found = cut(table, frame, lambda t: labels[t])
    assert sorted(read) == [0, 1, 3]
    assert [c is not None for c in found] == [True, True, False, False]
    assert found[1] is not None
    assert found[1].mask.sum() == (labels[0] == 2).sum()
    assert [c is not None for c in cut(table, frame, lambda t: labels[t], most=1)] == [True, False, False, False]
    assert cut(table.drop(columns="y_px"), frame, lambda t: labels[t]) == (None,) * 4


@pytest.mark.parametrize(("frames", "expected"), [(0, []), (1, [0]), (3, [0, 1, 2]), (27, [0, 9, 17, 26])])
def test_spread(frames: int, expected: list[int]) -> None:
    assert spread(frames) == expected
