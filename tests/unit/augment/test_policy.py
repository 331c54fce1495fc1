from __future__ import annotations

import numpy as np
import pytest
import torch

from unfade.augment.policy import CHANCES, Policy, draw_policy, place, taken, tinted
from unfade.augment.spatial import Affine

STILL = Affine(((1.0, 0.0), (0.0, 1.0)), (31.5, 31.5), (64, 64))


def test_no_policy_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((1, 64, 64)).astype(np.float32)
    assert torch.equal(place(rng, STILL, Policy()), STILL.positions())
    assert np.array_equal(tinted(rng, image, Policy()), image)


@pytest.mark.parametrize("name", ["elastic", "perspective"])
def test_labels_move_with_the_image_and_are_never_mixed(name: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.zeros((1, 64, 64), np.int32)
    labels[0, 10:30, 12:34], labels[0, 36:54, 30:56] = 40_000, 70_001
    at = place(rng, STILL, Policy(**{name: 1.0}))
    image, moved = taken((labels > 0).astype(np.float32), labels, at)
    assert set(np.unique(moved)) == {0, 40_000, 70_001}
    assert not np.array_equal(moved, labels)
    assert np.mean((image > 0.5) != (moved > 0)) < 0.02


def test_what_shrinks_is_smoothed_first() -> None:
    lines = np.zeros((1, 128, 128), np.float32)
    lines[:, ::2] = 1  # as fine as can be
    small = Affine(((2.0, 0.0), (0.0, 2.0)), (63.0, 63.0), (48, 48))
    crop, _ = taken(lines, np.zeros((1, 128, 128), np.int32), small.positions(), small.zoom)
    assert np.ptp(crop) < 0.35
    assert np.array_equal(crop, small.image(lines))


def test_elastic_displacements_have_the_spread_asked_for() -> None:
    rng = np.random.default_rng(2)
    policy = Policy(elastic=1.0, elastic_px=2.0, elastic_grain_px=6.0)
    shift = np.stack([(place(rng, STILL, policy) - STILL.positions()).numpy() for _ in range(20)])
    assert shift.std() == pytest.approx(2.0, rel=0.1)
    assert np.abs(np.diff(shift, axis=-1)).max() < 1.5  # smooth


def test_perspective_keeps_straight_lines_straight_and_moves_the_corners() -> None:
    rng = np.random.default_rng(3)
    at = place(rng, STILL, Policy(perspective=1.0)).double()
    for y in (0, 31, 63):
        row = at[:, y]
        along = row[:, -1] - row[:, 0]
        off = (row - row[:, :1])[0] * along[1] - (row - row[:, :1])[1] * along[0]
        assert float(off.abs().max() / along.norm()) < 0.01
    corner = (at[:, 0, 0] - STILL.positions()[:, 0, 0]).abs()
    assert 0 < float(corner.max()) <= 0.15 * 64


@pytest.mark.parametrize("name", ["sharpen", "blur", "noise", "brightness", "contrast"])
def test_every_tint_does_what_its_name_says(name: str) -> None:
    rng = np.random.default_rng(4)
    image = np.full((1, 64, 64), 0.4, np.float32)
    image[0, 20:40, 20:40] = 0.8
    out = tinted(rng, image, Policy(**{name: 1.0}))
    edge = abs(float(out[0, 30, 40] - out[0, 30, 39]))
    inner = float(out[0, 30, 30] - out[0, 5, 5])
    expected = {
        "sharpen": edge > 0.45 and inner == pytest.approx(0.4, abs=1e-3),
        "blur": edge < 0.39 and inner == pytest.approx(0.4, abs=1e-3),
        "noise": float(out[0, :15].std()) > 0.001,
        "brightness": inner == pytest.approx(0.4, abs=1e-5) and abs(float(out[0, 5, 5]) - 0.4) > 1e-3,
        "contrast": abs(inner - 0.4) > 1e-3 and float(out.mean()) == pytest.approx(float(image.mean()), abs=1e-5),
    }
    assert expected[name]


def test_drawn_policies_differ_and_stay_in_range() -> None:
    rng = np.random.default_rng(5)
    drawn = [draw_policy(rng, most=0.5) for _ in range(30)]
    chances = np.array([[getattr(p, name) for name in CHANCES] for p in drawn])
    assert chances.max() <= 0.5
    assert (chances == 0).any(axis=0).all()
    assert (chances > 0).any(axis=0).all()
    assert len({tuple(row) for row in chances}) == 30
