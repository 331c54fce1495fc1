"""Networks that see their own previous mask, run over movies frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.errors import SettingsError, ShapeError
from unfade.ops.normalise import levels, scaled
from unfade.pipeline.segmenting import found_in, open_engine, open_stage
from unfade.pipeline.settings import PredictSettings
from unfade.predict.rollout import RolloutPredictor
from unfade.records import Instances, Movie, View
from unfade.systems.feedback import FeedbackSettings
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.systems.siam_net import SiamNet

FRAMES = np.random.default_rng(0).integers(0, 1000, (6, 2, 16, 24)).astype(np.uint16)


class Spread:
    """The mask is the previous one and its right-hand neighbours, or the brightest pixels where it is empty."""

    name = "spread"

    def __init__(self, normalise: Any = "movie") -> None:
        self.view = View(feedback=True, reference=True, stride=4, reach_px=4, normalise=normalise)
        self.seen: list[dict[str, Tensor]] = []
        self.vectors = ()

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        self.seen.append({k: v[:, 0].clone() for k, v in inputs.items()})
        image, previous = inputs["image"][:, 0], inputs["previous"][:, 0]
        grown = torch.maximum(previous, torch.roll(previous, 1, -1))
        return {"maps": (grown if previous.any() else (image > 0.9).float())[:, None]}, None

    def activate(self, outputs: dict[str, Tensor]) -> Tensor:
        return outputs["maps"]

    def feedback(self, maps: Tensor) -> Tensor:
        return (maps[:, :1] > 0.5).float()

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        return Instances.of((maps[:, 0] > 0.5).astype(np.int32))

    def probabilities(self, maps: Tensor) -> Tensor | None:
        return None


def engine(normalise: Any = "movie", tile_px: int = 1024) -> RolloutPredictor:
    return RolloutPredictor(Spread(normalise), nn.Identity(), torch.device("cpu"), "float32", tile_px)


def masks(found: list[Instances]) -> np.ndarray:
    return np.concatenate([one.labels() for one in found])


def test_each_frame_sees_the_mask_of_the_one_before() -> None:
    run, movie = engine(), Movie.of(FRAMES)
    stage = open_stage(run, movie, 1, 1.0)
    assert (stage.lag, stage.memory) == (0, None)
    found = masks(list(found_in(movie, stage)))
    seen = run.system.seen
    assert not seen[0]["previous"].any()
    assert found[0].any()
    for t in range(1, 6):
        assert np.array_equal(seen[t]["previous"][0, 0].numpy(), found[t - 1] > 0), t


def test_the_first_frame_and_its_mask_stay_the_reference() -> None:
    run, movie = engine(), Movie.of(FRAMES)
    found = masks(list(found_in(movie, open_stage(run, movie, 0, 1.0))))
    first = run.system.seen[0]
    assert torch.equal(first["reference"], torch.cat([first["image"], first["previous"]], 1))
    for step in run.system.seen[1:]:
        assert torch.equal(step["reference"][:, :1], first["image"])
        assert np.array_equal(step["reference"][0, 1].numpy(), found[0] > 0)


def test_an_estimate_starts_the_movie() -> None:
    run, movie = engine(), Movie.of(FRAMES)
    estimate = np.zeros((16, 24), np.int32)
    estimate[4:8, 2:6] = 7
    stage = open_stage(run, movie, 0, 1.0)
    state = stage.start(estimate)
    widths = []
    for frame in FRAMES:
        state, found = stage.push(state, frame)
        widths.append(int(found[0].labels()[0][5].sum()))
    assert widths == [5, 6, 7, 8, 9, 10]
    assert np.array_equal(run.system.seen[0]["previous"][0, 0].numpy(), estimate > 0)


def test_a_single_frame_network_can_start_the_movie() -> None:
    class Starter:
        class system:  # noqa: N801
            view = View(diameter_px=(30.0, 60.0))

        def instances(self, image: np.ndarray, zoom: float = 1.0) -> Instances:
            assert np.array_equal(image, FRAMES[0, 1:])
            own = run.system.view.diameter_px
            assert zoom == pytest.approx((30 * 60 / (own[0] * own[1])) ** 0.5)
            labels = np.zeros(image.shape[1:], np.int32)
            labels[3, 3] = 1
            return Instances.of(labels)

    run, movie = engine(), Movie.of(FRAMES)
    run.begin_with(Starter())  # type: ignore[arg-type]
    found = masks(list(found_in(movie, open_stage(run, movie, 1, 1.0))))
    assert [int(f.sum()) for f in found] == [2, 3, 4, 5, 6, 7]


def test_a_starter_must_fit() -> None:
    class Window:
        class system:  # noqa: N801
            name = "window"
            view = View(offsets=(-1, 0, 1))

    with pytest.raises(SettingsError, match=r"system 'window' needs more than the first frame; give --starter one"):
        engine().begin_with(Window())  # type: ignore[arg-type]
    plain = NucleiUNet(NucleiUNetSettings(width=8))
    single = open_engine(plain, plain.network(), PredictSettings(device="cpu"))
    with pytest.raises(SettingsError, match="system 'nuclei-unet' is not fed with its own masks; leave out --starter"):
        single.begin_with(single)


def test_tiles_give_what_one_pass_gives() -> None:
    settings = FeedbackSettings.parse({"width": 4})
    torch.manual_seed(0)
    movie = Movie.of(np.random.default_rng(1).integers(0, 1000, (3, 1, 96, 160)).astype(np.uint16))
    found = []
    system = SiamNet(settings)
    network = system.network()
    for tile in (1024, 144):
        run = open_engine(system, network, PredictSettings(device="cpu", precision="float32", tile_px=tile))
        assert isinstance(run, RolloutPredictor)
        memory = run.begun(np.zeros((96, 160), bool))
        maps = None
        for frame in movie.frames():
            maps, memory = run.step(frame, memory, 1.0, [(0.0, 1000.0)])
        found.append(maps)
    np.testing.assert_allclose(found[0], found[1], atol=2e-2)
    assert found[0] is not None
    assert found[0].std() > 0


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_the_memory_lives_on_the_networks_grid(zoom: float) -> None:
    run, movie = engine(), Movie.of(FRAMES)
    found = masks(list(found_in(movie, open_stage(run, movie, 0, zoom))))
    assert found.shape == (6, 16, 24)
    size = (round(16 * zoom), round(24 * zoom))
    assert all(tuple(step["previous"].shape[-2:]) == size for step in run.system.seen)
    assert run.begun(np.ones((16, 24), bool), zoom).previous.shape == (1, 1, *size)


def test_intensities_follow_the_view() -> None:
    movie = Movie.of(FRAMES)
    alone, along = engine("frame"), engine("running")
    for run in (alone, along):
        list(found_in(movie, open_stage(run, movie, 0, 1.0)))
    last = FRAMES[-1, 0]
    np.testing.assert_allclose(alone.system.seen[-1]["image"][0, 0].numpy(), scaled(last, levels(last)), atol=1e-6)
    pooled = scaled(last, levels(FRAMES[:, 0]))
    np.testing.assert_allclose(along.system.seen[-1]["image"][0, 0].numpy(), pooled, atol=1e-6)


def test_a_frame_alone_is_seen_without_a_past() -> None:
    run = engine()
    maps = run.maps(FRAMES[0, :1])
    assert maps.shape == (1, 16, 24)
    assert not run.system.seen[0]["previous"].any()


def test_frames_of_another_size_are_refused() -> None:
    run = engine()
    stage = run.stage(0, 1.0, [(0.0, 1000.0)])
    state, _ = stage.push(stage.start(), FRAMES[0])
    with pytest.raises(ShapeError, match="does not fit the mask before it"):
        stage.push(state, FRAMES[0, :, :8])


def test_it_has_no_members_to_compare() -> None:
    with pytest.raises(SettingsError, match=r"system 'spread' feeds on its own output .*; leave out --uncertainty"):
        engine().ask([nn.Identity()])


class Copying(Spread):
    """The mask is the previous one wherever there is one."""

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        image, previous = inputs["image"][:, 0], inputs["previous"][:, 0]
        return {"maps": (previous if previous.any() else (image > 0.9).float())[:, None]}, None


class Rightwards:
    """All moves to the right by half a pixel per frame."""

    def __init__(self, diameter_px: float) -> None:
        self.diameter_px = diameter_px

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        flow = np.zeros((2, *first.shape), np.float32)
        flow[1] = -0.5
        return flow


@pytest.mark.parametrize("zoom", [1.0, 2.0])
def test_masks_can_follow_the_picture(zoom: float) -> None:
    image = np.zeros((9, 1, 24, 32), np.uint16)
    image[:, 0, 8:16, 6:14] = 100
    runner = RolloutPredictor(Copying(), nn.Identity(), torch.device("cpu"), "float32", 1024)
    stays = masks(list(found_in(Movie.of(image), open_stage(runner, Movie.of(image), 0, zoom))))
    runner.follow(Rightwards)
    follows = masks(list(found_in(Movie.of(image), open_stage(runner, Movie.of(image), 0, zoom))))
    assert np.array_equal(stays[8], stays[0])
    middle = [np.argwhere(mask > 0)[:, 1].mean() for mask in follows]
    assert middle[8] - middle[0] == pytest.approx(4 / zoom, abs=0.6)
    assert np.count_nonzero(follows[8]) == pytest.approx(np.count_nonzero(follows[0]), rel=0.15)


def test_masks_of_frames_of_any_size_can_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    movie = Movie.of(FRAMES)
    runner = RolloutPredictor(Copying(), nn.Identity(), torch.device("cpu"), "float32", 1024)
    runner.follow(Rightwards)
    wanted = masks(list(found_in(movie, open_stage(runner, movie, 0, 1.0))))
    monkeypatch.setattr("unfade.predict.stitched.WHOLE_PX", 10 * 10)
    assert np.array_equal(masks(list(found_in(movie, open_stage(runner, movie, 0, 1.0)))), wanted)
    assert wanted.any()


class Doubting(Spread):
    """Surer of bright pixels than of dark ones, whatever came before; feeds its probability back."""

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        self.seen.append({k: v[:, 0].clone() for k, v in inputs.items()})
        return {"maps": (0.2 + 0.4 * inputs["image"][:, 0])[:, None]}, None

    def feedback(self, maps: Tensor) -> Tensor:
        return maps[:, :1]


def test_a_probability_follows_the_picture_between_pixels() -> None:
    runner = RolloutPredictor(Doubting(), nn.Identity(), torch.device("cpu"), "float32", 1024)
    runner.follow(Rightwards)
    state = runner.begun(np.eye(16, 24) > 0)
    fed = []
    for t in range(3):
        state = runner.step(FRAMES[t, :1], state, 1.0, [(0.0, 1000.0)])[1]
        assert state.previous is not None
        fed.append(state.previous[0, 0].numpy())
    for t in (1, 2):
        before = np.concatenate([fed[t - 1][:, :1], fed[t - 1]], axis=1)
        seen = runner.system.seen[t]["previous"][0, 0].numpy()  # type: ignore[attr-defined]
        np.testing.assert_allclose(seen, (before[:, 1:] + before[:, :-1]) / 2, atol=1e-6)


def test_only_networks_that_feed_on_masks_can_follow() -> None:
    plain = NucleiUNet(NucleiUNetSettings(width=8))
    with pytest.raises(SettingsError, match=r"'nuclei-unet' uses nothing of other frames .*; leave out --follow"):
        open_engine(plain, plain.network(), PredictSettings()).follow(Rightwards)
