"""The movies that the project is built on, read as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.data import describe, open_labels, open_movie
from unfade.errors import MissingInputError, ShapeError


def test_ktr(data_root: Path) -> None:
    path = data_root / "ktr" / "ktr_left.ome.tif"
    movie = open_movie(path)
    assert movie.shape == (27, 3, 1024, 512)
    assert movie.channels == ("nuclear marker", "ERK reporter", "Akt reporter")
    assert movie.calibration.pixel_um is None
    np.testing.assert_array_equal(movie.frame(19), tifffile.imread(path, key=range(57, 60)))
    labels = open_labels(data_root / "ktr" / "ktr_left_nuclei_silver.tif")
    assert labels.shape == (27, 1024, 512)
    warnings = " ".join(describe(path)["warnings"])
    assert "'ERK reporter': saturated: 0.3% of the pixels are at 4095" in warnings
    assert "'nuclear marker': clipped: 80%" in warnings


@pytest.mark.parametrize(
    ("folder", "shape", "dtype"),
    [
        ("Fluo-N2DH-SIM+/01", (65, 1, 690, 628), np.uint16),
        ("DIC-C2DH-HeLa/02", (84, 1, 512, 512), np.uint8),
        ("Fluo-N2DL-HeLa-10frames/02", (10, 1, 700, 1100), np.uint16),
    ],
)
def test_challenge_movies(data_root: Path, folder: str, shape: tuple[int, ...], dtype: type) -> None:
    movie = open_movie(data_root / "ctc" / folder)
    assert (movie.shape, movie.dtype) == (shape, dtype)
    files = sorted((data_root / "ctc" / folder).glob("*.tif"))
    np.testing.assert_array_equal(movie.frame(7, 0), tifffile.imread(files[7]))


def test_challenge_labels(data_root: Path) -> None:
    labels = open_labels(data_root / "ctc" / "DIC-C2DH-HeLa" / "01_ST" / "SEG")
    assert labels.shape == (84, 512, 512)
    with pytest.raises(ShapeError, match="do not cover every frame"):
        open_labels(data_root / "ctc" / "DIC-C2DH-HeLa" / "01_GT" / "SEG")


def test_a_data_set_is_no_movie(data_root: Path) -> None:
    with pytest.raises(MissingInputError, match="give one of 01, 01_GT"):
        open_movie(data_root / "ctc" / "DIC-C2DH-HeLa")
    with pytest.raises(ShapeError, match="All frames must be alike"):
        open_movie(data_root / "dsb2018" / "images")
