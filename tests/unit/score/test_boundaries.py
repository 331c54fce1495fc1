"""Distances between outlines and Dice near them: drawn cases, other libraries, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff
from skimage.metrics import hausdorff_distance
from skimage.segmentation import find_boundaries

from unfade.errors import ShapeError
from unfade.score.boundaries import (
    boundary,
    boundary_dice,
    boundary_dice_canny,
    boundary_distances,
    hausdorff,
    hausdorff_95,
    instance_edges,
    score_boundaries,
    surface_distance,
)

MASK = arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8)))
PAIR = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(lambda s: st.tuples(arrays(bool, s), arrays(bool, s)))


def square(y: int, x: int, size: int, shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    image = np.zeros(shape, np.int32)
    image[y : y + size, x : x + size] = 1
    return image


def disc(y: float, x: float, radius: float, label: int = 1) -> np.ndarray:
    rows, columns = np.ogrid[:80, :90]
    return ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2) * np.int32(label)


def test_boundary_of_a_square_is_its_frame() -> None:
    seen = boundary(square(2, 3, 4))
    assert seen.sum() == 12
    assert not seen[3:5, 4:6].any()
    assert boundary(np.ones((3, 5), bool)).sum() == 12  # the edge of the image is an outline too


@given(MASK)
@settings(deadline=None)
def test_boundary_is_what_erosion_takes(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(boundary(mask), mask & ~ndimage.binary_erosion(mask))


def test_shifted_square() -> None:
    a, b = square(5, 5, 10), square(5, 9, 10)
    assert hausdorff(a, b) == 4
    forth, back = boundary_distances(a, b)
    assert len(forth) == len(back) == 36
    assert surface_distance(a, b) == pytest.approx((forth.sum() + back.sum()) / 72)


def test_outlines_count_and_not_all_pixels() -> None:
    """A hole: every pixel of the full square is near the ring, but the outline of the hole is far from its outline."""
    full = square(10, 10, 15)
    ring = full - square(15, 15, 5)
    assert hausdorff(ring, full) == 4
    assert hausdorff_distance(ring, full) == 3


def test_stray_pixel_moves_hausdorff_alone() -> None:
    truth = square(5, 5, 10)
    found = truth.copy()
    found[35, 35] = 1
    assert hausdorff(found, truth) == pytest.approx(math.hypot(21, 21))
    assert hausdorff_95(found, truth) == 0


def test_empty_masks() -> None:
    none, some = np.zeros((40, 40), bool), square(3, 3, 5)
    assert hausdorff(none, none) == hausdorff_95(none, none) == surface_distance(none, none) == 0
    for measure in (hausdorff, hausdorff_95, surface_distance):
        assert measure(none, some) == measure(some, none) == math.inf


@given(PAIR)
@settings(max_examples=150, deadline=None)
def test_distances_equal_their_definition_and_other_libraries(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    assert hausdorff(a, b) == pytest.approx(hausdorff_distance(boundary(a), boundary(b)), abs=1e-9)
    if a.any() and b.any():
        points_a, points_b = np.argwhere(boundary(a)), np.argwhere(boundary(b))
        forth, back = cdist(points_a, points_b).min(axis=1), cdist(points_b, points_a).min(axis=1)
        plain = max(directed_hausdorff(points_a, points_b)[0], directed_hausdorff(points_b, points_a)[0])
        assert hausdorff(a, b) == pytest.approx(plain, abs=1e-9)
        assert hausdorff_95(a, b) == pytest.approx(max(np.percentile(forth, 95), np.percentile(back, 95)), abs=1e-9)
        assert surface_distance(a, b) == pytest.approx(np.concatenate([forth, back]).mean(), abs=1e-9)


@given(PAIR)
@settings(deadline=None)
def test_distances_are_symmetric_zero_on_themselves_and_ordered(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    for measure in (hausdorff, hausdorff_95, surface_distance):
        assert measure(a, b) == pytest.approx(measure(b, a))
        assert measure(a, a) == 0
    assert hausdorff_95(a, b) <= hausdorff(a, b)
    assert surface_distance(a, b) <= hausdorff(a, b)


@given(PAIR, st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_a_wider_image_changes_nothing(pair: tuple[np.ndarray, np.ndarray], before: int, after: int) -> None:
    a, b = pair
    wide_a, wide_b = (np.pad(mask, ((before, after), (after, before))) for mask in pair)
    for measure in (hausdorff, hausdorff_95, surface_distance):
        assert measure(wide_a, wide_b) == pytest.approx(measure(a, b))


def test_growing_shift_never_brings_outlines_nearer() -> None:
    truth = square(12, 5, 12)
    values = [[m(square(12, 5 + k, 12), truth) for k in range(10)] for m in (hausdorff, hausdorff_95, surface_distance)]
    assert all(np.all(np.diff(row) >= 0) and row[-1] > row[0] for row in values)


@given(arrays(np.int32, (6, 7), elements=st.integers(0, 3)))
@settings(deadline=None)
def test_instance_edges_are_thick_boundaries(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(instance_edges(labels), find_boundaries(labels, connectivity=1, mode="thick"))


def test_boundary_dice_of_a_drawn_case() -> None:
    truth = square(10, 10, 20)
    assert boundary_dice(truth, truth) == 1
    band = np.zeros((40, 40), bool)
    band[6:34, 6:34] = True  # edges at 9..10 and 29..30, three pixels on both sides
    band[14:26, 14:26] = False
    found = square(12, 12, 16)
    expected = 2 * (found & truth & band).sum() / ((found & band).sum() + (truth & band).sum())
    assert boundary_dice(found, truth) == pytest.approx(expected)
    assert boundary_dice(found, truth) < 2 * 256 / (256 + 400)  # stricter than Dice of the whole


def test_boundary_dice_does_not_look_inside() -> None:
    truth = square(5, 5, 30)
    holed = truth.copy()
    holed[15:25, 15:25] = 0
    assert boundary_dice(holed, truth) == 1
    assert boundary_dice(holed, truth, size=25) < 1


def test_touching_objects_have_a_band_between_them() -> None:
    truth = square(10, 5, 15) + 2 * square(10, 20, 15)
    gap = np.where(np.arange(40) == 20, 0, truth > 0)
    narrow = (slice(11, 24), slice(15, 26))  # rows inside, away from the outer edges
    assert instance_edges(truth)[narrow].sum() == 26
    assert boundary_dice(gap, truth) < 1
    assert boundary_dice_canny(gap, truth) > boundary_dice(gap, truth)


def test_canny_band_follows_the_outline() -> None:
    truth, found = disc(40, 40, 20), disc(40, 44, 20)
    assert boundary_dice_canny(truth, truth) == 1
    seen, other = boundary_dice_canny(found, truth), boundary_dice(found, truth)
    assert 0.5 < seen < 2 * ((found > 0) & (truth > 0)).sum() / ((found > 0).sum() + (truth > 0).sum())
    assert seen == pytest.approx(other, abs=0.05)


def test_boundary_dice_without_edges_is_not_defined() -> None:
    none = np.zeros((9, 9), int)
    assert math.isnan(boundary_dice(none, none))
    assert math.isnan(boundary_dice_canny(none, none))
    assert boundary_dice(none, square(2, 2, 4, (9, 9))) == 0


def test_scores_leave_out_what_has_no_distance() -> None:
    none, truth = np.zeros((40, 40), int), square(5, 5, 10)
    scores = score_boundaries([(square(5, 9, 10), truth), (none, truth), (truth, truth), (none, none)])
    assert scores["HD"].value == pytest.approx(4 / 3)
    assert [scores[name].count for name in scores] == [3, 3, 3, 3, 3]
    assert scores["Boundary Dice"].value == pytest.approx((1 + boundary_dice(square(5, 9, 10), truth)) / 3)
    assert score_boundaries([])["ASSD"].count == 0


@pytest.mark.parametrize("measure", [hausdorff, surface_distance, boundary_dice])
def test_bad_input_is_refused(measure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ShapeError):
        measure(square(1, 1, 2), square(1, 1, 2, (30, 40)))
    with pytest.raises(ShapeError):
        measure(square(1, 1, 2), square(1, 1, 2) * 1.0)
