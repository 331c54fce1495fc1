"""Measurements equal their plain definitions: scikit-image for shapes, a search over all pixels for rings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import regionprops_table

from unfade.measure import Frame, MeasureSettings, ObjectMeasurer
from unfade.measure.intensity import intensities
from unfade.measure.regions import Regions
from unfade.measure.rings import rings

SIDES = st.tuples(st.integers(1, 14), st.integers(1, 14))
LABELS = SIDES.flatmap(lambda s: hnp.arrays(np.int32, s, elements=st.sampled_from([0, 0, 0, 7, 8, 12])))
NUMBERS = SIDES.flatmap(lambda s: hnp.arrays(np.int32, s, elements=st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3])))
TYPES = [np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.float32, np.int64, np.float64]
SAME = {
    "track": "label",
    "y_px": "centroid-0",
    "x_px": "centroid-1",
    "area_px": "area",
    "equivalent_diameter_px": "equivalent_diameter_area",
    "perimeter_px": "perimeter",
    "major_axis_px": "axis_major_length",
    "minor_axis_px": "axis_minor_length",
    "eccentricity": "eccentricity",
    "orientation_rad": "orientation",
    "box_y0_px": "bbox-0",
    "box_x0_px": "bbox-1",
    "box_y1_px": "bbox-2",
    "box_x1_px": "bbox-3",
    "mean_a": "intensity_mean",
    "std_a": "intensity_std",
    "max_a": "intensity_max",
}


def blobs(seed: int, shape: tuple[int, int] = (90, 120), count: int = 60, radius: float = 6) -> np.ndarray:
    """Discs that overlap and are cut by the border; ids start at 7 and skip."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for n in range(count):
        cy, cx = rng.uniform(-2, shape[0] + 2), rng.uniform(-2, shape[1] + 2)
        labels[(y - cy) ** 2 + ((x - cx) / rng.uniform(0.7, 1.4)) ** 2 <= rng.uniform(1, radius) ** 2] = 7 + 3 * n
    return labels


def slow_ring(place: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Nearest nucleus of every pixel in its ring, found by comparing every pixel with every nucleus pixel."""
    out = np.zeros(place.shape, np.int64)
    nuclei = np.argwhere(place > 0)
    for y, x in np.argwhere(place >= 0) if len(nuclei) else []:
        square = ((nuclei - (y, x)) ** 2).sum(axis=1)
        if inner**2 < square.min() <= outer**2:
            out[y, x] = place[tuple(nuclei[square == square.min()].T)].min()
    return out


def painted(place: np.ndarray, inner: float, outer: float) -> np.ndarray:
    groups = rings(place, 3 if place.size < 200 else int(place.max()), inner, outer)
    out = np.zeros(place.size, np.int64)
    assert len(np.unique(groups.pixel)) == len(groups.pixel)
    out[groups.pixel] = groups.owner + 1
    return out.reshape(place.shape)


@given(NUMBERS, st.sampled_from([0, 1, 1.5, 2]), st.sampled_from([1, 1.2, 3, 5]))
@settings(max_examples=150, deadline=None)
def test_rings_equal_a_search_over_all_nucleus_pixels(place: np.ndarray, inner: float, width: float) -> None:
    np.testing.assert_array_equal(painted(place, inner, inner + width), slow_ring(place, inner, inner + width))


@pytest.mark.parametrize(("inner", "outer"), [(1, 6), (0, 2.5), (3, 11), (10, 40)])
def test_rings_lie_where_the_distance_transform_says(inner: float, outer: float) -> None:
    place = Regions.of(blobs(1, (230, 700), 90)).place[1:-1, 1:-1]  # several strips
    distance, nearest = ndimage.distance_transform_edt(place == 0, return_indices=True)
    ring = painted(place, inner, outer)
    np.testing.assert_array_equal(ring > 0, (distance > inner) & (distance <= outer))
    owner = place[tuple(nearest)]
    assert np.all(ring[ring > 0] <= owner[ring > 0])  # the transform breaks ties another way
    assert np.mean(ring[ring > 0] == owner[ring > 0]) > 0.9
    np.testing.assert_array_equal(painted(place, inner, outer), painted(np.ascontiguousarray(place.T), inner, outer).T)


@given(LABELS, st.data())
@settings(max_examples=150, deadline=None)
def test_small_objects_measure_as_in_scikit_image(labels: np.ndarray, data: st.DataObject) -> None:
    image = data.draw(hnp.arrays(np.uint16, labels.shape, elements=st.integers(0, 60000)))
    compare_with_scikit_image(labels, image)


@pytest.mark.parametrize("seed", range(4))
def test_blobs_measure_as_in_scikit_image(seed: int) -> None:
    labels = blobs(seed)
    compare_with_scikit_image(labels, np.random.default_rng(seed).normal(100, 9, labels.shape).astype(np.float32))


def compare_with_scikit_image(labels: np.ndarray, image: np.ndarray) -> None:
    stage = ObjectMeasurer(MeasureSettings(), [(0, "a")])
    _, (rows,) = stage.push(stage.start(), Frame(0, image[None], labels))
    names = ["label", "centroid", "area", "equivalent_diameter_area", "perimeter", "axis_major_length"]
    names += ["axis_minor_length", "eccentricity", "orientation", "bbox"]
    if not labels.any():
        assert len(rows) == 0
        return
    names += ["intensity_mean", "intensity_std", "intensity_max"]
    slow = regionprops_table(labels, image.astype(np.float64), properties=names)
    longer = rows["major_axis_px"].to_numpy() - rows["minor_axis_px"].to_numpy() > 1e-6
    for ours, theirs in SAME.items():
        where = longer if ours == "orientation_rad" else slice(None)
        fast, wanted = rows[ours].to_numpy()[where], slow[theirs][where]
        if ours == "orientation_rad":  # π/2 and -π/2 are one direction
            fast, wanted = np.cos(2 * fast), np.cos(2 * wanted)
        if ours == "eccentricity":  # the root of a difference near 0
            fast, wanted = fast**2, wanted**2
        np.testing.assert_allclose(fast, wanted, rtol=1e-6, atol=1e-6, err_msg=ours)
    for place, track in enumerate(rows["track"]):
        assert rows["median_a"][place] == np.median(image[labels == track].astype(np.float64))
        assert rows["integrated_a"][place] == pytest.approx(image[labels == track].astype(np.float64).sum())


@pytest.mark.parametrize("dtype", TYPES)
def test_intensities_equal_numpy_for_every_type(dtype: type) -> None:
    labels = blobs(3)
    rng = np.random.default_rng(5)
    low = 0 if np.dtype(dtype).kind == "u" else -90
    image = rng.integers(low, 120, labels.shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        image = image + rng.normal(size=labels.shape).astype(dtype)
    regions = Regions.of(labels)
    found = intensities(image, regions.groups)
    for n, track in enumerate(regions.id):
        pixels = image[labels == track].astype(np.float64)
        assert found.median[n] == np.median(pixels)
        assert found.max[n] == pixels.max()
        assert found.mean[n] == pytest.approx(pixels.mean())
        assert found.std[n] == pytest.approx(pixels.std(), abs=1e-9)
        assert found.integrated[n] == pytest.approx(pixels.sum())
