from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.losses.shape_aware import class_ratio, shape_aware_weight, weighted_mean
from unfade.ops.distance import FAR_PX, boundary_distance, outline


def square() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 7
    return labels


def test_the_outline_is_the_objects_own() -> None:
    edge = outline(square())
    assert edge.sum() == 36
    assert not edge[4, 5]
    assert edge[5, 5]


def test_the_edge_of_the_image_is_no_outline() -> None:
    labels = np.ones((6, 6), np.int32)
    assert not outline(labels).any()
    assert (boundary_distance(labels) == FAR_PX).all()


def test_touching_cells_have_an_outline_between_them() -> None:
    labels = np.ones((6, 6), np.int32)
    labels[:, 3:] = 2
    assert outline(labels)[0].tolist() == [False, False, True, True, False, False]


def test_weights_of_drawn_pixels() -> None:
    labels = square()
    inside = torch.from_numpy(labels > 0)
    weight = shape_aware_weight(torch.from_numpy(boundary_distance(labels)), inside, class_ratio(inside[None])[0])
    assert weight[5, 9] == pytest.approx(3 + 10)  # 300 background pixels for 100 of the cell
    assert weight[9, 9] == pytest.approx(3 + 10 * np.exp(-16 / 50))
    assert weight[2, 9] == pytest.approx(1 + 10 * np.exp(-9 / 50))


def test_the_ratio_is_limited() -> None:
    sliver = torch.zeros(1, 50, 50)
    sliver[0, 0, 0] = 1
    assert class_ratio(sliver).item() == 100
    assert class_ratio(sliver, most=5000.0).item() == 2499
    assert class_ratio(torch.zeros(2, 4, 4)).tolist() == [16, 16]


def test_the_weighted_mean_is_one_of_weights() -> None:
    assert weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 1.0])).item() == pytest.approx(2.0)
