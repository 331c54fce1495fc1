from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaozarrs

from unfade.data import open_movie
from unfade.data.mapstore import write_maps
from unfade.errors import OutputError
from unfade.records import Calibration

NAMES = ("total", "data", "model")


def test_maps_are_an_image_that_can_be_read_again(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((2, 3, 5, 7)).astype(np.float32)
    path = tmp_path / "uncertainty.ome.zarr"
    write_maps(path, iter(maps), maps.shape, NAMES, Calibration(0.5, 60.0))
    movie = open_movie(path)
    assert movie.channels == NAMES
    assert movie.calibration == Calibration(0.5, 60.0)
    assert np.stack(list(movie.frames())) == pytest.approx(maps)
    yaozarrs.validate_zarr_store(path)


def test_nothing_stays_of_a_failure(tmp_path: Path) -> None:
    def broken() -> object:
        yield np.zeros((3, 5, 7), np.float32)
        raise OutputError("stop")

    with pytest.raises(OutputError):
        write_maps(tmp_path / "u.ome.zarr", broken(), (2, 3, 5, 7), NAMES)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
