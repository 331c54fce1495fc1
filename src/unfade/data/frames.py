"""From a file of any format to a movie whose frames are read one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import psutil

from unfade.data.axes import Layout, depth
from unfade.errors import InputError, ShapeError, UnfadeError, UnreadableFileError
from unfade.records import Calibration, Image, Movie

Projection = Literal["max", "mean"]
MEMORY_SHARE = 0.5  # a frame larger than this part of the free memory is refused
COLOURS = ("red", "green", "blue")
DEFLATE = 1040  # bytes that one stored byte of a deflate stream can stand for, a little more than it truly can
ANY_CODEC = 100_000  # bytes that one stored byte of any codec may stand for
SMALL = 1 << 28  # claims up to this many bytes are taken as they are
MOST_FRAMES = 10_000_000  # more than this in one movie is damage


class Planes(Protocol):
    """Pixels of a file: small, picklable, without open handles."""

    def block(self, t: int, z: int) -> Image:
        """All channels of one plane, `(C, Y, X)`."""
        ...


@dataclass(frozen=True)
class Source:
    """A file that was looked at and not yet read."""

    path: Path
    format: str
    layout: Layout
    dtype: np.dtype[Any]
    channels: tuple[str, ...]
    calibration: Calibration
    planes: Planes = field(repr=False)
    notes: tuple[str, ...] = ()
    present: int | None = None  # frames that are really there, where fewer than announced


@dataclass(frozen=True)
class FrameReader:
    """Reads frame t as `(C, Y, X)`: z planes projected, pixels checked, every failure told in one sentence."""

    planes: Planes
    z: tuple[int, ...]
    project: Projection | None
    channels: tuple[str, ...]
    path: Path

    def __call__(self, t: int) -> Image:
        """Frame `t`.

        Raises
        ------
        UnreadableFileError
            If the file is damaged.
        InputError
            For NaN or infinite pixels.
        """
        try:
            image = self._flat(t)
        except UnfadeError:
            raise
        except Exception as error:
            raise damaged(self.path, f"frame {t}", error) from None
        check_frame(image, t, self.channels)
        return image

    @property
    def rows(self) -> Callable[[int, int, int], Image] | None:
        """Reads rows `first` to `stop - 1` of frame `t`, `(C, y, X)`; None where the file gives only whole frames."""
        try:
            return self._rows if getattr(self.planes, "by_rows", False) else None
        except Exception as error:
            raise damaged(self.path, "the layout of its pixels", error) from None

    def _rows(self, t: int, first: int, stop: int) -> Image:
        part = replace(self, planes=_Strip(self.planes, slice(first, stop)))
        return part(t)

    def _flat(self, t: int) -> Image:
        first = self.planes.block(t, self.z[0])
        if len(self.z) == 1:
            return first
        if self.project == "max":
            out = first.copy()
            for z in self.z[1:]:
                np.maximum(out, self.planes.block(t, z), out=out)
            return out
        total = first.astype(np.float64)
        for z in self.z[1:]:
            total += self.planes.block(t, z)
        return (total / len(self.z)).astype(np.float32)


@dataclass(frozen=True)
class _Strip:
    """Some rows of all planes."""

    planes: Any
    rows: slice

    def block(self, t: int, z: int) -> Image:
        image: Image = self.planes.block(t, z, self.rows)
        return image


def movie_of(source: Source, project: Projection | None, z: int | None) -> Movie:
    """The movie of a source, z planes chosen or projected.

    Raises
    ------
    AxisError
        For a z axis without a choice.
    """
    layout = source.layout
    planes = depth(layout, project, z, str(source.path))
    reader = FrameReader(source.planes, planes, project, source.channels, source.path)
    shape = (layout.size("T"), len(source.channels), layout.size("Y"), layout.size("X"))
    dtype = np.dtype(np.float32) if len(planes) > 1 and project == "mean" else source.dtype
    return Movie(shape, dtype, source.channels, reader, source.calibration, source.path, source.notes)


def check_frame(image: Image, t: int = 0, channels: tuple[str, ...] = ()) -> Image:
    """The frame `(C, Y, X)` or `(Y, X)` unchanged, if every pixel is a finite number.

    Raises
    ------
    InputError
        For NaN or infinite pixels: frame, channel and how many.
    """
    if image.dtype.kind != "f":
        return image
    for c, plane in enumerate(image if image.ndim == 3 else image[None]):
        bad = plane.size - int(np.count_nonzero(np.isfinite(plane)))
        if bad:
            name = f"'{channels[c]}'" if c < len(channels) else str(c)
            raise InputError(
                f"Frame {t} has {bad} NaN or infinite pixels in channel {name}; replace them, for example by zeros."
            )
    return image


def check_dtype(dtype: np.dtype[Any], path: Path) -> np.dtype[Any]:
    """The pixel type in the byte order of this machine, if it is a real number; truth values become uint8.

    Raises
    ------
    UnreadableFileError
        For complex numbers, text and records.
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf":
        raise UnreadableFileError(f"{path} has pixels of type {dtype}, save it with integers or real numbers.")
    return dtype.newbyteorder("=")


def check_size(path: Path, channels: int, height: int, width: int, itemsize: int) -> int:
    """Bytes of a frame, if this machine can hold it.

    Raises
    ------
    UnreadableFileError
        If it cannot; nothing was allocated.
    """
    needed = channels * height * width * itemsize
    free = int(psutil.virtual_memory().available * MEMORY_SHARE)
    if needed > free:
        raise UnreadableFileError(
            f"A frame of {path} claims {width} x {height} pixels and {channels} channels, {needed / 2**30:,.1f} GiB, "
            f"where {free / 2**30:,.1f} GiB can be used; crop it, or the file is damaged."
        )
    return needed


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """Refuse `claimed` bytes of pixels that `stored` bytes of a deflate stream cannot hold.

    Raises
    ------
    UnreadableFileError
        If they cannot.
    """
    if claimed > DEFLATE * stored + 1024:
        raise UnreadableFileError(
            f"{path} claims {claimed} bytes of pixels, which its {stored} compressed bytes cannot hold; "
            "it is damaged, save it again."
        )


def check_filled(path: Path, claimed: int, folder: Path | None = None) -> None:
    """Refuse a frame of `claimed` bytes where the file, or all files in `folder`, hold next to nothing.

    Raises
    ------
    UnreadableFileError
        If over 256 MiB are claimed and less than a hundred-thousandth of that is stored.
    """
    if claimed <= SMALL:
        return
    stored = 0
    for file in (path,) if folder is None else (p for p in folder.rglob("*") if p.is_file()):
        stored += file.stat().st_size
        if claimed <= ANY_CODEC * stored:
            return
    raise UnreadableFileError(
        f"{path} claims {claimed} bytes of pixels in one frame and stores only {stored}; it is damaged, save it again."
    )


def check_frames(path: Path, frames: int) -> None:
    """Refuse a number of frames that no movie has.

    Raises
    ------
    UnreadableFileError
        Over ten million.
    """
    if frames > MOST_FRAMES:
        raise UnreadableFileError(f"{path} claims {frames} frames; it is damaged, save it again.")


def within(folder: Path, name: str) -> Path:
    """The path that a file of `folder` names, if it lies inside that folder.

    Raises
    ------
    UnreadableFileError
        If it leads outside.
    """
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise UnreadableFileError(f"{folder} refers to a place outside itself ({name[:80]!r}); it is damaged.")
    return folder / name


def damaged(path: Path, what: str, error: Exception) -> UnreadableFileError:
    """The error for a part of a file that cannot be decoded."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return UnreadableFileError(
        f"Of {path} {what} cannot be read ({reason}); the file is damaged, copy or save it again."
    )


def same_frame(path: Path, found: tuple[object, ...], first: tuple[object, ...], first_path: Path) -> None:
    """Refuse a frame whose size or type differs from the first one's.

    Raises
    ------
    ShapeError
        If it does; the text names both.
    """
    if found != first:
        raise ShapeError(
            f"All frames must be alike, but {path.name} is {_described(found)} and {first_path.name} "
            f"{_described(first)}; remove it or save it alike."
        )


def _described(frame: tuple[object, ...]) -> str:
    shape, dtype = frame[0], frame[1]
    return f"{' x '.join(str(n) for n in shape)} {dtype}" if isinstance(shape, tuple) else f"{shape} {dtype}"
