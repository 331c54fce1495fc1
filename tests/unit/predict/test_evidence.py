"""Evidence of neighbouring frames: a weighted mean of log-odds, streamed, restarted and in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.errors import SettingsError
from unfade.pipeline.segmenting import found_in, movie_ends, open_stage
from unfade.predict import stitched
from unfade.predict.evidence import EvidenceStage, averaged
from unfade.predict.windows import WindowPredictor, WindowStage
from unfade.records import Evidence, Instances, Movie, View
from unfade.systems.lexy import Lexy, LexySettings

FRAMES = np.random.default_rng(0).integers(0, 1000, (11, 1, 16, 24)).astype(np.uint16)


class Bright:
    """The frame itself is the foreground map, its brightness of three frames a second one; what is decoded is kept."""

    def __init__(self, evidence: Evidence | None, offsets: tuple[int, ...] = (-1, 0, 1)) -> None:
        self.view = View(offsets=offsets, stride=4, reach_px=4, normalise="movie", evidence=evidence, followed=evidence)
        self.decoded: list[np.ndarray] = []

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        image = inputs["image"]
        own = image[:, self.view.offsets.index(0)]
        return {"maps": torch.cat([own, image.mean(1)], dim=1)[:, None]}, None

    def activate(self, outputs: dict[str, Tensor]) -> Tensor:
        return outputs["maps"].clip(0, 1)

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        self.decoded.append(maps[0])
        return Instances.of((maps[:, 0] > 0.5).astype(np.int32))


def engine(evidence: Evidence | None = Evidence(2, 2, 0.5, 0.6)) -> WindowPredictor:
    return WindowPredictor(Bright(evidence), nn.Identity(), torch.device("cpu"), "float32")


def run(runner: WindowPredictor, movie: Movie, first: int = 0) -> list[np.ndarray]:
    list(found_in(movie, open_stage(runner, movie, 0, 1.0), first))
    return runner.system.decoded  # type: ignore[attr-defined, no-any-return]


def heard(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """How much a frame is heard around every pixel: not where foregrounds overlap by 0.3, in full from 0.5 on."""
    a, b = (np.clip(v[::2, ::2].astype(float), 0.01, 0.99) for v in (one, two))
    side, (rows, columns) = 33, a.shape  # three diameters of the view, at every second pixel
    smaller, larger = (np.maximum(v - 0.02, 0) for v in (np.minimum(a, b), np.maximum(a, b)))
    out = np.ones(a.shape)
    for y, x in np.ndindex(a.shape):
        box = (
            slice(max(0, y - side // 2), min(rows, y + (side + 1) // 2)),
            slice(max(0, x - side // 2), min(columns, x + (side + 1) // 2)),
        )
        if larger[box].sum() > 1e-3 * side**2:
            out[y, x] = np.clip((smaller[box].sum() / larger[box].sum() - 0.3) / 0.2, 0, 1)
    return out.repeat(2, 0).repeat(2, 1)


def expected(movie: Movie, evidence: Evidence) -> list[np.ndarray]:
    """The same, written down plainly."""
    runner = engine(None)
    ends = movie_ends(movie, 0)
    maps = np.stack([runner.maps(runner.context(movie, t, 0), 1.0, list(ends) * 3) for t in range(len(movie))])
    inside = np.clip(maps[:, 0].astype(float), 0.01, 0.99)
    odds = np.clip(np.log(inside / (1 - inside)), -4.6, 4.6)
    out = []
    for t in range(len(movie)):
        near = range(max(0, t - evidence.past), min(len(movie), t + evidence.future + 1))
        weight = np.stack(
            [
                evidence.keep ** abs(k - t) * (heard(maps[t, 0], maps[k, 0]) if k != t else np.ones(maps.shape[2:]))
                for k in near
            ]
        )
        mean = (weight * odds[near.start : near.stop]).sum(0) / weight.sum(0)
        fused = 1 / (1 + np.exp(np.log(evidence.level / (1 - evidence.level)) - mean))
        out.append(np.stack([fused, maps[t, 1]]))
    return out


@pytest.mark.parametrize("evidence", [Evidence(2, 2, 0.5, 0.6), Evidence(3, 0, 0.9, 0.5), Evidence(40, 40, 1.0, 0.7)])
@pytest.mark.parametrize("count", [11, 2, 1])
def test_it_is_the_weighted_mean_of_log_odds(evidence: Evidence, count: int) -> None:
    movie = Movie.of(FRAMES[:count])
    for mine, true in zip(run(engine(evidence), movie), expected(movie, evidence), strict=True):
        assert np.abs(mine[0] - true[0]).max() < 0.01
        assert np.abs(mine[1] - true[1]).max() < 0.002


def test_a_stage_started_again_gives_the_same_after_its_memory() -> None:
    movie = Movie.of(FRAMES)
    whole, again = run(engine(), movie), run(engine(), movie, first=3)
    stage = open_stage(engine(), movie, 0, 1.0)
    assert (stage.lag, stage.memory) == (3, 3)
    assert len(again) == 8
    for t in range(6, 11):
        assert np.array_equal(whole[t], again[t - 3]), t
    assert not np.array_equal(whole[4], again[1])


def test_what_is_no_longer_needed_is_let_go() -> None:
    stage = open_stage(engine(), Movie.of(FRAMES), 0, 1.0)
    state = stage.start()
    for frame in FRAMES:
        state, _ = stage.push(state, frame)
        assert len(state.maps) <= 5
    assert len(stage.finish(state)) == 3


def test_large_frames_are_decided_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    movie = Movie.of(np.kron(FRAMES[:5], np.ones((1, 1, 16, 16), np.uint16)))  # 256 x 384
    whole = run(engine(), movie)
    monkeypatch.setattr(stitched, "WHOLE_PX", 128 * 128)
    monkeypatch.setattr(stitched, "CORE_PX", 128)
    runner = engine()
    parts = stitched.parts_of((256, 384), runner.system.view, 1.0)
    pieces = run(runner, movie)
    assert len(parts) > 3
    assert len(pieces) == 5 * len(parts)
    for n, piece in enumerate(pieces):
        (y0, x0, y1, x1), (top, left, *_) = parts[n % len(parts)].core, parts[n % len(parts)].seen
        own = piece[:, y0 - top : y1 - top, x0 - left : x1 - left]
        assert np.abs(own - whole[n // len(parts)][:, y0:y1, x0:x1]).max() < 1e-4


def test_a_wavering_nucleus_stays() -> None:
    odds = [
        (np.full((2, 2), value, np.int8), 0.9 ** abs(k - 3)) for k, value in enumerate([90, 80, 90, -20, 90, 80, 90])
    ]
    assert averaged([odds[3]], 0.5).max() < 0.5
    assert averaged(odds, 0.5).min() > 0.8


def test_frames_in_which_all_lies_elsewhere_are_not_heard() -> None:
    image = np.full((7, 1, 16, 32), 50, np.uint16)
    image[:4, 0, 4:12, 4:12] = image[4:, 0, 4:12, 20:28] = 1000
    for mine, own in zip(
        run(engine(), Movie.of(image)), expected(Movie.of(image), Evidence(0, 0, 1, 0.6)), strict=True
    ):
        assert np.abs(mine[0] - own[0]).max() < 0.01
    still = run(engine(), Movie.of(np.repeat(image[:1], 7, axis=0)))
    assert all(np.array_equal(one, still[0]) for one in still[2:5])


class Steps:
    """Every picture lies so many px below and to the right of the one before."""

    def __init__(self, diameter_px: float) -> None:
        self.step = (2.0, 3.0)

    def start(self) -> list[np.ndarray]:
        return []

    def next(self, past: list[np.ndarray], image: np.ndarray) -> tuple[np.ndarray, int]:
        out = np.eye(3)
        out[:2, 2] = self.step if past else 0
        past.append(image)
        return out, 0


def test_frames_can_follow_a_picture_that_moves_as_one() -> None:
    rng = np.random.default_rng(5)
    wide = rng.uniform(0, 1000, (60, 90))
    moving = np.stack([wide[20 - 2 * t : 52 - 2 * t, 30 - 3 * t : 70 - 3 * t] for t in range(7)])[:, None]
    runner = engine(Evidence(3, 3, 0.9, 0.6))
    runner.follow(Steps)
    follows = run(runner, Movie.of(moving))
    still = np.repeat(moving[3:4], 7, axis=0)
    rests = run(engine(Evidence(3, 3, 0.9, 0.6)), Movie.of(still))
    inner = (slice(8, -8), slice(10, -10))
    low, high = movie_ends(Movie.of(moving), 0)[0]
    base, top = movie_ends(Movie.of(still), 0)[0]
    assert abs(low - base) < 20
    assert abs(high - top) < 20
    assert np.abs(follows[3][0][inner] - rests[3][0][inner]).max() < 0.1
    assert np.abs(follows[3][1][inner] - rests[3][1][inner]).max() < 0.05
    assert np.abs(run(engine(Evidence(3, 3, 0.9, 0.6)), Movie.of(moving))[3][1] - rests[3][1]).max() > 0.2
    assert follows[3].shape == (2, 32, 40)


class Shots(Steps):
    """Nothing moves; frame 3 lies nowhere."""

    def next(self, past: list[np.ndarray], image: np.ndarray) -> tuple[np.ndarray, int]:
        past.append(image)
        return np.eye(3), int(len(past) == 4)


@pytest.mark.parametrize(("motion", "lit"), [(Steps, True), (Shots, False), (None, False)])
def test_frames_of_a_shot_are_heard_however_unlike_they_are(motion: type | None, lit: bool) -> None:
    image = np.full((7, 1, 16, 32), 50, np.uint16)
    image[:, 0, 4:12, 4:12] = 1000
    image[3, 0] = 50
    image[3, 0, 4:12, 20:28] = 1000
    runner = engine(Evidence(3, 3, 1.0, 0.5))
    if motion is not None:
        runner.follow(type("Still", (motion,), {"__init__": lambda self, diameter: setattr(self, "step", (0.0, 0.0))}))
    there = run(runner, Movie.of(image))[3][0]
    assert (there[8, 8] > 0.5) == lit
    assert (there[8, 24] < 0.5) == lit


def test_what_is_decided_keeps_its_foreground_alone() -> None:
    stage = engine(Evidence(2, 2, 0.9, 0.5)).stage(0)
    state = stage.start()
    for frame in np.random.default_rng(0).uniform(0, 900, (9, 1, 16, 16)).astype(np.float32):
        state, _ = stage.push(state, frame)
    sizes = {t: kept[0].rest.size > 0 for t, kept in state.maps.items()}
    assert sizes == {t: t > max(sizes) - 2 for t in sizes}
    assert len(sizes) == 4
    assert all(kept[0].rest.base is None for kept in state.maps.values() if not kept[0].rest.size)


def test_a_stage_that_follows_the_picture_starts_again_at_the_first_frame() -> None:
    ends = [(0.0, 1.0)]
    plain, following = engine(), engine()
    following.follow(Steps)
    assert plain.stage(0, 1.0, ends).memory is not None
    assert following.stage(0, 1.0, ends).memory is None


def test_windows_follow_a_picture_as_a_whole_alone() -> None:
    with pytest.raises(SettingsError, match="--follow whole"):
        engine().follow(lambda diameter_px: object())


@pytest.mark.parametrize("resting", [0, 6])
def test_a_nucleus_that_moves_is_not_outvoted_by_those_that_rest(resting: int) -> None:
    y, x = np.mgrid[:160, :240]
    places = [(30 + 50 * (n // 3), 40 + 70 * (n % 3)) for n in range(resting)]
    image = np.full((16, 1, 160, 240), 20, np.uint16)
    for t in range(16):
        for cy, cx in places:
            image[t, 0][np.hypot(y - cy, x - cx) < 10] = 1000
        image[t, 0][np.hypot(y - 130, x - 60 - 7 * t) < 10] = 1000
    runner = engine(Evidence(12, 12, 0.9, 0.65))
    for t, maps in enumerate(run(runner, Movie.of(image))):
        mine, true = maps[0] > 0.5, image[t, 0] > 500
        low = slice(110, None)
        assert (mine & true)[low].sum() / (mine | true)[low].sum() > 0.6, t


def test_lexy_listens_to_both_sides_offline_and_to_the_past_online() -> None:
    view = Lexy(LexySettings()).view
    assert view.evidence == Evidence(12, 12, 0.9, 0.65)
    online = Lexy(LexySettings(online=True)).view
    assert online.evidence == Evidence(12, 0, 0.9, 0.65)
    assert Lexy(LexySettings(offsets=(0,))).view.evidence is None
    silent = Lexy(LexySettings.parse({"evidence": {"reach": 0}}))
    assert silent.view.evidence is None
    assert view.followed == Evidence(30, 30, 1.0, 0.5)
    assert online.followed == Evidence(30, 0, 1.0, 0.5)
    assert silent.view.followed == view.followed
    following = WindowPredictor(Lexy(LexySettings(width=8)), nn.Identity(), torch.device("cpu"))
    following.follow(Steps)
    assert following.stage(0).lag == view.future + 30
    stages = {True: EvidenceStage, False: WindowStage}
    for heard, system in ((True, Lexy(LexySettings(width=8))), (False, silent)):
        small = WindowPredictor(system, nn.Identity(), torch.device("cpu"))
        assert type(small.stage(0)) is stages[heard]
    assert WindowPredictor(Lexy(LexySettings(online=True)), nn.Identity(), torch.device("cpu")).stage(0).lag == 0
