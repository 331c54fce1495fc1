"""Opening movies and label images of any format; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from unfade.data.axes import LETTERS
from unfade.data.frames import Projection, Source, movie_of
from unfade.data.ifd import is_tiff
from unfade.data.picture import is_picture, open_pictures
from unfade.errors import AxisError, MissingInputError, ShapeError, UnreadableFileError
from unfade.records import Image, Kind, LabelImage, Labels, Movie
from unfade.settings import Settings

LABELS = "labels.ome.zarr"  # label images inside a run folder
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".m4v")
_LARGEST = np.iinfo(np.int32).max


class ReadSettings(Settings):
    """How a movie is read; what is not given is taken from the file."""

    axes: str | None = Field(default=None, description="letters of T C Z Y X, one for each dimension of the file")
    project: Projection | None = Field(default=None, description="how z planes become one frame: max or mean")
    z: int | None = Field(default=None, ge=0, description="the one z plane to read, counted from 0")
    pixel_um: float | None = Field(default=None, gt=0, description="width of a pixel in µm, in place of the file's")
    interval_s: float | None = Field(default=None, gt=0, description="seconds between frames, in place of the file's")
    frames: str | None = Field(default=None, description="A:B, the frames A to B - 1; either may be left out")
    leave_out: tuple[str, ...] = Field(default=(), description="files of a folder of frames that are none")

    @field_validator("axes")
    @classmethod
    def _letters(cls, value: str | None) -> str | None:
        if value is None:
            return None
        axes = value.strip().upper()
        if set(axes) - set(LETTERS) or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
            raise ValueError(f"axes are letters of {LETTERS}, each once, with Y and X among them")
        return axes

    @field_validator("frames")
    @classmethod
    def _range(cls, value: str | None) -> str | None:
        if value is None:
            return None
        start, colon, stop = (part.strip() for part in value.partition(":"))
        ends = [int(part) if part.isascii() and part.isdigit() else None for part in (start, stop)]
        if not colon or (start and ends[0] is None) or (stop and ends[1] is None):
            raise ValueError("frames are given as A:B with whole numbers, for example 10:50")
        if stop and (ends[0] or 0) >= (ends[1] or 0):
            raise ValueError("frames A:B must have A before B")
        return f"{start}:{stop}"

    @model_validator(mode="after")
    def _one_way(self) -> ReadSettings:
        if self.project is not None and self.z is not None:
            raise ValueError("project and z exclude each other, give one of them")
        return self

    def window(self, frames: int) -> tuple[int, int]:
        """First frame and end of the chosen range in a movie of `frames` frames."""
        start, _, stop = (self.frames or ":").partition(":")
        return int(start or 0), int(stop or frames)


def open_movie(path: Path | str, options: ReadSettings = ReadSettings()) -> Movie:
    """Open a movie: TIFF, OME-TIFF, OME-Zarr, PNG, JPEG, or a folder with one file per frame.

    Frames are read when asked for, one at a time, and no file stays open; the movie can be sent to other processes.

    Raises
    ------
    InputError
        One of its kinds, for whatever cannot be read as asked; the text says what to do.
    """
    source = inspect(path, options)
    movie = movie_of(source, options.project, options.z)
    start, stop = options.window(len(movie))
    if source.present is not None and stop > source.present:
        end = f"use --frames {start}:{source.present}" if source.present > start else "save it again"
        raise UnreadableFileError(
            f"{source.path} announces {len(movie)} frames and holds only the first {source.present}; {end}."
        )
    if (start, stop) != (0, len(movie)):
        movie = movie.window(start, stop)
    return movie.calibrated(options.pixel_um, options.interval_s)


def inspect(path: Path | str, options: ReadSettings = ReadSettings()) -> Source:
    """Look at a file or folder: format, axes, channels, calibration; no pixel is read.

    Raises
    ------
    InputError
        One of its kinds, as for `open_movie`; a z axis is none.
    """
    where = Path(path)
    if not where.exists():
        raise MissingInputError(f"There is no file or folder {where}; check its name.")
    if where.is_dir():
        if is_zarr(where):
            from unfade.data.zarr import open_zarr

            return open_zarr(where, options.axes)
        from unfade.data.folder import open_folder

        return open_folder(where, options.axes, options.leave_out)
    return _inspect_file(where, options.axes)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _inspect_file(path: Path, axes: str | None) -> Source:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from None
    if is_picture(head):
        return open_pictures((path,), path)
    if is_tiff(head) or path.suffix.lower() in (".tif", ".tiff"):
        from unfade.data.tiff import open_tiff

        return open_tiff(path, axes)
    if path.suffix.lower() in VIDEOS:
        from unfade.data.video import open_video

        return open_video(path)
    kind = f"'{path.suffix}' files are not read" if path.suffix else "it is no TIFF, PNG or JPEG file"
    raise UnreadableFileError(f"{path} cannot be read, {kind}; save the movie as OME-TIFF or OME-Zarr.")


@dataclass(frozen=True)
class LabelReader:
    """Reads one frame of labels `(Y, X)` as int32."""

    frames: Callable[[int], Image]
    path: Path

    def __call__(self, t: int) -> LabelImage:
        """Frame `t`.

        Raises
        ------
        ShapeError
            For labels outside 0..2147483647.
        """
        return self._checked(self.frames(t)[0], t)

    @property
    def rows(self) -> Callable[[int, int, int], LabelImage] | None:
        """Reads rows `first` to `stop - 1` of frame `t`; None where the file gives only whole frames."""
        return None if getattr(self.frames, "rows", None) is None else self._rows

    def _rows(self, t: int, first: int, stop: int) -> LabelImage:
        read: Any = self.frames
        return self._checked(read.rows(t, first, stop)[0], t)

    def _checked(self, image: Image, t: int) -> LabelImage:
        if image.size and (image.dtype.itemsize > 2 or image.dtype.kind == "i"):
            low, high = int(image.min()), int(image.max())
            if low < 0 or high > _LARGEST:
                raise ShapeError(f"Labels must lie in 0..{_LARGEST}, frame {t} of {self.path} has {low}..{high}.")
        return np.ascontiguousarray(image, np.int32)


def open_labels(path: Path | str, kind: Kind = "nucleus", frames: str | None = None) -> Labels:
    """Open label images: a TIFF stack, a folder of frames, a challenge folder, OME-Zarr, or a run folder.

    A stack of three axes is taken as `(T, Y, X)` whatever its file calls the first one. `frames` chooses `A:B`.

    Raises
    ------
    InputError
        One of its kinds; pixels that are no integers, colours, and folders that skip frames are ShapeErrors.
    """
    where = Path(path)
    source = _inspect_labels(where / LABELS if (where / LABELS).is_dir() else where, kind)
    if source.dtype.kind not in "iu":
        raise ShapeError(f"Labels are integers, but {where} has pixels of type {source.dtype}; save them as uint16.")
    if len(source.channels) != 1:
        raise ShapeError(f"Labels are (T, Y, X), but {where} has {len(source.channels)} channels; save one only.")
    movie = movie_of(source, None, None)
    start, stop = ReadSettings.parse({"frames": frames}).window(len(movie))
    movie = movie if (start, stop) == (0, len(movie)) else movie.window(start, stop)
    shape = (movie.shape[0], movie.shape[2], movie.shape[3])
    return Labels(shape, LabelReader(movie.read, source.path), kind, movie.calibration, source.path)


def _inspect_labels(path: Path, kind: Kind) -> Source:
    if path.is_dir() and is_zarr(path):
        from unfade.data.zarr import open_zarr_labels

        return open_zarr_labels(path, kind)
    if path.is_dir():
        from unfade.data import ctc
        from unfade.data.folder import check_dense

        place = ctc.located(path)[0] if ctc.is_challenge(path) else path
        check_dense(place)
        return inspect(place)
    try:
        return inspect(path, ReadSettings(axes="TYX"))
    except AxisError:
        return inspect(path)
