"""Files that are damaged, cut off or lie about their size end in one sentence, never in an error of a library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import pytest
import tifffile

from unfade.data import ReadSettings, check_frame, open_movie
from unfade.errors import InputError, MissingInputError, UnreadableFileError


def read_all(path: Path) -> None:
    for _ in open_movie(path, ReadSettings(axes="TCYX")).frames():
        pass


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"There is no file or folder .*none\.tif"):
        open_movie(tmp_path / "none.tif")


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    path.touch()
    with pytest.raises(UnreadableFileError, match="is empty"):
        open_movie(path)


def test_text_with_the_name_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    path.write_text("frame,track\n0,1\n")
    with pytest.raises(UnreadableFileError, match=r"named like a TIFF file but is none \(it starts with 'frame,tr'\)"):
        open_movie(path)


def test_another_format(tmp_path: Path) -> None:
    path = tmp_path / "movie.lif"
    path.write_bytes(b"RIFF....AVI ")
    with pytest.raises(UnreadableFileError, match=r"'.lif' files are not read; save the movie as OME-TIFF"):
        open_movie(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("style", [{"metadata": {"axes": "TCYX"}}, {"imagej": True, "metadata": {"axes": "TCYX"}}])
def test_a_file_cut_anywhere(tmp_path: Path, movie: np.ndarray, style: dict, compression: str | None) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, photometric="minisblack", compression=compression, **style)
    raw = path.read_bytes()
    for end in [*range(1, 60, 7), *range(60, len(raw) - 20, len(raw) // 40), len(raw) - 20]:
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableFileError):
            read_all(path)


def test_a_real_file_cut(tmp_path: Path, data_root: Path) -> None:
    raw = (data_root / "ktr" / "ktr_left.ome.tif").read_bytes()
    path = tmp_path / "cut.ome.tif"
    for end in (5, 150, 300, len(raw) // 3, len(raw) - 40):
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableFileError, match=r"cut off: .* lies beyond its \d+ bytes; copy or save it again"):
            open_movie(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_page_cut_in_its_pixels(tmp_path: Path, movie: np.ndarray, compression: str | None) -> None:
    path = tmp_path / "still.tif"
    tifffile.imwrite(path, movie[0, 0], compression=compression)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFileError, match=r"cut off: .* pixels of page 0"):
        open_movie(path)


def test_pages_in_a_circle(tmp_path: Path, movie: np.ndarray) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie[:2, 0], metadata=None, photometric="minisblack", byteorder="<")
    with tifffile.TiffFile(path) as tif:
        first, second = (page.offset for page in tif.pages)
    data = bytearray(path.read_bytes())
    end = second + 2 + 12 * int.from_bytes(data[second : second + 2], "little")
    data[end : end + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match="form a circle"):
        open_movie(path)


def test_pixels_that_cannot_be_decoded(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[4].dataoffsets[0]  # frame 2
    data = bytearray(path.read_bytes())
    data[offset + 20 : offset + 60] = bytes(40)
    path.write_bytes(data)
    found = open_movie(path)
    found.frame(1)
    with pytest.raises(UnreadableFileError, match="frame 2 cannot be read"):
        found.frame(2)


def test_a_file_that_vanishes(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX")
    found = open_movie(path)
    path.unlink()
    with pytest.raises(UnreadableFileError, match="frame 0 cannot be read"):
        found.frame(0)


def lying_tiff(width: int, height: int, compression: int, stored: int) -> bytes:
    """A TIFF of one page that claims a size and holds `stored` bytes."""
    entries = [
        (256, width),
        (257, height),
        (258, 8),
        (259, compression),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, stored),
    ]
    head = struct.pack("<2sHI", b"II", 42, 8 + stored)
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return head + bytes(stored) + struct.pack("<H", len(entries)) + table + bytes(4)


@pytest.mark.parametrize("compression", [1, 8])
def test_a_size_beyond_the_memory_is_refused_with_the_number(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "huge.tif"
    path.write_bytes(lying_tiff(10**6, 10**6, compression, 100))
    with pytest.raises(UnreadableFileError, match=r"claims 1000000 x 1000000 pixels and 1 channels, 931\.3 GiB"):
        open_movie(path)


@pytest.mark.parametrize("compression", [1, 8])
def test_a_size_beyond_the_file_is_refused(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "bomb.tif"
    path.write_bytes(lying_tiff(1000, 1000, compression, 100))
    with pytest.raises(UnreadableFileError, match=r"claims 1000000 bytes"):
        open_movie(path)


def test_the_limit_is_the_free_memory(ome, movie: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ome(movie, "TCYX")
    frame = movie[0].nbytes

    class Memory:
        available = 2 * frame

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory)
    assert open_movie(path).shape == movie.shape
    Memory.available = 2 * frame - 2
    with pytest.raises(UnreadableFileError, match="claims 32 x 24 pixels and 2 channels"):
        open_movie(path)


def png(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG header without pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + bytes(4) + struct.pack(">I", 0) + b"IEND\xaeB`\x82"


def test_a_picture_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(30_000, 30_000))
    with pytest.raises(UnreadableFileError, match=r"claims \d+ bytes of pixels, which its \d+ compressed bytes cannot"):
        open_movie(path)
    path.write_bytes(png(10**6, 10**6))
    with pytest.raises(UnreadableFileError, match=r"1000000 x 1000000 pixels"):
        open_movie(path)


def test_a_picture_of_one_bit_may_hold_much(tmp_path: Path) -> None:
    side = 2000
    rows = zlib.compress(bytes(side * (1 + side // 8)), 9)
    parts = [b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0), b"IDAT" + rows, b"IEND"]
    chunks = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts]
    path = tmp_path / "mask.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert path.stat().st_size < 1000
    assert open_movie(path).frame(0).shape == (1, side, side)


@pytest.mark.parametrize("encode", [imagecodecs.png_encode, imagecodecs.jpeg8_encode])
def test_a_picture_cut_off(tmp_path: Path, movie: np.ndarray, encode) -> None:
    path = tmp_path / "still.picture"
    raw = encode((movie[0, 0] >> 4).astype(np.uint8))
    path.write_bytes(raw)
    assert open_movie(path).frame(0).shape == (1, 24, 32)
    for end in (4, 20, 40, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableFileError):
            open_movie(path).frame(0)


def test_xml_that_defines_entities(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX")
    xml = '<!DOCTYPE OME [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><OME><Image Name="&b;"/></OME>'
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["ImageDescription"].overwrite(xml)
    with pytest.raises(UnreadableFileError, match=r"The OME-XML .* cannot be read"):
        open_movie(path)


@pytest.mark.parametrize(("old", "new"), [(b'SizeT="5"', b'SizeT="0"'), (b'SizeT="5"', b'SizeT="x"')])
def test_xml_with_absurd_sizes(ome, movie: np.ndarray, old: bytes, new: bytes) -> None:
    path = ome(movie, "TCYX")
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(UnreadableFileError, match="the file is damaged"):
        open_movie(path)


def test_xml_that_claims_a_billion_planes(ome, movie: np.ndarray) -> None:
    path = ome(movie, "TCYX")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages[0].tags["ImageDescription"]
        tag.overwrite(tag.value.replace('SizeT="5"', 'SizeT="999999999"'))
    with pytest.raises(UnreadableFileError, match="claims 1999999998 planes"):
        open_movie(path)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_finite_frames_pass_as_they_are(dtype: type) -> None:
    image = np.ones((2, 4, 5), dtype)
    assert check_frame(image) is image


def test_frames_with_infinite_pixels_name_frame_channel_and_count() -> None:
    image = np.ones((2, 4, 5), np.float32)
    image[1, 2, :3] = -np.inf
    with pytest.raises(InputError, match="Frame 7 has 3 NaN or infinite pixels in channel 'ERK'"):
        check_frame(image, 7, ("marker", "ERK"))
    with pytest.raises(InputError, match="Frame 0 has 3 NaN or infinite pixels in channel 0"):
        check_frame(image[1])
