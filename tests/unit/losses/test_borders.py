"""Drawn borders, their weights by hand, and the softmax that they weigh."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from unfade.losses.borders import border_weight, separated, weighted_softmax


def test_touching_objects_are_drawn_apart_and_others_stay() -> None:
    labels = np.zeros((12, 20), np.int32)
    labels[2:6, 2:6], labels[2:6, 6:10], labels[6:10, 10:14], labels[2:5, 15:18] = 1, 2, 3, 4
    found = separated(labels)
    expected = labels.copy()
    expected[2:6, 5:7] = 0
    expected[5, 9] = expected[6, 10] = 0  # they touch at a corner
    assert np.array_equal(found, expected)
    assert ndimage.label(found > 0, np.ones((3, 3)))[1] == 4


def test_unknown_pixels_are_no_objects() -> None:
    labels = np.array([[-1, -1, 5, 5, 0]], np.int32)
    assert np.array_equal(separated(labels), labels)
    assert not border_weight(labels)[0, :4].any()


def test_weights_between_two_objects() -> None:
    row = np.array([[1, 1, 0, 0, 0, 7, 7]], np.int32)
    found = border_weight(row, 10.0, 5.0)
    assert found[0, 2:5] == pytest.approx([10 * np.exp(-(4**2) / 50)] * 3)  # d1 + d2 is 4 on the way between them
    assert not found[row > 0].any()


def test_weights_equal_the_plain_distances() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((70, 90), np.int32)
    for number in range(1, 12):
        y, x = rng.integers(0, 60), rng.integers(0, 80)
        labels[y : y + 8, x : x + 7] = 3 * number
    far = np.sort([ndimage.distance_transform_edt(labels != n) for n in np.unique(labels[labels > 0])], axis=0)
    expected = np.where(labels == 0, 10 * np.exp(-((far[0] + far[1]) ** 2) / 50), 0)
    assert np.abs(border_weight(labels) - expected).max() < 10 * np.exp(-8)


def test_one_object_or_none_has_no_border() -> None:
    labels = np.zeros((9, 9), np.int32)
    assert not border_weight(labels).any()
    labels[3:6, 3:6] = 4
    assert not border_weight(labels).any()


def test_softmax_by_hand() -> None:
    labels = torch.tensor([[[[0, 0, 3, -1]]]])
    border = torch.tensor([[[[0.0, 4.0, 0.0, 0.0]]]])
    logits = torch.zeros(1, 1, 2, 1, 4)
    logits[0, 0, 1, 0, 1] = 2.0  # the second pixel is taken for foreground
    logits[0, 0, :, 0, 3] = torch.tensor([5.0, -9.0])  # unknown, does not count
    wrong = np.log(1 + np.exp(2))
    # weights 1 and 1 + 4 of the background, 2 background pixels over 1 of foreground = 2
    expected = (np.log(2) + 5 * wrong + 2 * np.log(2)) / 8
    assert float(weighted_softmax(logits, labels, border)) == pytest.approx(expected, rel=1e-6)


def test_without_known_background_objects_still_count() -> None:
    labels = torch.tensor([[[[-1, 2, 2, -1]]]])
    found = weighted_softmax(torch.zeros(1, 1, 2, 1, 4), labels, torch.zeros(1, 1, 1, 4))
    assert float(found) == pytest.approx(np.log(2))
