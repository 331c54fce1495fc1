"""Label spreading: a drawn case, the plain definition, its F1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from skimage.segmentation import expand_labels

from tests.unit.score.scenes import cells, renamed, shifted
from unfade.errors import ShapeError
from unfade.score.detection import Counts, count_objects
from unfade.score.spread import spread_f1, spread_labels

MASK = arrays(bool, (6, 7))
LABELS = arrays(np.int32, (6, 7), elements={"min_value": 0, "max_value": 3})


def test_a_drawn_case() -> None:
    truth = np.array([[7, 7, 0, 0, 0, 9, 9, 4]])
    mask = np.array([[1, 1, 1, 0, 1, 1, 1, 0]])
    assert spread_labels(mask, truth).tolist() == [[7, 7, 7, 0, 9, 9, 9, 0]]


@given(MASK, LABELS)
@settings(max_examples=150, deadline=None)
def test_every_pixel_takes_a_nearest_shared_one(mask: np.ndarray, truth: np.ndarray) -> None:
    spread = spread_labels(mask, truth)
    shared = np.argwhere(mask & (truth > 0))
    assert not spread[~mask].any()
    if len(shared) == 0:
        assert not spread.any()
        return
    for pixel in np.argwhere(mask):
        distance = ((shared - pixel) ** 2).sum(axis=1)
        near = shared[distance == distance.min()]
        assert spread[tuple(pixel)] in truth[near[:, 0], near[:, 1]]


def test_equals_expanding_labels_where_nothing_ties() -> None:
    truth = cells(8)
    mask = shifted(truth, 2, 1) > 0
    other = expand_labels(np.where(mask, truth, 0), 200) * mask
    assert (spread_labels(mask, truth) != other).mean() < 0.001


def test_the_true_mask_is_perfect_and_ids_do_not_matter() -> None:
    truth = renamed(cells(2), 5)
    np.testing.assert_array_equal(spread_labels(truth > 0, truth), truth)
    figure = spread_f1([(truth > 0, truth)])
    assert (figure.value, figure.count) == (1, 12)
    assert figure.how["uses the truth"] is True


def test_f1_is_pooled_and_strict() -> None:
    none = np.zeros((96, 112), np.int32)
    truth = [cells(1), cells(2), none]
    mask = [shifted(truth[0], 4, 4) > 0, none > 0, none == 0]
    total = count_objects(spread_labels(mask[0], truth[0]), truth[0], 0.5, strict=True) + Counts(fn=12)
    figure = spread_f1(zip(mask, truth, strict=True))
    assert figure.value == total.f1()
    assert figure.count == 24
    half = np.array([[1, 1, 0, 0]])
    assert spread_f1([(half >= 0, half)]).value == 0  # IoU is exactly 0.5


@pytest.mark.parametrize(
    ("mask", "truth"), [(np.ones((2, 3), bool), np.ones((3, 2), int)), (np.ones((2, 2)), np.ones((2, 2), int))]
)
def test_bad_input_is_refused(mask: np.ndarray, truth: np.ndarray) -> None:
    with pytest.raises(ShapeError):
        spread_labels(mask, truth)
