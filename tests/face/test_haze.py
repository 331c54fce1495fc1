"""Haze told by a run itself: the same numbers as given ones, kept in its record, and again after a break."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.face.conftest import Command
from unfade import api
from unfade.data.tiff_writer import write_ome_tiff
from unfade.errors import SettingsError
from unfade.measure import MeasureSettings
from unfade.pipeline.session import Session
from unfade.pipeline.settings import RunSettings
from unfade.records import Movie
from unfade.settings import read_toml
from unfade.synth import CellMovie, CellMovieSettings, Growth, Reporter

SETTINGS = """schema = 1
[input]
segment_channel = "marker"
[predict]
diameter = 17.0
[measure]
haze = {haze}
haze_px = {spread}
ratio = "median"
background = "percentile"
"""


@pytest.fixture(scope="module")
def frames() -> Movie:
    settings = CellMovieSettings(frames=2, seed=3, growth=Growth(cells=24), reporter=Reporter(stimulus_frame=0))
    made = CellMovie(settings)
    return Movie.of(np.stack([made.frame(t).image for t in range(2)]), channels=("marker", "reporter"))


def settings_file(folder: Path, haze: str, spread: float = 8.0) -> Path:
    path = folder / f"{haze.strip(chr(34))}.toml"
    path.write_text(SETTINGS.format(haze=haze, spread=spread), encoding="utf-8")
    return path


def test_a_run_tells_the_haze_and_keeps_it(unfade: Command, frames: Movie, tmp_path: Path) -> None:
    movie = tmp_path / "movie.ome.tif"
    write_ome_tiff(movie, frames)
    asked = settings_file(tmp_path, '"measured"')
    assert unfade("run", movie, "-o", tmp_path / "told", "--settings", asked).code == 0
    found = json.loads((tmp_path / "told/manifest.json").read_text(encoding="utf-8"))["stages"]["measure"]["haze"]
    assert found["share"] == pytest.approx(0.1, abs=0.03)
    assert f"{found['share']:.1%} of it" in (tmp_path / "told/report.html").read_text(encoding="utf-8")
    given = settings_file(tmp_path, str(found["share"]), found["spread_px"])
    assert unfade("run", movie, "-o", tmp_path / "given", "--settings", given).code == 0
    told, same = (pd.read_csv(tmp_path / name / "objects.csv") for name in ("told", "given"))
    pd.testing.assert_frame_equal(told, same)
    (tmp_path / "told/objects.csv").unlink()
    assert unfade("run", movie, "-o", tmp_path / "told", "--settings", asked).code == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "told/objects.csv"), same)
    with pytest.raises(SettingsError, match=r"cannot be told, as .*; give its share, or 0"):
        api.measure(Movie.of(np.zeros((1, 1, 32, 32))), np.zeros((1, 32, 32), int), MeasureSettings(haze="measured"))
    live = Session(RunSettings.parse(read_toml(asked)), frames.channels)
    first = live.push(frames.frame(0)).objects
    assert live.haze is not None
    assert live.haze.share == found["share"]
    own = told[told["frame"] == 0]
    assert np.allclose(sorted(first["ratio_reporter"]), sorted(own["ratio_reporter"]), atol=1e-3)


def test_where_haze_cannot_be_told_the_report_says_why(unfade: Command, frames: Movie, tmp_path: Path) -> None:
    movie = tmp_path / "movie.ome.tif"
    write_ome_tiff(movie, Movie.of(np.zeros((1, 1, 64, 64), np.uint16), channels=("marker",)))
    assert unfade("run", movie, "-o", tmp_path / "out", "--settings", settings_file(tmp_path, '"measured"')).code == 0
    assert "its share cannot be told: there are fewer than 5 nuclei" in (tmp_path / "out/report.html").read_text(
        "utf-8"
    )
