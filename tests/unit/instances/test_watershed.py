from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unfade.datasets.stills import read_stills
from unfade.instances.components import by_components
from unfade.instances.watershed import MAPS, VOTE_PX, Grouping, by_distance, by_votes, encode
from unfade.ops.overlap import contingency


def discs(shape: tuple[int, int], centres: list[tuple[float, float]], radius: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.stack([np.hypot(y - a, x - b) for a, b in centres])
    return np.where(distance.min(0) <= radius, distance.argmin(0) + 1, 0).astype(np.int32)


def test_targets_of_a_square_are_those_drawn_by_hand() -> None:
    labels = np.zeros((7, 9), np.int32)
    labels[1:6, 2:7] = 9
    maps = encode(labels)
    assert maps.shape == (len(MAPS), 7, 9)
    np.testing.assert_array_equal(maps[0], labels > 0)
    np.testing.assert_allclose(maps[1, 3], [0, 0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0, 0], atol=1e-6)
    assert maps[2, 1, 4] == pytest.approx(2 / VOTE_PX)
    assert maps[3, 3, 6] == pytest.approx(-2 / VOTE_PX)
    assert maps[4].sum() == 0


def test_border_marks_where_two_objects_touch() -> None:
    labels = np.zeros((3, 6), np.int32)
    labels[:, 1:3], labels[:, 3:5] = 7, 12
    np.testing.assert_array_equal(encode(labels)[4, 1], [0, 0, 1, 1, 0, 0])


def test_the_edge_of_the_image_is_no_outline() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[:, :5] = 1
    assert encode(labels)[1, 4, 0] == 1.0  # deepest at the image's edge
    assert encode(np.ones((4, 4), np.int32))[1].min() == 1.0


@pytest.mark.parametrize("group", [by_votes, by_distance])
def test_touching_discs_come_back_apart(group) -> None:
    labels = discs((64, 64), [(30, 20), (30, 39), (47, 30)], 10)
    found = group(encode(labels), Grouping())
    assert contingency(found, labels).iou().max(1).min() > 0.9
    assert found.max() == 3


@pytest.mark.parametrize("group", [by_votes, by_distance])
def test_nothing_gives_nothing(group) -> None:
    assert group(np.zeros((5, 16, 16), np.float32), Grouping()).max() == 0


@pytest.mark.parametrize("zoom", [0.5, 3.0])
def test_grouping_follows_the_zoom(zoom: float) -> None:
    labels = discs((int(64 * zoom), int(96 * zoom)), [(30 * zoom, 25 * zoom), (30 * zoom, 46 * zoom)], 11 * zoom)
    maps = encode(labels)
    maps[2:4] /= zoom  # the network saw the discs at their usual size
    found = by_votes(maps, Grouping(), zoom)
    assert found.max() == 2
    assert contingency(found, labels).iou().max(1).min() > 0.9


def test_small_objects_are_dropped() -> None:
    maps = encode(discs((40, 40), [(10, 10), (30, 30)], 2))
    assert by_votes(maps, Grouping(min_area_px=5, votes_px=2)).max() == 2
    assert by_votes(maps, Grouping(min_area_px=50, votes_px=2)).max() == 0


def test_components_take_a_mask_apart_where_background_lies_between() -> None:
    probability = np.zeros((5, 9), np.float32)
    probability[1:4, 1:4], probability[1:4, 5:8] = 0.9, 0.6
    assert by_components(probability).max() == 2
    assert by_components(probability, 0.7).max() == 1
    assert by_components(probability, 0.5, min_area_px=10).max() == 0


def test_encode_decode_bound_on_real_stills(data_root: Path) -> None:
    """What is lost before any network errs: pooled AP of decoded truth at the resolution of the stills."""
    hits = total = close = 0
    for still in read_stills(data_root / "dsb2018", ("val",)):
        truth = still.labels[0]
        overlap = contingency(by_votes(encode(truth), Grouping(), min(1.0, still.diameter_px / 22)), truth)
        iou = overlap.sparse_iou()
        hits += int((iou > 0.5).sum())
        close += int((iou > 0.75).sum())
        total += len(overlap.ids_a) + len(overlap.ids_b)
    assert 2 * hits / total > 0.98
    assert 2 * close / total > 0.97
