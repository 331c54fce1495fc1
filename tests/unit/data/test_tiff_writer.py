"""What is written as OME-TIFF is read back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.data import open_labels, open_movie
from unfade.data.tiff_writer import write_label_frames, write_ome_tiff
from unfade.errors import OutputError
from unfade.records import Calibration, Movie


def movie(calibration: Calibration = Calibration(), dtype: str = "uint16") -> Movie:
    values = np.random.default_rng(0).integers(0, 200, (3, 2, 16, 24)).astype(dtype)
    return Movie.of(values, ["nuclear marker", "reporter µ"], calibration)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pixels_and_channels_come_back(tmp_path: Path, dtype: str) -> None:
    made = movie(dtype=dtype)
    write_ome_tiff(tmp_path / "m.ome.tif", made)
    back = open_movie(tmp_path / "m.ome.tif")
    assert back.shape == (3, 2, 16, 24)
    assert back.dtype == np.dtype(dtype)
    assert back.channels == ("nuclear marker", "reporter µ")
    assert all(np.array_equal(a, b) for a, b in zip(back.frames(), made.frames(), strict=True))
    assert back.calibration == Calibration()


def test_pixel_size_and_interval_come_back(tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "m.ome.tif", movie(Calibration(0.325, 12.5)))
    assert open_movie(tmp_path / "m.ome.tif").calibration == Calibration(0.325, 12.5)


def test_irregular_times_come_back(tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "m.ome.tif", movie(Calibration(times_s=(0.0, 10.0, 35.0))))
    assert open_movie(tmp_path / "m.ome.tif").calibration.times_s == (0.0, 10.0, 35.0)


def test_equal_movies_give_equal_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_ome_tiff(tmp_path / folder / "m.ome.tif", movie(Calibration(1.0, 1.0)))
    assert (tmp_path / "a" / "m.ome.tif").read_bytes() == (tmp_path / "b" / "m.ome.tif").read_bytes()


def test_frames_are_asked_for_once_each_in_order(tmp_path: Path) -> None:
    asked: list[int] = []
    made = movie()

    def read(t: int) -> np.ndarray:
        asked.append(t)
        return made.frame(t)

    told: list[tuple[int, int]] = []
    lazy = Movie(made.shape, made.dtype, made.channels, read)
    write_ome_tiff(tmp_path / "m.ome.tif", lazy, lambda done, total: told.append((done, total)))
    assert asked == [0, 1, 2]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_movie_that_breaks_leaves_the_old_file(tmp_path: Path) -> None:
    def read(t: int) -> np.ndarray:
        if t == 1:
            raise RuntimeError("gone")
        return movie().frame(t)

    target = tmp_path / "m.ome.tif"
    target.write_bytes(b"old")
    made = movie()
    with pytest.raises(RuntimeError, match="gone"):
        write_ome_tiff(target, Movie(made.shape, made.dtype, made.channels, read))
    assert [p.name for p in tmp_path.iterdir()] == ["m.ome.tif"]
    assert target.read_bytes() == b"old"


def test_label_frames_come_back(tmp_path: Path) -> None:
    labels = np.arange(2 * 6 * 5, dtype=np.int32).reshape(2, 6, 5) * 1000
    write_label_frames(tmp_path / "cells", labels)
    assert sorted(p.name for p in (tmp_path / "cells").iterdir()) == ["mask000.tif", "mask001.tif"]
    assert np.array_equal(np.asarray(open_labels(tmp_path / "cells")), labels)
    assert tifffile.imread(tmp_path / "cells" / "mask001.tif").dtype == np.uint16


def test_labels_beyond_sixteen_bits_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Frame 1 has label 65536"):
        write_label_frames(tmp_path / "cells", [np.full((2, 2), 65_535), np.full((2, 2), 65_536)])
    assert list(tmp_path.iterdir()) == []
