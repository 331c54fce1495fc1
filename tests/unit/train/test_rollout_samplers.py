"""Training examples with estimates of what was before: stills and movies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from unfade.augment.estimates import dice_of
from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.systems.feedback import FeedbackSettings
from unfade.systems.track_net import TrackNet
from unfade.train.estimates import EstimateSampler, EstimateSettings
from unfade.train.rollout import RolloutSampler, RolloutSettings, _anchor

SYSTEM = TrackNet(FeedbackSettings(width=4))


def still() -> Still:
    labels = np.zeros((1, 96, 96), np.int32)
    labels[0, 20:40, 20:44], labels[0, 55:80, 50:75] = 1, 2
    return Still("drawn", labels[:, None].astype(np.float32) * 100, labels, "train")


def movie(count: int = 10) -> Still:
    labels = np.zeros((count, 96, 96), np.int32)
    for t in range(count):
        labels[t, 20:40, 10 + 4 * t : 30 + 4 * t], labels[t, 55:80, 50:75] = 1, 2
    image = (labels > 0) * 100.0 + np.arange(count)[:, None, None] * 3  # brighter with time
    return Still("drawn", image[:, None].astype(np.float32), labels, "train")


def stills(**settings: object) -> EstimateSampler:
    chosen = EstimateSettings.parse({"crop_px": 96, "batch": 3, "native": 1.0, "empty": 0.0, **settings})
    return EstimateSampler([still()], SYSTEM, chosen, seed=1, steps=10)


def movies(steps: int = 10, **settings: object) -> RolloutSampler:
    chosen = RolloutSettings.parse({"crop_px": 64, "batch": 3, "varied": 0.0, "zoom": 0.0, **settings})
    return RolloutSampler([movie()], SYSTEM, chosen, seed=1, steps=steps)


@pytest.mark.parametrize("make", [stills, movies])
def test_a_batch_is_a_function_of_seed_and_step(make: type) -> None:
    first, again, other = make()[4], make()[4], make()[5]
    for group in ("inputs", "targets"):
        for name in first[group]:
            assert torch.equal(first[group][name], again[group][name]), name
    assert not torch.equal(first["inputs"]["previous"], other["inputs"]["previous"])


def test_stills_have_one_frame_one_estimate_one_reference() -> None:
    batch = stills()[0]
    shapes = {name: tuple(tensor.shape) for name, tensor in batch["inputs"].items()}
    assert shapes == {"image": (3, 1, 1, 96, 96), "previous": (3, 1, 1, 96, 96), "reference": (3, 1, 2, 96, 96)}
    assert batch["targets"]["maps"].shape == (3, 1, 1, 96, 96)
    outputs, _ = SYSTEM.forward(SYSTEM.network(), batch["inputs"])
    assert outputs["maps"].shape == (3, 1, 1, 96, 96)


def test_estimates_of_stills_are_0_80_from_the_truth_and_references_further() -> None:
    near, far = [], []
    sampler = stills(batch=8)
    for step in range(8):
        batch = sampler[step]
        truth = batch["targets"]["maps"].numpy()
        for n in range(8):
            near.append(dice_of(batch["inputs"]["previous"][n, 0, 0].numpy(), truth[n, 0, 0]))
            far.append(dice_of(batch["inputs"]["reference"][n, 0, 1].numpy(), truth[n, 0, 0]))
    assert np.mean(near) == pytest.approx(0.80, abs=0.03)
    assert np.mean(far) < 0.72


def test_the_frame_of_a_reference_fits_its_mask() -> None:
    reference = stills(policy={})[0]["inputs"]["reference"]
    for frame, mask in reference[:, 0].numpy():
        assert dice_of((frame > 0.25).astype(float), mask) > 0.9


def test_spoilt_estimates_leave_image_and_truth_alone() -> None:
    plain, spoilt = stills()[2], stills(unreliable={"dropped": 1.0})[2]
    assert not spoilt["inputs"]["previous"].any()
    assert not spoilt["inputs"]["reference"][:, :, 1].any()
    assert plain["inputs"]["previous"].any()
    assert torch.equal(plain["inputs"]["image"][0], spoilt["inputs"]["image"][0])


def test_a_policy_reaches_the_crops() -> None:
    assert not torch.equal(stills()[3]["inputs"]["image"], stills(policy={"noise": 1.0})[3]["inputs"]["image"])


def equal_sides(batch: dict[str, dict[str, torch.Tensor]]) -> list[tuple[float, float]]:
    """Extent of the larger nucleus in each crop, when crops are not turned."""
    out = []
    for mask in batch["targets"]["maps"][:, 0, 0].numpy():
        parts, _ = ndimage.label(mask)
        boxes = [[s.stop - s.start for s in box] for box in ndimage.find_objects(parts)]
        out.append(max(boxes, key=lambda sides: sides[0] * sides[1]))
    return out


def test_unscaled_crops_keep_every_size() -> None:
    plain = stills(batch=8, zoom=0.0, stretch=0.0, turns=False, empty=0.0)
    kept = {tuple(sides) for sides in equal_sides(plain[0])}
    assert len(kept) == 1
    assert np.abs(np.subtract(*kept, 25)).max() <= 1
    for change in ({"zoom": 0.3}, {"stretch": 0.3}):
        other = stills(**{"batch": 8, "zoom": 0.0, "stretch": 0.0, "turns": False, "empty": 0.0, **change})
        assert len({tuple(sides) for sides in equal_sides(other[0])}) > 3, change


def test_objects_are_zoomed_into_the_range_of_the_system() -> None:
    small = TrackNet(FeedbackSettings(width=4, diameter_px=(8.0, 12.0)))
    for kind, source, settings in (
        (EstimateSampler, still(), EstimateSettings(crop_px=64, native=1.0, zoom=0, stretch=0, turns=False, empty=0)),
        (RolloutSampler, movie(), RolloutSettings(crop_px=64, frames=2, zoom=0, stretch=0)),
    ):
        sampler = kind([source], small, settings, 1, 10)  # type: ignore
        drawn = settings.draw_zoom(np.random.default_rng(0), sampler.diameters[0], small.view)
        assert drawn == pytest.approx(12 / sampler.diameters[0])
        assert settings.draw_zoom(np.random.default_rng(0), sampler.diameters[0], SYSTEM.view) == 1.0


def test_empty_crops_are_noise_without_masks() -> None:
    batch = stills(empty=1.0)[0]
    assert not batch["targets"]["maps"].any()
    assert not batch["inputs"]["previous"].any()
    assert not batch["inputs"]["reference"][:, :, 1].any()
    assert float(batch["inputs"]["image"].std()) > 0.01


@pytest.mark.parametrize("name", ["elastic_px", "elastic_points", "textured"])
def test_settings_that_would_do_nothing_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"'{name}' is not a known setting"):
        stills(**{name: 2})


def test_held_out_crops_are_the_same_whatever_is_trained_with() -> None:
    spoilt = {"dropped": 0.3, "wrong": 0.3, "eroded": 0.3}
    wild = EstimateSettings(
        crop_px=96, batch=3, native=0.0, zoom=0.5, stretch=0.4, empty=0.5, intensity=True,
        policy={"noise": 1.0, "elastic": 1.0, "contrast": 1.0}, unreliable=spoilt,
    )  # fmt: skip
    calm = EstimateSettings(crop_px=96, batch=3)
    assert wild.held() == calm.held()
    assert (wild.held().crop_px, wild.held().batch) == (96, 3)
    moving = RolloutSettings(
        frames=5, fastest=3, reverse=1.0, varied=1.0, dice=0.6, own=(0.1, 0.4), zoom=0.4, stretch=0.4, native=0.0,
        unreliable=spoilt,
    )  # fmt: skip
    assert moving.held() == RolloutSettings(frames=5).held()
    sampler = RolloutSampler([movie()], SYSTEM, moving.held(), 1, 100)
    assert {sampler.share(step) for step in (0, 50, 99)} == {1.0}


@pytest.mark.parametrize(
    ("frames", "allowed"),
    [([4, 5, 6], {0, 1, 2, 3}), ([6, 5, 4], {7, 8, 9}), ([0, 2, 4], {1, 3, 5, 6, 7, 8, 9}), ([9, 8], set(range(8)))],
)
def test_the_reference_is_an_earlier_frame_and_never_a_target(frames: list[int], allowed: set[int]) -> None:
    rng = np.random.default_rng(0)
    found = [_anchor(rng, np.array(frames), 10) for _ in range(200)]
    assert set(found) == allowed
    if frames[0] == 4:
        assert 0.5 < np.mean([n == 0 for n in found]) < 0.75  # often the first frame of the movie
    assert _anchor(rng, np.arange(3), 3) == 0


def test_the_mask_of_a_reference_is_an_estimate() -> None:
    sampler = movies(frames=2, unreliable={}, batch=8, zoom=0.0, stretch=0.0)
    found = []
    for step in range(4):
        for frame, mask in sampler[step]["inputs"]["reference"][:, 0].numpy():
            inside = frame > (frame.min() + frame.max()) / 2
            found.append(dice_of(inside, mask))
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_movies_have_an_estimate_for_every_frame() -> None:
    batch = movies(frames=4)[0]
    shapes = {name: tuple(tensor.shape) for name, tensor in batch["inputs"].items()}
    assert shapes == {
        "image": (3, 4, 1, 64, 64),
        "previous": (3, 4, 1, 64, 64),
        "own": (3, 4),
        "reference": (3, 1, 2, 64, 64),
    }
    outputs, _ = SYSTEM.forward(SYSTEM.network(), batch["inputs"])
    assert outputs["maps"].shape == batch["targets"]["maps"].shape == (3, 4, 1, 64, 64)


def test_the_estimate_of_a_frame_is_made_from_the_frame_before() -> None:
    sampler = movies(frames=4, dice=0.97, unreliable={}, reverse=0.0, fastest=1, batch=8)
    before, same = [], []
    for step in range(5):
        batch = sampler[step]
        truth, seen = batch["targets"]["maps"][:, :, 0].numpy(), batch["inputs"]["previous"][:, :, 0].numpy()
        for n in range(8):
            before += [dice_of(seen[n, t], truth[n, t - 1]) for t in range(1, 4)]
            same += [dice_of(seen[n, t], truth[n, t]) for t in range(1, 4)]
    assert np.mean(before) > 0.95
    assert np.mean(before) > np.mean(same) + 0.03


def test_movies_keep_the_rise_of_their_intensity() -> None:
    batch = movies(frames=4, reverse=0.0)[0]
    inside = batch["targets"]["maps"][:, :, 0] == 0
    for image, outside in zip(batch["inputs"]["image"][:, :, 0], inside, strict=True):
        levels = [float(image[t][outside[t]].mean()) for t in range(4)]
        assert levels == sorted(levels)
        assert levels[-1] > levels[0]


@pytest.mark.parametrize(("own", "first", "last"), [((0.0, 1.0), 0.0, 1.0), ((0.5, 0.5), 0.5, 0.5)])
def test_own_outputs_come_more_often_as_training_goes_on(own: tuple[float, float], first: float, last: float) -> None:
    sampler = movies(steps=100, own=own, ramp=0.5, batch=2)
    assert (sampler.share(0), sampler.share(50), sampler.share(99)) == (first, last, last)
    early = np.mean([float(sampler[k]["inputs"]["own"].mean()) for k in range(3)])
    late = np.mean([float(sampler[60 + k]["inputs"]["own"].mean()) for k in range(6)])
    assert late >= early - 0.3
    assert late == pytest.approx(last, abs=0.3)


def test_stills_make_no_rollout() -> None:
    with pytest.raises(SettingsError, match="choose the sampler 'estimates'"):
        RolloutSampler([still()], SYSTEM, RolloutSettings(), seed=0, steps=1)
    RolloutSampler([still()], SYSTEM, RolloutSettings(frames=1), seed=0, steps=1)
