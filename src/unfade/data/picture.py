"""PNG and JPEG pictures as frames: sizes from the header, pixels through imagecodecs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unfade.data.axes import SAMPLES, Layout
from unfade.data.frames import COLOURS, Source, check_claim, check_size, same_frame
from unfade.errors import UnreadableFileError
from unfade.records import Calibration, Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_TAIL = 4096  # bytes behind which no end mark is looked for
_PNG_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # colour type to samples
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that carry the size
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_ALPHA = (2, 4)  # numbers of samples of which the last one is opacity


@dataclass(frozen=True)
class Header:
    """Size of a picture as its header claims it."""

    height: int
    width: int
    samples: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class PicturePlanes:
    """One picture per frame."""

    files: tuple[Path, ...]
    channels: int

    def block(self, t: int, z: int) -> Image:
        """All channels of one picture, `(C, Y, X)`."""
        path = self.files[t]
        read_header(path)
        image = _decode(path.read_bytes())
        if image.ndim == 2:
            image = image[..., None]
        return np.ascontiguousarray(np.moveaxis(image[..., : self.channels], -1, 0))


def is_picture(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a PNG or JPEG picture."""
    return head.startswith((_PNG, b"\xff\xd8\xff"))


def open_pictures(files: tuple[Path, ...], place: Path) -> Source:
    """Look at a series of pictures, one frame each; no pixel is decoded.

    Raises
    ------
    UnreadableFileError
        If one is damaged, cut off, or claims more than it can hold.
    ShapeError
        If they differ in size, channels or depth; the text names the first one that does.
    """
    first = read_header(files[0])
    for path in files[1:]:
        header = read_header(path)
        same_frame(path, (_shape(header), header.dtype), (_shape(first), first.dtype), files[0])
    channels = first.samples - 1 if first.samples in _ALPHA else first.samples
    axes = "TYX" if channels == 1 else "TYX" + SAMPLES
    shape = (len(files), first.height, first.width, channels)[: len(axes)]
    notes: tuple[str, ...] = ("the opacity (alpha) of the pictures is left out",) if first.samples in _ALPHA else ()
    if not files[0].read_bytes().startswith(_PNG):
        notes += ("JPEG is lossy: intensities are not what the camera measured",)
    names = COLOURS if channels == 3 else ("channel 0",)
    layout = Layout(axes, shape)
    planes = PicturePlanes(files, channels)
    return Source(place, _kind(files), layout, first.dtype, names, Calibration(), planes, notes)


def _kind(files: tuple[Path, ...]) -> str:
    kind = "JPEG" if files[0].suffix.lower() in (".jpg", ".jpeg") else "PNG"
    return f"{kind} picture" if len(files) == 1 else f"folder of {kind} pictures"


def _shape(header: Header) -> tuple[int, ...]:
    return (header.height, header.width, header.samples)


def read_header(path: Path) -> Header:
    """Size of a picture, checked against the bytes that are there and the memory of the machine.

    Raises
    ------
    UnreadableFileError
        If it is no picture, cut off, or claims more than it can hold.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(33)
        if head.startswith(_PNG):
            header = _png(path, head, _tail(file, size))
        elif head.startswith(b"\xff\xd8\xff"):
            file.seek(0)
            header = _jpeg(path, file.read(1 << 20), _tail(file, size))
        else:
            start = repr(bytes(head[:8])).removeprefix("b")
            raise UnreadableFileError(f"{path} is no picture (it starts with {start}); save it as TIFF or PNG.")
    claimed = check_size(path, header.samples, header.height, header.width, header.dtype.itemsize)
    if head.startswith(_PNG):
        check_claim(path, claimed // (8 if header.dtype.itemsize == 1 else 1), size)
    return header


def _tail(file: BinaryIO, size: int) -> bytes:
    """The last bytes of a file, where the end mark of a picture stands."""
    file.seek(max(0, size - _TAIL))
    return file.read()


def _png(path: Path, head: bytes, tail: bytes) -> Header:
    if len(head) < 33 or head[12:16] != b"IHDR" or _PNG_END not in tail:
        raise UnreadableFileError(f"The PNG picture {path} is cut off; copy or save it again.")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    if width == 0 or height == 0 or colour not in _PNG_SAMPLES:
        raise UnreadableFileError(f"The header of the PNG picture {path} is damaged; save it again.")
    return Header(height, width, _PNG_SAMPLES[colour], np.dtype(np.uint16 if depth == 16 else np.uint8))


def _jpeg(path: Path, data: bytes, tail: bytes) -> Header:
    at = 2
    while _JPEG_END in tail and at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            height, width, samples = struct.unpack(">HHB", data[at + 5 : at + 10])
            return Header(height, width, samples, np.dtype(np.uint8))
        at += 2 if marker in _BARE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise UnreadableFileError(f"The JPEG picture {path} is cut off or damaged; copy or save it again.")


def _decode(data: bytes) -> Image:
    import imagecodecs

    decode = imagecodecs.png_decode if data.startswith(_PNG) else imagecodecs.jpeg8_decode
    return np.asarray(decode(data))
