"""Motion between frames: flows that a change of brightness does not mislead, drift, and carrying."""

import numpy as np
import pytest
from scipy import ndimage

from unfade.registry import load
from unfade.repair.motion import Carrier, IterativeLucasKanade, Own, TotalVariation, drift_between
from unfade.repair.shapes import Mask, Outline


@pytest.fixture(scope="module")
def texture():
    rng = np.random.default_rng(3)
    return ndimage.gaussian_filter(rng.normal(size=(150, 160)), 2.0) * 500 + 1000


def moved(image, dy, dx):
    return ndimage.shift(image, (dy, dx), order=3, mode="nearest")


@pytest.mark.parametrize("kind", [IterativeLucasKanade, TotalVariation])
@pytest.mark.parametrize("gain", [1.0, 0.4])
def test_a_shift_is_found_also_when_the_light_fades(texture, kind, gain):
    flow = kind(18.0).between(texture, gain * moved(texture, 1.6, -2.3) + 30)
    assert flow.shape == (2, *texture.shape)
    inner = flow[:, 30:-30, 30:-30]
    assert np.hypot(inner[0] - 1.6, inner[1] + 2.3).mean() < 0.6


def test_no_texture_no_motion():
    flow = IterativeLucasKanade(18.0).between(np.full((70, 80), 5.0), np.full((70, 80), 9.0))
    assert np.abs(flow).max() < 1e-3


def test_sides_that_fit_no_block(texture):
    flow = IterativeLucasKanade(18.0).between(texture[:101, :95], moved(texture, 2.0, 2.0)[:101, :95])
    assert flow.shape == (2, 101, 95)
    assert flow[:, 30:-30, 30:-30].mean(axis=(1, 2)) == pytest.approx([2.0, 2.0], abs=0.5)


def test_drift_is_found_and_noise_is_not_drift(texture):
    rng = np.random.default_rng(0)
    assert drift_between(texture[20:-20, 20:-20], moved(texture, 7, -11)[20:-20, 20:-20]) == (7, -11)
    assert drift_between(rng.normal(size=(80, 90)), rng.normal(size=(80, 90))) == (0, 0)
    assert drift_between(texture, texture) == (0, 0)


class Constant:
    """A flow that is the same everywhere, and how often it was asked for."""

    def __init__(self, dy, dx):
        self.flow, self.calls = (dy, dx), 0

    def between(self, first, second):
        self.calls += 1
        return np.stack([np.full(first.shape, v, np.float32) for v in self.flow])


BOX = Mask(20, 30, np.ones((8, 10), bool))


@pytest.mark.parametrize("warp", ["flow", "mean-flow"])
def test_masks_follow_the_flow(warp):
    motion, blank = Constant(3.0, -2.0), np.zeros((60, 60))
    step = Carrier(warp, motion).between(blank, blank)
    outline = step.carry(Outline.of(BOX))
    assert outline.centroid == pytest.approx((20.5, 36.5), abs=0.05)
    step.carry(Outline.of(BOX))
    assert motion.calls == 1  # one flow serves all objects of a frame


def test_shift_and_scale_give_the_place_and_area_of_the_own_mask():
    step = Carrier("shift", None).between(np.zeros((60, 60)), np.zeros((60, 60)))
    own = Own((23.5, 34.5, 80.0), (30.0, 20.0, 160.0))
    outline = step.carry(Outline.of(BOX), lambda: own)
    assert outline.centroid == pytest.approx((30, 20), abs=0.2)
    assert outline.area == pytest.approx(160, rel=0.1)


def test_without_a_mask_of_its_own_only_drift_moves_it(texture):
    source, target = moved(texture, 6, 0)[20:-20, 20:-20], texture[20:-20, 20:-20]
    step = Carrier("shift", None).between(target, source)
    assert step.drift_px == (6, 0)
    assert step.carry(Outline.of(BOX)).centroid == pytest.approx((17.5, 34.5))
    assert Carrier("none", None).between(target, source).carry(Outline.of(BOX)).centroid == (23.5, 34.5)


def test_drift_is_taken_off_before_the_flow_and_put_back(texture):
    source, target = moved(texture, 9, 4)[20:-20, 20:-20], texture[20:-20, 20:-20]
    carrier = Carrier("mean-flow", Constant(0.0, 0.0))
    step = carrier.between(target, source)
    assert step.flow[:, 0, 0].tolist() == [9.0, 4.0]
    assert carrier.largest_drift_px == pytest.approx(np.hypot(9, 4), abs=0.01)


def test_flows_are_registered():
    assert load("motions", "ilk") is IterativeLucasKanade
