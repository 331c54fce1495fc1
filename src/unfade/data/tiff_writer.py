"""OME-TIFF movies and numbered label images, written one frame at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from unfade.data.outputs import replacing
from unfade.errors import OutputError
from unfade.records import LabelImage, Movie

Progress = Callable[[int, int], None]

_LARGEST = 65_535  # label images are uint16 where that holds them
_NAMESPACE = uuid.UUID("6f9a2b1c-0d52-5c1e-9d53-7a1f5b0f2f64")


def write_ome_tiff(path: Path, movie: Movie, progress: Progress | None = None) -> None:
    """Write a movie as OME-TIFF `(T, C, Y, X)` with channel names, pixel size and times; equal movies, equal bytes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as part, tifffile.TiffWriter(part, ome=True, bigtiff=_large(movie)) as tif:
        tif.write(
            _planes(movie, progress),
            shape=movie.shape,
            dtype=movie.dtype,
            photometric="minisblack",
            compression="zlib",
            predictor=movie.dtype.kind in "iu",
            metadata=_metadata(path, movie),
        )


def write_label_frames(folder: Path, frames: Iterable[LabelImage], stem: str = "mask") -> None:
    """Write label images `(Y, X)` as `<stem>000.tif`, `<stem>001.tif`, ...; the folder appears once it is complete.

    Raises
    ------
    OutputError
        If labels exceed 65,535 or it cannot be written.
    """
    with replacing(folder) as part:
        part.mkdir()
        for t, image in enumerate(frames):
            if image.size and int(image.max()) > _LARGEST:
                raise OutputError(f"Frame {t} has label {image.max()}, but images of labels hold at most {_LARGEST}.")
            tifffile.imwrite(part / f"{stem}{t:03d}.tif", image.astype(np.uint16), compression="zlib")


def write_frames(folder: Path, frames: Iterable[NDArray[Any]]) -> None:
    """Write images `(Y, X)` as `t000.tif`, `t001.tif`, ...; the folder appears once it is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(folder) as part:
        part.mkdir()
        for t, image in enumerate(frames):
            tifffile.imwrite(part / f"t{t:03d}.tif", image, compression="zlib")


def _planes(movie: Movie, progress: Progress | None) -> Iterator[NDArray[Any]]:
    for t, frame in enumerate(movie.frames()):
        yield from frame[:-1]
        if progress is not None:
            progress(t + 1, len(movie))  # nobody comes back here after the last plane
        yield frame[-1]


def _large(movie: Movie) -> bool:
    return int(np.prod(movie.shape, dtype=np.int64)) * movie.dtype.itemsize >= 2**31


def _metadata(path: Path, movie: Movie) -> dict[str, Any]:
    known = movie.calibration
    out: dict[str, Any] = {
        "axes": "TCYX",
        "Channel": {"Name": list(movie.channels)},
        "UUID": str(uuid.uuid5(_NAMESPACE, f"{path.name} {movie.shape} {movie.channels}")),
    }
    if known.pixel_um is not None:
        out |= {
            "PhysicalSizeX": known.pixel_um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": known.pixel_um,
            "PhysicalSizeYUnit": "µm",
        }
    if known.times_s is not None:
        stamps = [stamp for stamp in known.times_s for _ in movie.channels]
        out["Plane"] = {"DeltaT": stamps, "DeltaTUnit": ["s"] * len(stamps)}
    elif known.interval_s is not None:
        out |= {"TimeIncrement": known.interval_s, "TimeIncrementUnit": "s"}
    return out
