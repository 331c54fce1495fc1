from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unfade.data import ReadSettings, open_movie
from unfade.errors import AmbiguousAxesError, AxisError, InputError, ShapeError, UnreadableFileError


def whole(path: Path, **options: object) -> np.ndarray:
    return np.stack(list(open_movie(path, ReadSettings.parse(options)).frames()))


def test_ome_pixels_and_metadata(ome, movie) -> None:
    path = ome(
        movie,
        "TCYX",
        Channel={"Name": ["nuclear marker", "ERK reporter"]},
        PhysicalSizeX=650.0,
        PhysicalSizeXUnit="nm",
        PhysicalSizeY=650.0,
        PhysicalSizeYUnit="nm",
        TimeIncrement=5.0,
        TimeIncrementUnit="min",
    )
    found = open_movie(path)
    assert found.shape == movie.shape
    assert found.dtype == movie.dtype
    assert found.channels == ("nuclear marker", "ERK reporter")
    assert found.calibration.pixel_um == 0.65
    assert found.calibration.interval_s == 300.0
    assert found.calibration.times_s is None
    np.testing.assert_array_equal(whole(path), movie)


@pytest.mark.parametrize("axes", ["CTYX", "TCYX"])
def test_order_of_the_axes(ome, movie, axes: str) -> None:
    data = movie if axes == "TCYX" else movie.swapaxes(0, 1)
    np.testing.assert_array_equal(whole(ome(data, axes)), movie)


def test_irregular_time_stamps_are_kept(ome, movie) -> None:
    stamps = [0.0, 10.0, 20.0, 50.0, 60.0]
    per_plane = [s + 0.5 * c for s in stamps for c in range(2)]
    path = ome(movie, "TCYX", Plane={"DeltaT": per_plane, "DeltaTUnit": ["s"] * 10})
    found = open_movie(path)
    assert found.calibration.times_s == tuple(stamps)
    assert any("not evenly spaced" in note for note in found.notes)
    assert open_movie(path, ReadSettings(frames="2:5")).calibration.times_s == (20.0, 50.0, 60.0)
    assert open_movie(path, ReadSettings(interval_s=7)).calibration.times_s is None


def test_time_stamps_of_other_axes_are_left_out(ome, movie) -> None:
    path = ome(movie, "TCYX", Plane={"DeltaT": [t**2.0 for t in range(5) for _ in range(2)]})
    assert open_movie(path).calibration.times_s is not None
    turned = open_movie(path, ReadSettings(axes="CTYX"))
    assert (turned.shape[:2], turned.calibration.times_s) == ((2, 5), None)


def test_even_time_stamps_become_the_interval(ome, movie) -> None:
    path = ome(movie, "TCYX", Plane={"DeltaT": [60.0 * t for t in range(5) for _ in range(2)]}, TimeIncrement=10.0)
    found = open_movie(path)
    assert (found.calibration.interval_s, found.calibration.times_s) == (60.0, None)
    assert any("the stamps are taken" in note for note in found.notes)


def test_options_stand_over_the_file(ome, movie) -> None:
    path = ome(movie, "TCYX", PhysicalSizeX=1.0, PhysicalSizeY=1.0, TimeIncrement=1.0)
    found = open_movie(path, ReadSettings(pixel_um=0.5, interval_s=30)).calibration
    assert (found.pixel_um, found.interval_s) == (0.5, 30)


def test_z_is_projected_or_chosen(ome) -> None:
    data = np.random.default_rng(0).integers(0, 900, (3, 4, 2, 16, 20)).astype(np.uint16)
    path = ome(data, "TZCYX")
    with pytest.raises(AxisError, match="--project max"):
        open_movie(path)
    np.testing.assert_array_equal(whole(path, project="max"), data.max(1))
    np.testing.assert_array_equal(whole(path, z=2), data[:, 2])
    mean = whole(path, project="mean")
    assert mean.dtype == open_movie(path, ReadSettings(project="mean")).dtype == np.float32
    np.testing.assert_allclose(mean, data.mean(1), rtol=1e-6)


def test_a_z_stack_is_not_taken_for_time(ome, movie) -> None:
    path = ome(movie[:, 0], "ZYX")
    with pytest.raises(AxisError, match="give --axes TYX if its planes are time points"):
        open_movie(path)
    np.testing.assert_array_equal(whole(path, axes="TYX")[:, 0], movie[:, 0])


def test_imagej_calibration(tmp_path: Path, movie) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path,
        movie,
        imagej=True,
        resolution=(1 / 0.325, 1 / 0.325),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 12.5},
    )
    found = open_movie(path)
    assert found.calibration.pixel_um == pytest.approx(0.325, rel=1e-5)
    assert found.calibration.interval_s == 12.5
    np.testing.assert_array_equal(whole(path), movie)


def test_an_imagej_stack_without_time_is_a_z_stack(tmp_path: Path, movie) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie[:, 0], imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(AxisError, match="Z = 5, T = 1"):
        open_movie(path)


@pytest.mark.parametrize(("dpi", "expected"), [(72, None), (25400 / 0.5, 0.5)])
def test_resolution_of_a_plain_file(tmp_path: Path, movie, dpi: float, expected: float | None) -> None:
    path = tmp_path / "still.tif"
    tifffile.imwrite(path, movie[0, 0], resolution=(dpi, dpi), resolutionunit="INCH", metadata=None)
    assert open_movie(path).calibration.pixel_um == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_a_plain_stack_is_ambiguous(tmp_path: Path, movie) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, movie[:, 0], metadata=None, photometric="minisblack")
    with pytest.raises(AmbiguousAxesError, match=r"\(5, 24, 32\) could be TYX, CYX or ZYX; .* --axes TYX"):
        open_movie(path)
    np.testing.assert_array_equal(whole(path, axes="TYX")[:, 0], movie[:, 0])
    assert open_movie(path, ReadSettings(axes="cyx")).shape == (1, 5, 24, 32)


def test_four_unnamed_axes_are_ambiguous(tmp_path: Path, movie) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, movie, photometric="minisblack")
    with pytest.raises(AmbiguousAxesError, match=re.escape("(5, 2, 24, 32) could be TCYX")):
        open_movie(path)
    np.testing.assert_array_equal(whole(path, axes="TCYX"), movie)


def test_samples_apart_are_ambiguous_with_frames(tmp_path: Path) -> None:
    path = tmp_path / "three.tif"
    tifffile.imwrite(path, np.zeros((3, 16, 20), np.uint8), photometric="rgb", planarconfig="separate", metadata=None)
    with pytest.raises(AmbiguousAxesError, match="TYX, CYX or ZYX"):
        open_movie(path)


def test_colours_become_channels(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 255, (3, 16, 20, 4)).astype(np.uint8)
    path = tmp_path / "colour.tif"
    tifffile.imwrite(path, data[..., :3], photometric="rgb", metadata={"axes": "TYXS"})
    assert open_movie(path, ReadSettings(axes="TYXC")).shape == (3, 3, 16, 20)
    found = open_movie(path)
    assert found.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(whole(path), np.moveaxis(data[..., :3], -1, 1))
    tifffile.imwrite(path, data, photometric="rgb", extrasamples=["UNASSALPHA"], metadata={"axes": "TYXS"})
    assert open_movie(path).channels == ("red", "green", "blue")
    assert any("alpha" in note for note in open_movie(path).notes)
    np.testing.assert_array_equal(whole(path), np.moveaxis(data[..., :3], -1, 1))


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib"},
        {"tile": (16, 16)},
        {"compression": "lzw"},
    ],
)
def test_ways_of_storing(tmp_path: Path, movie, options: dict) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TCYX"}, photometric="minisblack", **options)
    assert open_movie(path).dtype.isnative
    np.testing.assert_array_equal(whole(path), movie)
    assert whole(path).dtype.isnative


def test_pages_without_directories(tmp_path: Path, movie) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TCYX"}, byteorder="<")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes()[: offset + movie.nbytes])
    at = int.from_bytes(data[4:8], "little")
    end = at + 2 + 12 * int.from_bytes(data[at : at + 2], "little")
    data[end : end + 4] = bytes(4)  # the first directory is the last one, as in large ImageJ stacks
    path.write_bytes(data)
    np.testing.assert_array_equal(whole(path), movie)
    path.write_bytes(data[:-10])
    with pytest.raises(UnreadableFileError, match="cut off: one of its 10 images"):
        whole(path)


def test_one_directory_for_all_pixels(tmp_path: Path, movie) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TCYX"}, photometric="minisblack", truncate=True, byteorder=">")
    found = open_movie(path)
    np.testing.assert_array_equal(whole(path), movie)
    assert found.frame(0).dtype.isnative
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFileError, match="cut off: the end of its pixels"):
        open_movie(path)


def test_truth_values_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    mask = np.eye(24, 32, dtype=bool)
    tifffile.imwrite(path, mask)
    assert open_movie(path).dtype == np.uint8
    np.testing.assert_array_equal(whole(path)[0, 0], mask)


def test_complex_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wave.tif"
    tifffile.imwrite(path, np.zeros((24, 32), np.complex64))
    with pytest.raises(UnreadableFileError, match="pixels of type complex64"):
        open_movie(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers(ome, movie, value: float) -> None:
    data = movie.astype(np.float32)
    data[3, 1, 4, 5:8] = value
    found = open_movie(ome(data, "TCYX", Channel={"Name": ["A", "B"]}))
    assert found.frame(2).dtype == np.float32
    with pytest.raises(InputError, match="Frame 3 has 3 NaN or infinite pixels in channel 'B'"):
        found.frame(3)


def test_pages_of_different_sizes(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    with tifffile.TiffWriter(path) as tif:
        for height in (16, 16, 18, 16):
            tif.write(np.zeros((height, 20), np.uint8), metadata=None, contiguous=False)
    with pytest.raises(ShapeError, match="page 2 is 18 x 20 uint8 and page 0 16 x 20 uint8"):
        open_movie(path)


def test_several_images_read_the_first(tmp_path: Path, movie) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(movie, metadata={"axes": "TCYX"}, photometric="minisblack")
        tif.write(movie + 1, metadata={"axes": "TCYX"}, photometric="minisblack")
    assert any("holds 2 images" in note for note in open_movie(path).notes)
    np.testing.assert_array_equal(whole(path), movie)


def test_an_acquisition_that_stopped_early(ome, movie) -> None:
    path = ome(movie, "TCYX")
    text = path.read_bytes()
    assert text.count(b'SizeT="5"') == text.count(b'PlaneCount="10"') == 1
    path.write_bytes(text.replace(b'SizeT="5"', b'SizeT="9"').replace(b'PlaneCount="10"', b'PlaneCount="18"', 1))
    with pytest.raises(UnreadableFileError, match="announces 9 frames and holds only the first 5; use --frames 0:5"):
        open_movie(path)
    np.testing.assert_array_equal(whole(path, frames="1:5"), movie[1:])


def test_a_set_of_files(tmp_path: Path, movie, caplog: pytest.LogCaptureFixture) -> None:
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    blank = '<TiffData IFD="0" FirstT="{t}" PlaneCount="1"><UUID FileName="{f}">urn:uuid:{u}</UUID></TiffData>'
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="1" SizeC="1" '
        'SizeT="2">'
        f"{blank.format(t=0, f=first.name, u=1)}{blank.format(t=1, f=second.name, u=2)}</Pixels></Image></OME>"
    )
    for path, plane in ((first, movie[0, 0]), (second, movie[1, 0])):
        tifffile.imwrite(path, plane, description=xml, metadata=None)
    np.testing.assert_array_equal(whole(first)[:, 0], movie[:2, 0])
    second.unlink()
    with pytest.raises(UnreadableFileError, match="holds only the first 1; use --frames 0:1"):
        open_movie(first)
    with tifffile.TiffFile(first) as tif:
        assert len(tif.series) == 1
    assert caplog.records, "tifffile itself complains"
    caplog.clear()
    open_movie(first, ReadSettings(frames=":1")).frame(0)
    assert not caplog.records
