"""`unfade run --uncertainty`: a column, a map, and messages that say what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unfade import api
from unfade.data import open_movie
from unfade.data.tiff_writer import write_ome_tiff
from unfade.errors import SettingsError
from unfade.pipeline.settings import RunSettings
from unfade.records import Movie
from unfade.testing.movies import tiny


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "movie.ome.tif"
    write_ome_tiff(path, Movie.of(np.stack([tiny().frame(t).image for t in range(2)])))
    return path


def settings(**predict: object) -> RunSettings:
    return RunSettings.parse({"predict": {"diameter": 12.0, "device": "cpu", **predict}})


def test_a_run_tells_uncertainty_of_objects_and_pixels(film: Path, tmp_path: Path) -> None:
    folder = api.run(film, tmp_path / "run", settings(uncertainty="tta"))
    rows = pd.read_parquet(folder.objects)
    assert len(rows) > 2
    known = rows[["u_total", "u_data", "u_model"]].to_numpy()
    assert ((known > 0) & (known <= 1)).all()
    assert known[:, 0] == pytest.approx(known[:, 1] + known[:, 2], abs=1e-5)
    assert rows["confidence"].to_numpy() == pytest.approx(1 - known[:, 0], abs=1e-6)
    maps = open_movie(folder.uncertainty)
    assert maps.channels == ("total", "data", "model")
    assert maps.shape == (2, 3, *open_movie(film).shape[2:])
    assert max(float(np.max(frame)) for frame in maps.frames()) > 0.5  # somewhere runs an outline


def test_without_it_data_and_model_part_are_unknown(film: Path, tmp_path: Path) -> None:
    folder = api.run(film, tmp_path / "run", settings())
    rows = pd.read_parquet(folder.objects)
    assert rows["u_data"].isna().all()
    assert rows["u_total"].to_numpy() == pytest.approx(1 - rows["confidence"].to_numpy())
    assert not folder.uncertainty.exists()


def test_an_ensemble_of_weights_is_one_more_opinion(film: Path, tmp_path: Path) -> None:
    folder = api.run(film, tmp_path / "run", settings(uncertainty="ensemble", members=["nuclei-unet-dsb2018"]))
    rows = pd.read_parquet(folder.objects)
    assert rows["u_model"].to_numpy() == pytest.approx(0, abs=1e-5)  # both members are the same weights


@pytest.mark.parametrize(
    ("how", "says"), [("ensemble", "--member"), ("wta", "one head"), ("oracle", "no estimator called 'oracle'")]
)
def test_what_is_missing_is_said_before_anything_is_written(film: Path, tmp_path: Path, how: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        api.run(film, tmp_path / "run", settings(uncertainty=how))
    assert not (tmp_path / "run").exists()
