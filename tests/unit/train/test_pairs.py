"""Pairs of frames whose motion is known."""

import numpy as np
import pytest
import torch

from unfade.augment.deformation import draw_deformation
from unfade.datasets.stills import Still
from unfade.registry import load
from unfade.repair.shapes import Outline, masks
from unfade.systems.flow import Flow, FlowNetMotion, FlowSettings
from unfade.train.pairs import PairSampler, PairSamplerSettings


@pytest.fixture(scope="module")
def still():
    rng = np.random.default_rng(0)
    rows, columns = np.indices((200, 200))
    labels = np.zeros((1, 200, 200), np.int32)
    for k, (y, x) in enumerate((y, x) for y in range(25, 200, 50) for x in range(25, 200, 50)):
        labels[0][np.hypot(rows - y, columns - x) < 11] = k + 1
    image = 20 + 100 * (labels > 0) * rng.uniform(0.8, 1.2, labels.shape) + rng.normal(0, 2, labels.shape)
    return Still("disks", image[:, None], labels, "train")


def sampler(still, steps=3, **how):
    return PairSampler([still], None, PairSamplerSettings(crop_px=128, batch=2, **how), 5, steps)


def test_a_batch_is_a_function_of_seed_and_step(still):
    first, again = sampler(still)[1], sampler(still, steps=9)[1]
    assert first["inputs"]["image"].shape == (2, 2, 1, 128, 128)
    assert first["targets"]["flow"].shape == (2, 1, 2, 128, 128)
    assert torch.equal(first["inputs"]["image"], again["inputs"]["image"])
    assert not torch.equal(first["targets"]["flow"], sampler(still)[2]["targets"]["flow"])


def test_the_flow_leads_from_the_first_frame_to_the_second(still):
    pairs = sampler(still, noise=0.0, fading=0.0, bodies=0.0, points=4, diameter_px=(22, 26))
    rng, changed, ious = np.random.default_rng(1), [], []
    for _ in range(4):
        pair = pairs.pair(rng)
        second = masks(pair.nuclei[1])
        for key, mask in masks(pair.nuclei[0]).items():
            if key in second and mask.area > 300:
                moved = Outline.of(second[key]).warped(pair.flow).mask((128, 128))
                image = np.zeros((128, 128), bool)
                h, w = moved.inside.shape
                image[moved.y0 : moved.y0 + h, moved.x0 : moved.x0 + w] = moved.inside
                truth = pair.nuclei[0] == key
                ious.append((image & truth).sum() / (image | truth).sum())
                still_there = pair.nuclei[1] == key
                changed.append((still_there & truth).sum() / (still_there | truth).sum())
    assert len(ious) > 8
    assert np.mean(ious) > 0.95
    assert np.mean(changed) < 0.9


def test_fading_changes_one_frame_only(still):
    plain = sampler(still, noise=0.0, fading=0.0, bodies=0.0, magnitude_px=0.0, shift_px=0.0)
    faded = sampler(still, noise=0.0, fading=1.0, bodies=0.0, magnitude_px=0.0, shift_px=0.0)
    ratios = {True: [], False: []}
    for pairs, key in ((plain, False), (faded, True)):
        rng = np.random.default_rng(2)
        for _ in range(6):
            pair = pairs.pair(rng)
            light = [pair.image[k, 0][pair.nuclei[k] > 0].mean() for k in range(2)]
            ratios[key].append(abs(np.log(light[0] / light[1])))
    assert max(ratios[False]) < 0.35  # brightness of the whole frame
    assert max(ratios[True]) > 0.6


def test_deformations_are_smooth_and_as_large_as_asked():
    flow = draw_deformation(np.random.default_rng(0), (128, 128), 10, 2.0).flow
    assert float(flow.std()) == pytest.approx(2.0, rel=0.35)
    assert float(flow.diff(dim=1).abs().max()) < 1.2


def test_flow_is_a_system_that_trains(still):
    assert load("systems", "flow") is Flow
    system = Flow(FlowSettings(width=0.125))
    network, batch = system.network(), sampler(still)[0]
    outputs, state = system.forward(network, batch["inputs"])
    assert state is None
    loss = system.loss(outputs, batch["targets"])["endpoint"]
    loss.backward()
    assert loss.item() > 0
    assert system.activate(outputs).shape == (2, 1, 2, 128, 128)
    scores = system.measure(network, sampler(still), "cpu", "float32")
    assert scores["gain"] == pytest.approx(0.0, abs=1e-4)
    assert scores["EPE_px"] == pytest.approx(scores["EPE_px of no flow"], rel=1e-4)


def test_motion_of_a_network_fits_frames_of_any_size():
    system = Flow(FlowSettings(width=0.125))
    motion = FlowNetMotion(system, system.network(), "cpu", "float32")
    rng = np.random.default_rng(0)
    flow = motion.between(rng.normal(size=(70, 90)), rng.normal(size=(70, 90)))
    assert flow.shape == (2, 70, 90)
    assert np.abs(flow).max() == 0  # an untrained network sees no motion
