from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.data import ReadSettings, describe
from unfade.errors import MissingInputError, UnreadableFileError


def test_facts(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX", Channel={"Name": ["A", "B"]}, PhysicalSizeX=0.5, PhysicalSizeY=0.5, TimeIncrement=60.0)
    facts = describe(path)
    assert json.loads(json.dumps(facts)) == facts
    wanted = {"format": "OME-TIFF", "axes": "TCYX", "shape": [5, 2, 24, 32], "frames": 5, "height": 24, "width": 32}
    wanted |= {"dtype": "uint16", "pixel_um": 0.5, "interval_s": 60.0, "times_s": None, "warnings": []}
    assert {name: facts[name] for name in wanted} == wanted
    first = facts["channels"][0]
    assert (first["name"], first["min"], first["max"]) == ("A", movie[0, 0].min(), movie[0, 0].max())
    assert first["percentile_50"] == np.median(movie[0, 0])


def test_options_count(ome, movie: np.ndarray) -> None:
    facts = describe(ome(movie, "TCYX"), ReadSettings(pixel_um=0.3, interval_s=9))
    assert (facts["pixel_um"], facts["interval_s"]) == (0.3, 9)


def test_saturated_and_clipped_pixels_are_told(ome, movie: np.ndarray) -> None:
    movie[0, 1, 0] = 4095
    movie[0, 0, :6] = 0
    warnings = describe(ome(movie, "TCYX", Channel={"Name": ["A", "B"]}))["warnings"]
    assert "channel 'A': clipped: 25% of the pixels are exactly 0, its background cannot be measured" in warnings
    assert "channel 'B': saturated: 4.2% of the pixels are at 4095" in warnings
    assert len(warnings) == 2


def test_a_single_bright_pixel_is_not_saturation(ome) -> None:
    data = np.full((2, 128, 128), 100, np.uint16)
    data[0, 5, 5] = 4095
    assert describe(ome(data, "TYX"))["warnings"] == []


def test_a_constant_frame_is_told(ome) -> None:
    warnings = describe(ome(np.zeros((2, 8, 8), np.uint8), "TYX"))["warnings"]
    assert warnings == ["channel 'channel 0': the first frame is constant (0)"]


def test_pixels_that_are_no_numbers_are_told(ome, movie: np.ndarray) -> None:
    data = movie.astype(np.float32)
    data[0, 0, 0, :3] = np.nan
    facts = describe(ome(data, "TCYX"))
    assert any("3 NaN or infinite pixels" in text for text in facts["warnings"])
    assert np.isfinite(facts["channels"][0]["max"])


def test_a_frame_of_nothing_but_nan(ome) -> None:
    facts = describe(ome(np.full((2, 8, 8), np.nan, np.float32), "TYX"))
    assert facts["channels"] == [{"name": "channel 0"}]


def test_a_z_axis_is_a_warning(ome, movie: np.ndarray) -> None:
    facts = describe(ome(movie, "TZYX"))
    assert facts["axes"] == "TZYX"
    assert any("--project max" in text for text in facts["warnings"])


def test_files_that_cannot_be_read(tmp_path: Path, movie: np.ndarray) -> None:
    with pytest.raises(MissingInputError):
        describe(tmp_path / "none.tif")
    path = tmp_path / "still.tif"
    tifffile.imwrite(path, movie[0, 0], compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset + 2 : offset + 40] = bytes(38)
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match="frame 0 cannot be read"):
        describe(path)
