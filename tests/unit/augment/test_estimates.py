"""Estimates of previous masks: how far from the truth they are, and what makes them so."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.augment.estimates import (
    Distortion,
    dice_of,
    distort_objects,
    draw_distortion,
    draw_estimate,
    draw_estimates,
    draw_objects,
    moved_frame,
)

Y, X = np.mgrid[:96, :96]


def nucleus(rng: np.random.Generator) -> np.ndarray:
    """An ellipse of random size, place and direction."""
    a, b = rng.uniform(10, 16), rng.uniform(14, 24)
    cy, cx, turn = *rng.uniform(40, 56, 2), rng.uniform(0, np.pi)
    u, v = (Y - cy) * np.cos(turn) + (X - cx) * np.sin(turn), (X - cx) * np.cos(turn) - (Y - cy) * np.sin(turn)
    return np.asarray((u / a) ** 2 + (v / b) ** 2 < 1, np.float32)


def field(count: int = 5) -> np.ndarray:
    labels = np.zeros((96, 96), np.int32)
    for n in range(count * count):
        cy, cx = 10 + 19 * (n // count), 10 + 19 * (n % count)
        labels[((Y - cy) / 7) ** 2 + ((X - cx) / 6) ** 2 < 1] = 7 + 3 * n
    return labels


def test_the_mean_dice_of_500_estimates_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(500):
        mask = nucleus(rng)
        found.append(dice_of(draw_estimate(rng, mask).mask(mask), mask))
    assert np.mean(found) == pytest.approx(0.80, abs=0.02)
    assert 0.02 < np.std(found) < 0.1  # not one and the same Dice every time


def test_objects_of_a_field_are_each_that_far_from_the_truth() -> None:
    rng, labels = np.random.default_rng(1), field()
    found = [dice_of(distort_objects(rng, labels), labels > 0) for _ in range(20)]
    assert len(found) * len(np.unique(labels)[1:]) == 500
    assert np.mean(found) == pytest.approx(0.80, abs=0.02)


def test_objects_stay_where_they_are() -> None:
    rng, labels = np.random.default_rng(2), field()
    moved = distort_objects(rng, labels)
    for value in np.unique(labels)[1:]:
        cy, cx = np.argwhere(labels == value).mean(axis=0)
        assert moved[int(cy), int(cx)] == 1
    assert np.array_equal(distort_objects(rng, np.zeros((8, 8), np.int32)), np.zeros((8, 8)))


@pytest.mark.parametrize("dice", [0.75, 0.9])
def test_another_dice_can_be_asked_for(dice: float) -> None:
    rng = np.random.default_rng(3)
    mask = nucleus(rng)
    found = [dice_of(draw_estimate(rng, mask, dice).mask(mask), mask) for _ in range(20)]
    assert found == pytest.approx([dice] * 20, abs=0.03)


def test_the_reference_is_twice_as_far() -> None:
    rng = np.random.default_rng(4)
    near = draw_estimate(rng, nucleus(rng))
    far = near.stronger(2.0)
    assert (far.strength, far.angle, far.centre) == (2 * near.strength, near.angle, near.centre)
    shear = draw_distortion(rng, (0.0, 0.0))
    alone = type(shear)(0.0, 0.3, (0.0, 0.0), (48.0, 48.0))
    once, twice = (d.positions((96, 96))[1] - X for d in (alone, alone.stronger(2.0)))
    np.testing.assert_allclose(twice, 2 * once, atol=1e-3)
    turned = type(shear)(0.2, 0.0, (0.0, 0.0), (48.0, 48.0))
    matrix = turned.stronger(2.0).matrix()
    assert np.arctan2(matrix[1, 0], matrix[0, 0]) == pytest.approx(0.4)
    masks = [nucleus(rng) for _ in range(50)]
    drawn = [(draw_estimate(rng, mask), mask) for mask in masks]
    assert np.mean([dice_of(d.stronger(2.0).mask(m), m) for d, m in drawn]) < 0.70


def test_frame_and_mask_of_a_reference_move_together() -> None:
    rng = np.random.default_rng(5)
    for labels in (nucleus(rng), field()):
        seen, moved = draw_estimates(rng, labels, (labels > 0).astype(np.float32)[None])[1]
        assert dice_of(seen > 0.5, moved) > 0.97
        assert 0.3 < dice_of(moved, labels > 0) < 0.8


def test_a_nucleus_at_the_edge_is_mirrored_in_frame_and_mask_alike() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, :14] = 1
    turned = Distortion(0.0, 0.0, (0.4, 0.4), (32.0, 32.0))  # makes smaller: what lies outside comes in
    seen, moved = moved_frame(mask[None], mask, turned.positions(mask.shape))
    assert moved[32, 6] == 1
    assert np.mean((seen > 0.5) != (moved > 0)) < 0.01


def test_each_nucleus_of_a_reference_keeps_its_place() -> None:
    rng, labels = np.random.default_rng(7), field()
    far = draw_objects(rng, labels).stronger(2.0)
    at = far.positions()
    mask = moved_frame(np.zeros((1, 96, 96), np.float32), labels, at)[1]
    assert len(far.distortions) == 25
    for distortion in far.distortions:
        y, x = (round(c) for c in distortion.centre)
        assert np.abs(at[:, y, x] - (y, x)).max() < 2
        assert mask[y, x] == 1


def test_parts_of_a_label_that_do_not_touch_are_objects_of_their_own() -> None:
    labels = np.zeros((96, 96), np.int32)
    labels[10:30, 10:34] = labels[60:84, 64:80] = 5
    found = draw_objects(np.random.default_rng(8), labels)
    assert [tuple(np.round(d.centre)) for d in found.distortions] == [(20.0, 22.0), (72.0, 72.0)]


def test_where_nothing_is_there_is_nothing_to_distort() -> None:
    image = np.random.default_rng(0).random((1, 32, 32)).astype(np.float32)
    previous, reference = draw_estimates(np.random.default_rng(9), np.zeros((32, 32), np.int32), image)
    assert not previous.any()
    assert not reference[1].any()
    np.testing.assert_allclose(reference[0], image[0], atol=1e-5)


def test_no_strength_leaves_the_mask_as_it_is() -> None:
    rng = np.random.default_rng(6)
    mask = nucleus(rng)
    assert np.array_equal(draw_distortion(rng, (48.0, 48.0)).stronger(0.0).mask(mask), mask)
