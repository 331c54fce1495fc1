from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from unfade.data import ReadSettings, open_movie
from unfade.errors import AmbiguousAxesError, AxisError, InputError, MissingInputError, ShapeError, UnreadableFileError


def fill(folder: Path, frames: np.ndarray, name: str = "t{:03}.tif", first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for t, frame in enumerate(frames, first):
        path = folder / name.format(t)
        if path.suffix == ".tif":
            tifffile.imwrite(path, frame, compression="zlib", photometric="minisblack", metadata=None)
        else:
            path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(frame)))
    return folder


def whole(folder: Path, **options: object) -> np.ndarray:
    return np.stack(list(open_movie(folder, ReadSettings.parse(options)).frames()))


@pytest.mark.parametrize("name", ["t{:03}.tif", "frame {}.tif", "Img_{}_x.png", "{}.PNG"])
def test_frames_in_natural_order(tmp_path: Path, name: str) -> None:
    frames = np.random.default_rng(0).integers(0, 999, (12, 16, 20)).astype(np.uint16)
    fill(tmp_path, frames, name)
    (tmp_path / ".hidden.tif").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    found = open_movie(tmp_path)
    assert (found.shape, found.dtype, found.notes) == ((12, 1, 16, 20), np.uint16, ())
    np.testing.assert_array_equal(whole(tmp_path)[:, 0], frames)


@pytest.mark.parametrize("name", ["t{}.tif", "t{}.png"])
def test_frames_of_different_sizes_name_the_first_offender(tmp_path: Path, movie: np.ndarray, name: str) -> None:
    fill(tmp_path, movie[:3, 0], name)
    fill(tmp_path, movie[3:, 0, :20], name, first=3)
    with pytest.raises(ShapeError, match=rf"{name.format(3)} is 20 x 32.* and {name.format(0)} 24 x 32"):
        open_movie(tmp_path)


def test_frames_of_different_types(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:2, 0])
    fill(tmp_path, movie[2:, 0].astype(np.uint8), first=2)
    with pytest.raises(ShapeError, match=r"t002.tif is 24 x 32 uint8 and t000.tif 24 x 32 uint16"):
        open_movie(tmp_path)


def test_frames_of_different_axes(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:2, 0])
    tifffile.imwrite(tmp_path / "t002.tif", np.zeros((24, 32, 3), np.uint8), photometric="rgb")
    with pytest.raises(ShapeError, match=r"t002.tif has other axes than t000.tif"):
        open_movie(tmp_path)


def test_a_damaged_frame_is_named(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:, 0])
    path = tmp_path / "t003.tif"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableFileError, match=r"t003.tif is cut off"):
        open_movie(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="holds no TIFF, PNG or JPEG file; give a folder with one file"):
        open_movie(tmp_path)


def test_a_folder_of_folders_lists_them(tmp_path: Path) -> None:
    (tmp_path / "01").mkdir()
    (tmp_path / "02").mkdir()
    with pytest.raises(MissingInputError, match="give one of 01, 02"):
        open_movie(tmp_path)


def test_two_kinds_of_files(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:3, 0])
    fill(tmp_path, movie[:2, 0], "t{}.png")
    with pytest.raises(InputError, match=r"mixes 3 TIFF and 2 PNG|mixes 2 PNG and 3 TIFF"):
        open_movie(tmp_path)


def test_numbers_that_skip_are_noted(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:2, 0])
    fill(tmp_path, movie[2:, 0], first=7)
    assert "after t001.tif comes t007.tif" in open_movie(tmp_path).notes[0]


@pytest.mark.parametrize("name", ["t{:03}_c{}.tif", "{}_ch{}.tif", "f{}z{}.tif", "t{} w{}.png"])
def test_names_that_count_channels(tmp_path: Path, movie: np.ndarray, name: str) -> None:
    for t in range(2):
        for c in range(2):
            fill(tmp_path, movie[t, c][None], name.format(t, c))
    with pytest.raises(AmbiguousAxesError, match="beside time"):
        open_movie(tmp_path)


def test_names_with_a_constant_channel(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:, 0], "c1_t{:02}.tif")
    assert len(open_movie(tmp_path)) == 5


def test_several_channels_in_each_file(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie)
    with pytest.raises(AmbiguousAxesError, match="give --axes TCYX if each holds the channels"):
        open_movie(tmp_path)
    np.testing.assert_array_equal(whole(tmp_path, axes="TCYX"), movie)
    np.testing.assert_array_equal(whole(tmp_path, axes="CYX"), movie)
    np.testing.assert_array_equal(whole(tmp_path, axes="TZYX", project="max")[:, 0], movie.max(1))
    with pytest.raises(AxisError, match="--project max"):
        whole(tmp_path, axes="TZYX")


def test_named_channels_in_each_file(tmp_path: Path, movie: np.ndarray) -> None:
    for t, frame in enumerate(movie):
        tifffile.imwrite(
            tmp_path / f"t{t}.ome.tif",
            frame,
            metadata={"axes": "CYX", "Channel": {"Name": ["A", "B"]}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
            photometric="minisblack",
        )
    found = open_movie(tmp_path)
    assert (found.channels, found.calibration.pixel_um) == (("A", "B"), 0.5)
    np.testing.assert_array_equal(whole(tmp_path), movie)


def test_time_series_in_each_file(tmp_path: Path, movie: np.ndarray) -> None:
    for n in range(2):
        tifffile.imwrite(tmp_path / f"{n}.tif", movie[:, 0], metadata={"axes": "TYX"})
    with pytest.raises(AxisError, match="hold 5 time points each"):
        open_movie(tmp_path)


def test_coloured_pictures_become_channels(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 20, 4)).astype(np.uint8)
    fill(tmp_path / "rgb", frames[..., :3], "t{}.png")
    assert open_movie(tmp_path / "rgb").channels == ("red", "green", "blue")
    np.testing.assert_array_equal(whole(tmp_path / "rgb"), np.moveaxis(frames[..., :3], -1, 1))
    fill(tmp_path / "rgba", frames, "t{}.png")
    assert "opacity" in open_movie(tmp_path / "rgba").notes[0]
    np.testing.assert_array_equal(whole(tmp_path / "rgba"), np.moveaxis(frames[..., :3], -1, 1))


def test_pictures_of_two_bytes(tmp_path: Path, movie: np.ndarray) -> None:
    fill(tmp_path, movie[:, 0], "t{}.png")
    assert open_movie(tmp_path).dtype == np.uint16


def test_jpeg_says_that_it_is_lossy(tmp_path: Path) -> None:
    path = tmp_path / "still.jpg"
    image = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (24, 1))
    path.write_bytes(imagecodecs.jpeg8_encode(image, level=98))
    found = open_movie(path)
    assert "lossy" in found.notes[0]
    assert np.abs(found.frame(0, 0).astype(int) - image).max() <= 4


def test_one_picture_is_a_movie_of_one_frame(tmp_path: Path, movie: np.ndarray) -> None:
    path = fill(tmp_path, movie[:1, 0], "t{}.png") / "t0.png"
    np.testing.assert_array_equal(whole(path)[0, 0], movie[0, 0])
