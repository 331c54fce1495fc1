"""Embeddings to objects and back: ideal ones, noisy ones, windows, small pieces, ids over two frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import MeanShift
from sklearn.metrics import adjusted_rand_score

from unfade.errors import ShapeError
from unfade.instances.embedding import ClusterSettings, cluster, ideal
from unfade.instances.meanshift import mean_shift
from unfade.ops.overlap import contingency


def grid(side: int, pitch: int, gap: int = 2) -> np.ndarray:
    """Squares in a grid, the same in two frames."""
    labels = np.zeros((2, side, side), np.int32)
    for number, (y, x) in enumerate(np.ndindex(side // pitch, side // pitch), 1):
        labels[:, y * pitch : (y + 1) * pitch - gap, x * pitch : (x + 1) * pitch - gap] = number
    return labels


def separable(count: int, dimensions: int = 18, clusters: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around unit directions with small noise, and the cluster of each."""
    rng = np.random.default_rng(0)
    owner = rng.integers(clusters, size=count)
    vectors = np.eye(dimensions)[owner] + rng.normal(0, 0.03, (count, dimensions))
    return vectors.astype(np.float32), owner


SETTINGS = ClusterSettings(min_area_px=20, reach_px=14, fill_px=0)


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_truth_survives_ideal_embeddings(noise: float) -> None:
    labels = grid(48, 12)
    maps = ideal(labels, 16, 14) + np.random.default_rng(0).normal(0, noise, (2, 16, 48, 48))
    found = cluster(maps.astype(np.float32), SETTINGS)
    assert len(found) == 32
    iou = contingency(found.labels(), labels).iou()
    assert iou.shape == (16, 16)  # equal ids in both frames are one object
    assert iou.max(axis=0).min() > 0.98


def test_objects_of_one_direction_far_apart_are_two() -> None:
    labels = np.zeros((1, 40, 90), np.int32)
    labels[0, 5:35, 5:25] = labels[0, 5:35, 60:80] = 1
    maps = np.moveaxis(np.eye(4, dtype=np.float32)[labels], -1, 1)
    assert len(cluster(maps, SETTINGS)) == 2


def test_daughters_in_other_directions_are_new() -> None:
    direction = np.zeros((2, 40, 40), int)
    direction[0, 10:30, 10:30] = 1
    direction[1, 10:30, 10:19], direction[1, 10:30, 21:30] = 2, 3
    found = cluster(np.moveaxis(np.eye(4, dtype=np.float32)[direction], -1, 1), SETTINGS)
    assert found.frame.tolist() == [0, 1, 1]
    assert len(set(found.id.tolist())) == 3


def test_small_pieces_join_what_is_beside_them_or_go() -> None:
    direction = np.zeros((1, 40, 40), int)
    direction[0, 10:30, 10:30] = 1
    direction[0, 10:14, 30:32] = 2
    direction[0, 2:4, 2:4] = 3
    maps = np.moveaxis(np.eye(4, dtype=np.float32)[direction], -1, 1)
    kept, filled = (cluster(maps, SETTINGS.changed(fill_px=f)).labels()[0] for f in (0, 3))
    assert np.array_equal(kept > 0, direction[0] == 1)
    assert np.array_equal(filled > 0, (direction[0] == 1) | (direction[0] == 2))


def test_background_is_everything_along_the_first_direction_either_way() -> None:
    maps = np.zeros((1, 3, 8, 8), np.float32)
    maps[0, 0] = np.where(np.arange(8) < 4, 2.0, -0.5)
    assert len(cluster(maps, SETTINGS)) == 0


def test_a_frame_larger_than_a_window() -> None:
    labels = grid(320, 40)
    found = cluster(ideal(labels, 16, 45.0), ClusterSettings(min_area_px=100, reach_px=45))
    iou = contingency(found.labels(), labels).iou()
    assert iou.shape == (64, 64)
    assert iou.max(axis=0).min() == 1.0


def test_hdbscan_finds_the_same() -> None:
    labels = grid(48, 16)
    found = cluster(ideal(labels, 16, 20.0), SETTINGS.changed(method="hdbscan", reach_px=20))
    assert contingency(found.labels(), labels).iou().max(axis=0).min() == 1.0


def test_too_few_directions_are_told() -> None:
    with pytest.raises(ShapeError, match="neighbours in all 2 directions"):
        ideal(grid(48, 12), 3, 20.0)


def test_the_same_partition_as_scikit_learn() -> None:
    vectors, _ = separable(600)
    mine, modes = mean_shift(torch.from_numpy(vectors), 0.447)
    theirs = MeanShift(bandwidth=0.447).fit(vectors)
    assert adjusted_rand_score(theirs.labels_, mine.numpy()) == 1.0
    assert len(modes) == len(theirs.cluster_centers_)
    apart = np.linalg.norm(modes.numpy()[:, None] - theirs.cluster_centers_, axis=2)
    assert apart.min(axis=1).max() < 0.01


def test_more_vectors_than_are_drawn() -> None:
    vectors, owner = separable(20_000)
    mine, _ = mean_shift(torch.from_numpy(vectors), 0.447)
    assert adjusted_rand_score(owner, mine.numpy()) == 1.0


def test_nothing_to_cluster() -> None:
    mine, modes = mean_shift(torch.zeros(0, 18), 0.4)
    assert mine.shape == (0,)
    assert modes.shape == (0, 18)
