from __future__ import annotations

import multiprocessing
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from unfade.data import ReadSettings, open_labels, open_movie
from unfade.errors import ChannelError, MissingInputError, SettingsError, ShapeError
from unfade.records import Movie


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"axes": "TCYQ"}, "letters of TCZYX"),
        ({"axes": "TTYX"}, "each once"),
        ({"axes": "TCY"}, "with y and x among them"),
        ({"frames": "5"}, "given as a:b"),
        ({"frames": "a:b"}, "given as a:b"),
        ({"frames": "-3:9"}, "given as a:b"),
        ({"frames": "9:3"}, "a before b"),
        ({"frames": "3:3"}, "a before b"),
        ({"project": "max", "z": 2}, "exclude each other"),
        ({"project": "median"}, "'project'"),
        ({"pixel_um": 0}, "'pixel_um'"),
        ({"interval_s": -1}, "'interval_s'"),
        ({"zoom": 2}, "'zoom' is not a known setting"),
    ],
)
def test_settings_that_cannot_be(values: dict, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        ReadSettings.parse(values)
    assert text.lower() in str(error.value).lower()


@pytest.mark.parametrize(
    ("frames", "expected"), [("1:3", [1, 2]), ("3:", [3, 4]), (":2", [0, 1]), (" 4 : 5 ", [4]), (":", [0, 1, 2, 3, 4])]
)
def test_a_range_of_frames(ome, movie: np.ndarray, frames: str, expected: list[int]) -> None:
    found = open_movie(ome(movie, "TCYX"), ReadSettings(frames=frames))
    assert len(found) == len(expected)
    np.testing.assert_array_equal(np.stack(list(found.frames())), movie[expected])


@pytest.mark.parametrize("frames", ["2:9", "5:", "7:8"])
def test_frames_beyond_the_end(ome, movie: np.ndarray, frames: str) -> None:
    with pytest.raises(ShapeError, match="not within a movie of 5 frames"):
        open_movie(ome(movie, "TCYX"), ReadSettings(frames=frames))


def test_channels_by_name_and_index(ome, movie: np.ndarray) -> None:
    found = open_movie(ome(movie, "TCYX", Channel={"Name": ["nuclear marker", "ERK reporter"]}))
    assert found.channel("erk reporter") == found.channel(1) == found.channel("1") == 1
    with pytest.raises(ChannelError, match="no channel 'Akt'; the movie has 0 'nuclear marker', 1 'ERK reporter'"):
        found.channel("Akt")


def total(movie: Movie) -> int:
    return sum(int(frame.sum()) for frame in movie.frames())


@pytest.mark.parametrize("style", ["ome", "imagej", "folder", "window"])
def test_movies_travel_to_spawned_processes(ome, tmp_path: Path, movie: np.ndarray, style: str) -> None:
    if style == "folder":
        for t, frame in enumerate(movie[:, 0]):
            tifffile.imwrite(tmp_path / f"t{t:03}.tif", frame)
        found, expected = open_movie(tmp_path), movie[:, :1]
    elif style == "imagej":
        tifffile.imwrite(tmp_path / "m.tif", movie, imagej=True, metadata={"axes": "TCYX"})
        found, expected = open_movie(tmp_path / "m.tif"), movie
    else:
        found, expected = open_movie(ome(movie, "TCYX"), ReadSettings(frames="1:5")), movie[1:]
    packed = pickle.dumps(found)
    assert len(packed) < 4000
    np.testing.assert_array_equal(np.stack(list(pickle.loads(packed).frames())), expected)
    if style == "window":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(total, (found,)) == int(expected.sum())


def test_no_file_stays_open(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX")
    found = open_movie(path)
    found.frame(3)
    assert str(path) not in [f.path for f in psutil.Process().open_files()]


def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    frame = np.zeros((200, 400), np.uint16)
    peaks = []
    for count in (4, 60):
        path = tmp_path / f"{count}.ome.tif"
        tifffile.imwrite(
            path, np.broadcast_to(frame, (count, *frame.shape)), metadata={"axes": "TYX"}, compression="zlib"
        )
        open_movie(path).frame(0)
        tracemalloc.start()
        for image in open_movie(path).frames():
            assert image.shape == (1, 200, 400)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + frame.nbytes


def test_label_stacks(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (4, 12, 16)).astype(np.uint16)
    for name, options in {
        "named.tif": {"metadata": {"axes": "TYX"}, "photometric": "minisblack"},
        "plain.tif": {"metadata": None, "photometric": "minisblack"},
        "z.tif": {"imagej": True, "metadata": {"axes": "ZYX"}},
    }.items():
        tifffile.imwrite(tmp_path / name, stack, **options)
        labels = open_labels(tmp_path / name)
        assert labels.shape == stack.shape
        assert labels.frame(0).dtype == np.int32
        np.testing.assert_array_equal(np.asarray(labels), stack)
    np.testing.assert_array_equal(np.asarray(open_labels(tmp_path / "named.tif", frames="1:3")), stack[1:3])
    tifffile.imwrite(tmp_path / "one.tif", stack[0])
    assert open_labels(tmp_path / "one.tif").shape == (1, 12, 16)


def test_a_folder_of_labels(tmp_path: Path) -> None:
    for t in range(3):
        tifffile.imwrite(tmp_path / f"mask{t:03}.tif", np.full((6, 8), t + 70_000, np.uint32))
    (tmp_path / "res_track.txt").write_text("1 0 2 0\n")
    assert [int(image.max()) for image in open_labels(tmp_path).frames()] == [70_000, 70_001, 70_002]


def test_a_folder_of_labels_that_skips_frames(tmp_path: Path) -> None:
    for t in (2, 5, 6):
        tifffile.imwrite(tmp_path / f"man_seg{t:03}.tif", np.zeros((6, 8), np.uint16))
    with pytest.raises(ShapeError, match=r"after man_seg002.tif comes man_seg005.tif"):
        open_labels(tmp_path)


def test_a_challenge_folder(tmp_path: Path) -> None:
    (tmp_path / "01_GT" / "TRA").mkdir(parents=True)
    for t in range(3):
        tifffile.imwrite(tmp_path / "01_GT" / "TRA" / f"man_track{t:03}.tif", np.full((6, 8), t, np.uint16))
    assert [int(image.max()) for image in open_labels(tmp_path / "01_GT").frames()] == [0, 1, 2]


def test_labels_are_integers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((2, 6, 8), np.float32), metadata={"axes": "TYX"})
    with pytest.raises(ShapeError, match=r"Labels are integers, .* type float32"):
        open_labels(tmp_path / "f.tif")


def test_labels_have_no_colours(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((6, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(ShapeError, match="has 3 channels"):
        open_labels(tmp_path / "rgb.tif")


@pytest.mark.parametrize(("dtype", "value"), [(np.int16, -1), (np.uint32, 2**31)])
def test_labels_out_of_range(tmp_path: Path, dtype: type, value: int) -> None:
    stack = np.zeros((2, 6, 8), dtype)
    stack[1, 0, 0] = value
    tifffile.imwrite(tmp_path / "l.tif", stack, metadata={"axes": "TYX"})
    labels = open_labels(tmp_path / "l.tif")
    labels.frame(0)
    with pytest.raises(ShapeError, match=r"frame 1 of .* has"):
        labels.frame(1)


def test_missing_labels(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        open_labels(tmp_path / "none")
