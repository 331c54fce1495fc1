"""Masks and outlines: they move by parts of a pixel and do not wear off."""

import numpy as np
import pytest

from unfade.repair.shapes import Mask, Outline, averaged, blended, iou, masks, shared, touched, united

SIZE = (60, 70)


def disk(y, x, radius, shape=SIZE, fine=1):
    """Pixels more than half inside a disk; `fine` > 1 counts a pixel's parts."""
    step = (np.arange(fine) + 0.5) / fine - 0.5
    rows = (np.arange(shape[0])[:, None] + step).ravel()
    columns = (np.arange(shape[1])[:, None] + step).ravel()
    inside = np.hypot(rows[:, None] - y, columns[None] - x) < radius
    share = inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))
    return share > 0.5


def mask_of(image):
    return masks(image.astype(np.int32))[1]


def painted(outline, shape=SIZE):
    mask = outline.mask(shape)
    out = np.zeros(shape, bool)
    h, w = mask.inside.shape
    out[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w] = mask.inside
    return out


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def test_masks_keep_ids_that_skip():
    labels = np.zeros((9, 9), np.int32)
    labels[1:3, 1:4], labels[5:9, 6:9] = 7, 3
    found = masks(labels)
    assert sorted(found) == [3, 7]
    assert found[7].area == 6
    assert found[7].centroid == (1.5, 2.0)


def test_shared_pixels_of_moved_masks():
    a, b = Mask(0, 0, np.ones((4, 4), bool)), Mask(2, 2, np.ones((4, 4), bool))
    assert shared(a, b) == 4
    assert shared(a, b, 2, 2) == 16
    assert shared(a, b, 9, 0) == 0
    assert iou(a, b) == pytest.approx(4 / 28)


def test_touched_counts_pixels_by_object():
    labels = np.zeros((6, 6), np.int32)
    labels[0:3, 0:3], labels[4, 4] = 2, 9
    assert touched(Mask(1, 1, np.ones((4, 4), bool)), labels) == {2: 4, 9: 1}


def test_an_outline_gives_its_mask_back():
    image = disk(20.3, 30.8, 8.2)
    assert (painted(Outline.of(mask_of(image))) == image).all()


def test_small_steps_add_up():
    outline = Outline.of(mask_of(disk(20, 20, 8.3, fine=8)))
    for _ in range(30):
        outline = outline.shifted(0.25, 0.4)
    assert overlap(painted(outline), disk(27.5, 32, 8.3, fine=8)) > 0.93


def test_small_flows_add_up_and_do_not_wear_the_mask_off():
    flow = np.stack([np.full(SIZE, -0.3, np.float32), np.full(SIZE, 0.2, np.float32)])
    outline = Outline.of(mask_of(disk(20, 40, 9)))
    for _ in range(30):
        outline = outline.warped(flow)
    assert overlap(painted(outline), disk(29, 34, 9)) > 0.95


def test_true_flow_moves_a_mask_to_the_truth():
    """A smooth deformation of an object of over 1,000 px, truth rendered eight times finer."""
    shape, fine = (96, 96), 8
    step = (np.arange(fine) + 0.5) / fine - 0.5
    axis = (np.arange(shape[0])[:, None] + step).ravel()
    y, x = np.meshgrid(axis, axis, indexing="ij")

    def flow_at(y, x):
        return 3 * np.sin(x / 14) + 2.3, 2.5 * np.cos(y / 17) - 1.4

    def inside(y, x):
        return np.hypot((y - 48) / 1.2, x - 46) < 20 + 2 * np.cos(3 * np.arctan2(y - 48, x - 46))

    def rendered(hit):
        return hit.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3)) > 0.5

    source = rendered(inside(y, x))
    dy, dx = flow_at(y, x)
    target = rendered(inside(y + dy, x + dx))
    assert target.sum() > 1000
    rows, columns = np.indices(shape).astype(float)
    moved = Outline.of(mask_of(source)).warped(np.stack(flow_at(rows, columns)).astype(np.float32))
    assert overlap(painted(moved, shape), target) > 0.97
    assert overlap(source, target) < 0.85


def test_scaling_keeps_the_place():
    outline = Outline.of(mask_of(disk(30, 33, 8))).scaled(1.25)
    assert overlap(painted(outline), disk(30, 33, 10)) > 0.96
    assert outline.centroid == pytest.approx((30, 33), abs=0.1)


def test_union_is_that_of_the_masks():
    a, b = disk(20, 20, 7), disk(24, 29, 6)
    both = united(Outline.of(mask_of(a)), Outline.of(mask_of(b)))
    assert (painted(both) == (a | b)).all()


def test_blend_lies_between_in_place_and_size():
    a, b = Outline.of(mask_of(disk(20, 20, 6))), Outline.of(mask_of(disk(28, 40, 10)))
    between = painted(blended(a, b, 0.25))
    assert overlap(between, disk(22, 25, 7)) > 0.93
    assert (painted(blended(a, b, 0.0)) == disk(20, 20, 6)).all()


def test_average_follows_the_surer_mask():
    a, b = disk(25, 25, 10), disk(25, 31, 6)
    first, second = Outline.of(mask_of(a)), Outline.of(mask_of(b))
    sure_first = painted(averaged(first, second, 0.9, 0.1))
    assert (sure_first == a).all()
    sure_second = painted(averaged(first, second, 0.1, 0.9))
    assert (sure_second == b).all()


def test_out_of_view_has_no_pixels():
    outline = Outline.of(mask_of(disk(20, 20, 6))).shifted(-60, 0)
    assert outline.mask(SIZE).area == 0
