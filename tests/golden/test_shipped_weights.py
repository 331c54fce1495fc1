"""What the shipped weights find in movies that never change, frame by frame: any other count is a change of results."""

from __future__ import annotations

import numpy as np
import pytest

from unfade.pipeline.segmenting import found_in, open_predictor, open_stage, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.records import Movie
from unfade.testing.movies import noise, small

# system: channel (the marker, or the reporter for systems that need no marker) and objects per frame; true are
# 20, 19, 20, 20, 21, 20, 21, 21, 21, 21, 21, 21, and the reporter leaves the nuclei after frame 4
GOLDEN = {
    "nuclei-unet": (0, [19, 19, 19, 19, 19, 19, 21, 21, 20, 20, 20, 21]),
    "hourglass": (0, [22, 22, 22, 22, 20, 20, 23, 22, 21, 23, 25, 28]),
    "lexy": (1, [18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 20]),
}


def counts(system: str, movie: Movie, channel: int, diameter: float) -> list[int]:
    how = PredictSettings(diameter=diameter, device="cpu", precision="float32")
    engine = open_predictor(*open_system(SystemSettings(name=system)), how)
    stage = open_stage(engine, movie, channel, 22.0 / diameter)
    return [len(np.unique(found.labels()[-1])) - 1 for found in found_in(movie, stage)]


@pytest.mark.parametrize("system", GOLDEN)
def test_counts_of_a_movie(system: str) -> None:
    channel, expected = GOLDEN[system]
    assert counts(system, small().movie(), channel, 18.0) == expected


@pytest.mark.parametrize(
    ("system", "expected"), [("nuclei-unet", [0, 0, 0]), ("lexy", [0, 0, 0]), ("hourglass", [6, 0, 0])]
)
def test_counts_of_noise(system: str, expected: list[int]) -> None:
    assert counts(system, noise().movie(), GOLDEN[system][0], 18.0) == expected
