from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unfade.augment.intensity import noise_only, textured, vary
from unfade.augment.spatial import Affine, draw_affine


def test_the_identity_gives_the_source() -> None:
    image = np.random.default_rng(0).random((2, 11, 15), np.float32)
    labels = np.arange(11 * 15, dtype=np.int32).reshape(1, 11, 15)
    same = Affine(((1.0, 0.0), (0.0, 1.0)), (5.0, 7.0), (11, 15))
    np.testing.assert_allclose(same.image(image), image, atol=1e-5)
    np.testing.assert_array_equal(same.labels(labels), labels)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 2.5))
def test_labels_move_with_the_pixels(seed: int, zoom: float) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :90]
    labels = ((np.hypot(y - 40, x - 45) < 18) * 70_001).astype(np.int32)
    drawn = draw_affine(rng, labels.shape, (64, 64), zoom)
    image = drawn.image((labels > 0).astype(np.float32)[None])[0]
    moved = drawn.labels(labels[None])[0]
    assert set(np.unique(moved)) <= {0, 70_001}  # never interpolated
    disagree = ((image > 0.5) != (moved > 0)).mean()
    assert disagree < 0.02


def test_zoom_is_pixels_of_the_crop_per_pixel_of_the_source() -> None:
    drawn = draw_affine(np.random.default_rng(1), (100, 100), (32, 32), 1.7, stretch=0.2)
    assert drawn.zoom == pytest.approx(1.7)


def test_intensity_leaves_shape_and_range() -> None:
    rng = np.random.default_rng(2)
    image = rng.random((1, 40, 40), np.float32)
    for _ in range(50):
        out = vary(rng, image)
        assert out.shape == image.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert out.min() >= -1
        assert out.max() <= 3


def test_noise_is_scaled_like_any_frame() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        low, high = np.percentile(noise_only(rng, (1, 64, 64)), (1.0, 99.8))
        assert low == pytest.approx(0, abs=0.02)
        assert 0.9 < high < 1.1 or high == low


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_texture_stays_inside_objects(seed: int) -> None:
    y, x = np.mgrid[:80, :90]
    labels = (np.hypot(y - 40, x - 45) < 18).astype(np.int32) * 7
    image = np.where(labels > 0, 0.8, 0.1).astype(np.float32)[None]
    before = image.copy()
    out = textured(np.random.default_rng(seed), image, labels)
    np.testing.assert_array_equal(image, before)
    assert out.shape == image.shape
    assert out.dtype == np.float32
    assert (out >= 0).all()
    far = np.hypot(y - 40, x - 45) > 24
    np.testing.assert_allclose(out[0][far], 0.1, rtol=1e-4)
    np.testing.assert_array_equal(textured(np.random.default_rng(seed), image, labels), out)


def test_texture_changes_most_objects_and_leaves_an_empty_frame() -> None:
    labels = np.kron(np.arange(1, 26, dtype=np.int32).reshape(5, 5), np.ones((16, 16), np.int32))
    image = np.full((1, 80, 80), 0.5, np.float32)
    spread = [textured(np.random.default_rng(n), image, labels)[0].std() for n in range(10)]
    assert np.mean(np.array(spread) > 0.02) > 0.8
    np.testing.assert_array_equal(textured(np.random.default_rng(0), image, np.zeros_like(labels)), image)
