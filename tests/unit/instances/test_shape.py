from __future__ import annotations

import numpy as np
import pytest

from unfade.instances.shape import Splitting, by_shape, closed_gap, encode_mask

Y, X = np.mgrid[:64, :96]


def discs(*centres: tuple[float, float], radius: float = 10.0) -> np.ndarray:
    return np.any([np.hypot(Y - cy, X - cx) < radius for cy, cx in centres], axis=0).astype(np.float32)


@pytest.mark.parametrize("distance", [15, 18, 25])
def test_discs_that_touch_come_apart_at_their_neck(distance: int) -> None:
    labels = by_shape(discs((30, 30), (30, 30 + distance)), Splitting())
    assert labels.max() == 2
    assert labels[30, 30] != labels[30, 30 + distance]
    assert np.array_equal(labels > 0, discs((30, 30), (30, 30 + distance)) > 0)
    middle = 30 + distance / 2
    assert (X[labels == labels[30, 30]] <= middle + 1).all()


def test_a_disc_and_an_ellipse_stay_whole() -> None:
    assert by_shape(discs((30, 30)), Splitting()).max() == 1
    ellipse = (((Y - 30) / 8) ** 2 + ((X - 40) / 20) ** 2 < 1).astype(np.float32)
    assert by_shape(ellipse, Splitting()).max() == 1


def test_necks_are_judged_by_the_setting() -> None:
    close = discs((30, 30), (30, 42))
    assert by_shape(close, Splitting(neck_px=0.3)).max() == 2
    assert by_shape(close, Splitting(neck_px=3.0)).max() == 1


def test_specks_and_pale_pixels_are_dropped() -> None:
    field = discs((30, 30))
    field[5:8, 80:83] = 1
    assert by_shape(field, Splitting(min_area_px=30)).max() == 1
    assert by_shape(field * 0.4, Splitting()).max() == 0
    assert by_shape(np.ones((8, 8)), Splitting()).max() == 1


def test_enlarged_maps_give_as_many_objects() -> None:
    field = discs((30, 30), (30, 48))
    large = np.kron(field, np.ones((3, 3)))
    assert by_shape(large, Splitting(), zoom=3.0).max() == by_shape(field, Splitting()).max() == 2


def test_a_gap_lies_between_touching_objects_only_and_is_closed_again() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25] = 900, 7
    mask = encode_mask(labels, gap=True)
    assert not mask[5:15, 14:16].any()
    assert mask[5:15, 5:14].all()
    assert mask[5:15, 16:25].all()
    assert np.array_equal(encode_mask(labels), labels > 0)
    found = by_shape(mask, Splitting())
    closed = closed_gap(found, np.where(mask > 0, 0.9, 0.3), 0.5)
    assert (closed[5:15, 5:25] > 0).all()
    assert len(np.unique(closed)) == 3
