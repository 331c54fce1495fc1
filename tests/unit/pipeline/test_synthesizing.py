"""A synthetic movie on disk agrees with its truth on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.data import ctc, open_labels, open_movie
from unfade.data.ctc_faults import validate
from unfade.data.table import read_table
from unfade.datasets.reading import read_training_folder
from unfade.errors import OutputError, SettingsError
from unfade.pipeline.synthesizing import synthesize
from unfade.settings import read_toml
from unfade.synth import CellMovie, CellMovieSettings, TranslocationMovie, TranslocationSettings
from unfade.testing.movies import tiny


def test_the_files_hold_the_movie_and_its_truth(tmp_path: Path) -> None:
    expected = tiny()
    told: list[tuple[str, int, int]] = []
    out, truth = tmp_path / "m.ome.tif", tmp_path / "truth"
    synthesize(out, expected.settings, truth, lambda *step: told.append(step))
    movie = open_movie(out)
    assert movie.channels == ("nuclear marker", "reporter")
    assert movie.calibration == expected.calibration
    assert all(np.array_equal(movie.frame(t), expected.frame(t).image) for t in range(5))
    assert validate(truth / "01_GT") == []
    read = ctc.read(truth / "01_GT")
    assert np.array_equal(np.asarray(read.labels), np.asarray(expected.labels()))
    assert all(np.array_equal(read.seg[t], expected.labels().frame(t)) for t in range(5))
    assert np.array_equal(np.asarray(open_labels(truth / "cells")), np.asarray(expected.labels("cell")))
    assert np.allclose(read_table(truth / "objects.csv").rows["ratio"], expected.truth().rows["ratio"], equal_nan=True)
    assert told[-1] == ("synthesize", 5, 5)


def test_the_settings_beside_the_truth_repeat_the_movie(tmp_path: Path) -> None:
    wanted = tiny(seed=3).settings.changed(reporter={"stimulus_frame": "never"})
    made = synthesize(tmp_path / "m.ome.tif", wanted, tmp_path / "truth")
    again = CellMovie(CellMovieSettings.parse(read_toml(tmp_path / "truth" / "synth.toml")))
    assert again.settings == made.settings
    assert np.array_equal(again.frame(2).image, made.frame(2).image)


def test_a_movie_without_cells_has_an_empty_truth(tmp_path: Path) -> None:
    settings = CellMovieSettings.parse({"frames": 1, "height_px": 32, "width_px": 32, "growth": {"cells": 0}})
    synthesize(tmp_path / "m.tif", settings, tmp_path / "truth")
    assert len(read_table(tmp_path / "truth" / "objects.csv")) == 0
    assert (tmp_path / "truth" / "01_GT" / "TRA" / "man_track.txt").read_text() == ""


def test_another_ending_and_a_taken_folder_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"call it 'm.ome.tif'"):
        synthesize(tmp_path / "m.png", tiny().settings)
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "mine").touch()
    with pytest.raises(OutputError, match="is there already"):
        synthesize(tmp_path / "m.ome.tif", tiny().settings, tmp_path / "truth")
    assert [p.name for p in tmp_path.iterdir()] == ["truth"]


def test_a_translocation_movie_takes_its_nuclei_from_stills(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "stills" / name).mkdir(parents=True)
    y, x = np.mgrid[:64, :64]
    labels = ((y - 30) ** 2 / 4 + (x - 32) ** 2 < 12**2).astype(np.uint16)  # twice as long as wide
    for part in ("a", "b"):
        tifffile.imwrite(tmp_path / "stills" / "images" / f"{part}.tif", (labels * 100).astype(np.uint8))
        tifffile.imwrite(tmp_path / "stills" / "masks" / f"{part}.tif", labels)
    settings = TranslocationSettings.parse({"frames": 2, "height_px": 64, "width_px": 96, "nuclei": {"texture": 0}})
    made = synthesize(tmp_path / "m.ome.tif", settings, tmp_path / "truth", stills=tmp_path / "stills")
    assert isinstance(made, TranslocationMovie)
    assert made.shapes.depth.shape[0] == 1
    movie = open_movie(tmp_path / "m.ome.tif")
    assert movie.channels == ("reporter", "nuclear marker")
    assert validate(tmp_path / "truth" / "01_GT") == []
    stills = read_training_folder(tmp_path / "truth")
    assert [s.part for s in stills] == ["train", "val"]
    assert np.array_equal(stills[0].image[0, 0], movie.frame(0, 0))
    assert np.array_equal(stills[0].labels[0], made.frame(0).nuclei)
    again = TranslocationSettings.parse(read_toml(tmp_path / "truth" / "synth.toml"))
    assert again == settings


def test_an_earlier_movie_and_its_truth_are_replaced_only_when_asked(tmp_path: Path) -> None:
    out, truth = tmp_path / "m.ome.tif", tmp_path / "truth"
    first, small = tiny().settings, tiny().settings.changed(frames=1)
    synthesize(out, first, truth)
    before = out.read_bytes()
    with pytest.raises(OutputError, match=r"m\.ome\.tif is there already; .*--overwrite"):
        synthesize(out, small)
    with pytest.raises(OutputError, match=r"truth is there already; .*--overwrite"):
        synthesize(tmp_path / "n.ome.tif", small, truth)
    assert out.read_bytes() == before
    synthesize(out, small, truth, overwrite=True)
    assert open_movie(out).shape[0] == 1
    assert len(list((truth / "01").iterdir())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.ome.tif", "truth"]


def test_a_folder_that_is_no_truth_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(OutputError, match="choose another place for the truth"):
        synthesize(tmp_path / "m.ome.tif", tiny().settings, tmp_path / "mine", overwrite=True)
    (tmp_path / "d.tif").mkdir()
    with pytest.raises(OutputError, match=r"d\.tif is there already"):
        synthesize(tmp_path / "d.tif", tiny().settings, overwrite=True)
    assert (tmp_path / "mine" / "notes.txt").exists()


@pytest.mark.parametrize(
    "settings",
    [
        CellMovieSettings.parse({"width_px": 16, "growth": {"diameter_px": 200}}),
        TranslocationSettings.parse({"height_px": 16, "nuclei": {"diameter_px": 200}}),
    ],
)
def test_nuclei_larger_than_the_field_are_refused(
    settings: CellMovieSettings | TranslocationSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="Nuclei of 200 px do not fit a field of"):
        synthesize(tmp_path / "m.ome.tif", settings)
    assert list(tmp_path.iterdir()) == []


def test_stills_are_for_translocation_movies(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Stills give the nuclei"):
        synthesize(tmp_path / "m.ome.tif", tiny().settings, stills=tmp_path)
