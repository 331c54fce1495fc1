"""Embeddings in colours, and labels whose neighbours differ."""

from __future__ import annotations

import numpy as np

from unfade.report.embeddings import PALETTE, as_colours, neighbour_colours


def test_what_has_one_direction_has_one_colour_and_others_do_not() -> None:
    direction = np.zeros((2, 30, 30), int)
    direction[:, 2:10, 2:10], direction[:, 2:10, 15:25], direction[:, 15:25, 2:25] = 1, 2, 3
    length = np.random.default_rng(0).uniform(0.1, 9, (2, 1, 30, 30))
    shown = as_colours(np.moveaxis(np.eye(8)[direction], -1, 1) * length)
    assert shown.shape == (2, 30, 30, 3)
    assert shown.dtype == np.uint8
    each = [np.unique(shown[direction == k], axis=0) for k in range(4)]
    assert [len(colours) for colours in each] == [1, 1, 1, 1]
    assert len(np.unique(np.concatenate(each), axis=0)) == 4
    assert {int(shown.min()), int(shown.max())} == {0, 255}


def test_flat_embeddings_are_no_error() -> None:
    assert not as_colours(np.ones((1, 4, 5, 5))).any()


def test_neighbours_never_share_a_colour() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 120, (150, 2))
    far = [np.hypot(*(np.mgrid[:120, :120].T - point).T) for point in points]
    labels = (np.argmin(far, axis=0) * 7 + 3).astype(np.int32)[None]  # cells that fill the frame, ids with gaps
    shown = neighbour_colours(labels)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 6
    for axis in (1, 2):
        here, there = (np.take(labels, np.arange(119) + k, axis) for k in (0, 1))
        one, two = (np.take(shown, np.arange(119) + k, axis) for k in (0, 1))
        assert not ((here != there) & (one == two).all(axis=-1)).any()


def test_an_object_keeps_its_colour_and_background_is_black() -> None:
    labels = np.zeros((2, 20, 20), np.int32)
    labels[0, 2:8, 2:8], labels[1, 3:9, 4:10], labels[:, 2:8, 12:18] = 5, 5, 9
    shown = neighbour_colours(labels)
    assert not shown[labels == 0].any()
    for number in (5, 9):
        assert len(np.unique(shown[labels == number], axis=0)) == 1
        assert (PALETTE[1:] == shown[labels == number][0]).all(axis=1).any()
