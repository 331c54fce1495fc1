"""Videos: frames in order and out of order, grey and coloured, calibration, damage."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from unfade.data import open_movie
from unfade.data.video import open_video
from unfade.errors import MissingExtraError, UnreadableFileError


def write(path: Path, frames: np.ndarray, codec: str, kind: str, rate: int = 5, **options: str) -> Path:
    """Frames `(T, Y, X)` or `(T, Y, X, 3)` as a video."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], kind
        for image in frames:
            shape = {2: "gray16le" if image.dtype == np.uint16 else "gray", 3: "rgb24"}[image.ndim]
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format=shape)):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


@pytest.fixture
def grey() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (9, 32, 48)).astype(np.uint8)


@pytest.mark.parametrize(("kind", "dtype"), [("gray", np.uint8), ("gray16le", np.uint16)])
def test_lossless_frames_come_back(tmp_path: Path, grey: np.ndarray, kind: str, dtype: type) -> None:
    frames = grey.astype(dtype) * (200 if dtype is np.uint16 else 1)
    movie = open_movie(write(tmp_path / "m.avi", frames, "ffv1", kind))
    assert (movie.shape, movie.dtype, movie.channels) == ((9, 1, 32, 48), dtype, ("channel 0",))
    assert movie.calibration.interval_s == pytest.approx(0.2)
    for t in (0, 1, 2, 8, 3, 4, 0):
        assert np.array_equal(movie.frame(t, 0), frames[t])
    assert np.array_equal(pickle.loads(pickle.dumps(movie)).frame(5, 0), frames[5])


def test_an_mp4_whose_frames_build_on_each_other(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :96]
    blob = [np.exp(-((y - 30) ** 2 + (x - 10 - 3 * t) ** 2) / 60) * 200 for t in range(20)]
    frames = np.repeat(np.stack(blob)[..., None], 3, axis=3).astype(np.uint8)
    path = write(tmp_path / "m.mp4", frames, "mpeg4", "yuv420p", g="7", bf="2")
    movie = open_movie(path)
    assert (movie.shape, movie.channels) == ((20, 3, 64, 96), ("red", "green", "blue"))
    for t in (0, 5, 19, 3, 4, 12):
        assert abs(int(movie.frame(t, 1).max(0).argmax()) - (10 + 3 * t)) <= 1
    assert "lossy" in movie.notes[0]


def test_a_damaged_video_ends_in_one_sentence(tmp_path: Path, grey: np.ndarray) -> None:
    raw = write(tmp_path / "m.avi", grey, "ffv1", "gray").read_bytes()
    path = tmp_path / "cut.avi"
    for end in (0, 10, 100, 5000):
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableFileError):
            list(open_movie(path).frames())


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nm.avi\n", "ffconcat version 1.0\nfile m.avi\n"])
def test_a_list_of_other_files_is_no_video(tmp_path: Path, grey: np.ndarray, text: str) -> None:
    write(tmp_path / "m.avi", grey, "ffv1", "gray")
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"list\.mp4 the video cannot be read"):
        open_movie(tmp_path / "list.mp4")


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.mp4").write_bytes(b"\0")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'unfade\[video\]'"):
        open_video(tmp_path / "m.mp4")
