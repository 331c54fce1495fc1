"""Windows in time: the stage gives what each frame's own window gives, late, restarted, or at the movie's ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unfade.ops.normalise import levels
from unfade.pipeline.segmenting import engine_for, found_in, movie_ends, open_stage
from unfade.predict.windows import WindowPredictor
from unfade.records import Instances, Movie, View

FRAMES = np.random.default_rng(0).integers(0, 1000, (9, 2, 16, 16)).astype(np.uint16)


class Sum:
    """An object where the weighted frames of the window add up to much."""

    def __init__(self, offsets: tuple[int, ...], normalise: Any = "movie") -> None:
        self.view = View(offsets=offsets, stride=4, reach_px=4, normalise=normalise)

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        image = inputs["image"]
        weight = torch.arange(1, image.shape[1] + 1, dtype=torch.float32)[None, :, None, None, None]
        return {"maps": (image * weight).sum(1, keepdim=True)}, None

    def activate(self, outputs: dict[str, Tensor]) -> Tensor:
        return outputs["maps"]

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        return Instances.of((maps[:, 0] * 1000).astype(np.int32))


def engine(offsets: tuple[int, ...] = (-3, 0, 1), normalise: Any = "movie") -> WindowPredictor:
    return WindowPredictor(Sum(offsets, normalise), nn.Identity(), torch.device("cpu"), "float32")


def labels(found: Instances) -> np.ndarray:
    return found.labels()[0]


def test_every_frame_comes_out_as_its_own_window_does() -> None:
    movie, run = Movie.of(FRAMES), engine()
    stage = open_stage(run, movie, 1, 1.0)
    ends = movie_ends(movie, 1)
    found = list(found_in(movie, stage))
    assert (len(found), stage.lag, stage.memory) == (9, 1, 3)
    for t, one in enumerate(found):
        alone = run.instances(run.context(movie, t, 1), 1.0, list(ends) * 3)
        assert np.array_equal(labels(one), labels(alone)), t


def test_the_context_repeats_the_movies_ends() -> None:
    movie = Movie.of(FRAMES)
    assert np.array_equal(engine().context(movie, 1, 1), FRAMES[[0, 1, 2], 1])
    assert np.array_equal(engine().context(movie, 8, 0), FRAMES[[5, 8, 8], 0])


def test_a_stage_started_again_gives_the_same_after_its_memory() -> None:
    movie = Movie.of(FRAMES)
    whole = list(found_in(movie, open_stage(engine(), movie, 0, 1.0)))
    again = list(found_in(movie, open_stage(engine(), movie, 0, 1.0), first=2))
    assert len(again) == 7
    for t in range(5, 9):
        assert np.array_equal(labels(whole[t]), labels(again[t - 2])), t
    assert not np.array_equal(labels(whole[3]), labels(again[1]))


def test_only_the_frames_of_the_window_are_held() -> None:
    stage = engine().stage(0, 1.0, [(0.0, 1000.0)])
    state = stage.start()
    for frame in FRAMES:
        state, _ = stage.push(state, frame)
        assert len(state.frames) <= 4
    assert len(stage.finish(state)) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_movies_shorter_than_the_window(count: int) -> None:
    movie = Movie.of(FRAMES[:count])
    assert len(list(found_in(movie, open_stage(engine((-2, 0, 5)), movie, 0, 1.0)))) == count


def test_without_the_whole_movie_levels_follow_the_frames_so_far() -> None:
    movie, run = Movie.of(FRAMES), engine((-1, 0), "running")
    stage = open_stage(run, movie, 0, 1.0)
    assert (stage.lag, stage.memory) == (0, None)
    state = stage.start()
    state, first = stage.push(state, FRAMES[0])
    window = np.stack([FRAMES[0, 0]] * 2)
    assert np.array_equal(labels(first[0]), labels(run.instances(window, 1.0, [levels(FRAMES[0, 0])] * 2)))
    state, second = stage.push(state, FRAMES[1] * 3)
    window = np.stack([FRAMES[0, 0], FRAMES[1, 0] * 3])
    assert np.array_equal(labels(second[0]), labels(run.instances(window)))


def test_the_view_names_the_engine() -> None:
    assert engine_for(View()) == "frames"
    assert engine_for(View(offsets=(-1, 0))) == "windows"
    assert engine_for(View(feedback=True)) == "rollout"
    assert engine_for(View(recurrent=True, block=2)) == "blocks"
    assert engine_for(View(join="instances")) == "boxes"
    assert (View(offsets=(-3, 0, 2)).past, View(offsets=(-3, 0, 2)).future, View().past) == (3, 2, 0)
