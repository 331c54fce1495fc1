"""The window network sits the exam of all systems; its weights serve the online setting too."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.pipeline.segmenting import found_in, open_predictor, open_stage, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.doubt import mean_over
from unfade.records import Instances, Movie
from unfade.synth import TranslocationMovie, TranslocationSettings
from unfade.systems.base import System
from unfade.systems.lexy import OFFSETS, Lexy, LexySettings
from unfade.testing.system import SystemExam
from unfade.train.sequences import WindowSampler, WindowSamplerSettings


class TestWindow(SystemExam):
    learning_rate = 3e-3

    def system(self) -> System:
        return Lexy(LexySettings(width=8, offsets=(-1, 0, 1)))


class TestOnline(SystemExam):
    learning_rate = 3e-3

    def system(self) -> System:
        return Lexy(LexySettings(width=8, offsets=(-1, 0, 1), online=True))


class TestFrame(SystemExam):
    """A window of one frame: the single-frame peer."""

    def system(self) -> System:
        return Lexy(LexySettings.parse({"width": 8, **Lexy.presets["frame"]}))


def test_online_looks_at_no_later_frame_with_the_same_network() -> None:
    offline, online = Lexy(LexySettings()), Lexy(LexySettings(online=True))
    assert (offline.view.past, offline.view.future) == (18, 18)
    assert (online.view.past, online.view.future, online.view.normalise) == (18, 0, "running")
    assert len(online.view.offsets) == len(OFFSETS)
    shapes = [[tuple(p.shape) for p in s.network().parameters()] for s in (offline, online)]
    assert shapes[0] == shapes[1]
    assert "online" not in Lexy.of_network


def counted(frames: int = 9) -> Still:
    """A movie whose pixels hold the frame's number, with an object in place."""
    labels = np.zeros((frames, 64, 64), np.int32)
    labels[:, 20:44, 20:44] = 1
    image = np.broadcast_to(np.arange(frames, dtype=np.float32)[:, None, None], labels.shape)
    return Still("counted", image[:, None], labels, "train")


def drawn(**settings: float) -> list[np.ndarray]:
    """Frame numbers of the windows of some batches."""
    plain = {"empty": 0.0, "varied": 0.0, "stretched": 0.0, "reversed": 0.0, "cut": 0.0, "crop_px": 32, "batch": 4}
    sampler = WindowSampler(
        [counted()], Lexy(LexySettings(offsets=(-2, 0, 1))), WindowSamplerSettings.parse({**plain, **settings}), 0, 8
    )
    first = sampler[3]
    assert np.array_equal(first["inputs"]["image"], sampler[3]["inputs"]["image"])
    assert first["inputs"]["image"].shape == (4, 3, 1, 32, 32)
    assert first["targets"]["maps"].shape == (4, 1, 5, 32, 32)
    windows = np.concatenate([sampler[n]["inputs"]["image"][:, :, 0, 16, 16].numpy() for n in range(8)])
    known = sampler.images[0][:, 0, 0]
    found = np.abs(windows[..., None] - known).argmin(-1)
    assert np.allclose(known[found], windows, atol=1e-5)
    return list(found)


def test_windows_are_the_frames_at_the_offsets() -> None:
    for window in drawn():
        t = window[1]
        assert window.tolist() == [max(t - 2, 0), t, min(t + 1, 8)]


def test_time_runs_backwards() -> None:
    for window in drawn(reversed=1.0):
        t = window[1]
        assert window.tolist() == [min(t + 2, 8), t, max(t - 1, 0)]


def test_time_runs_at_another_pace() -> None:
    gaps = {int(w[1] - w[0]) for w in drawn(stretched=1.0) if w[1] >= 4}
    assert gaps == {1, 2, 3, 4}


def test_a_movie_is_cut_off_anywhere() -> None:
    windows = drawn(cut=1.0)
    assert any(w[0] == w[1] > 1 for w in windows)
    assert any(w[1] == w[2] < 8 for w in windows)
    assert all(w[0] in range(w[1] - 2, w[1] + 1) and w[2] in (w[1], w[1] + 1) for w in windows)


def test_stills_are_refused() -> None:
    with pytest.raises(SettingsError, match="learns from movies"):
        WindowSampler([counted(1)], Lexy(LexySettings()), WindowSamplerSettings(), 0, 1)


def test_windows_of_noise_hold_no_object() -> None:
    settings = WindowSamplerSettings(empty=1.0, crop_px=32, batch=2)
    batch = WindowSampler([counted()], Lexy(LexySettings(offsets=(-2, 0, 1))), settings, 0, 8)[0]
    assert batch["inputs"]["image"].shape == (2, 3, 1, 32, 32)
    assert float(batch["inputs"]["image"].std()) > 0.05
    assert not batch["targets"]["maps"][:, :, 0].any()


def test_a_window_tells_the_doubt_of_its_frame_while_its_mask_is_that_of_all_heard() -> None:
    """Members disagree about a frame as they do without evidence; only masks are decided together."""
    movie = Movie.of(TranslocationMovie(TranslocationSettings(frames=6, height_px=64, width_px=64)).frames().image)
    found: dict[int, list[Instances]] = {}
    for reach in (0, 3):
        lexy, weights = open_system(SystemSettings(name="lexy", settings={"evidence": {"reach": reach}}))
        runner = open_predictor(lexy, weights, PredictSettings(device="cpu", precision="float32", uncertainty="tta"))
        found[reach] = list(found_in(movie, open_stage(runner, movie, 0, 1.0)))
    assert len(found[0]) == len(found[3]) == len(movie)
    maps = []
    for alone, heard in zip(found[0], found[3], strict=True):
        assert alone.uncertainty is not None
        assert heard.uncertainty is not None
        np.testing.assert_allclose(heard.uncertainty, alone.uncertainty, atol=1e-3)
        assert heard.uncertainty.max() > 0.5
        assert np.allclose(heard.u_total, mean_over(heard, heard.uncertainty[0, 0]))
        maps.append(not np.array_equal(heard.labels(), alone.labels()))
    assert any(maps)
    assert sum(len(one) for one in found[3]) > 0
