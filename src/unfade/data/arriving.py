"""Frames that are still being written: a folder that fills up, or an OME-Zarr whose chunks appear one by one.

A frame is taken once it can be read whole and its files have not changed between two looks. What nobody goes on writing
and still cannot be read is left out after some patience, so that a writer that died does not end the watch.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import zarr

from unfade.data.folder import FAMILIES, natural
from unfade.data.frames import check_frame, movie_of
from unfade.data.reading import ReadSettings, inspect, is_zarr, open_movie
from unfade.data.zarr import ZarrPlanes
from unfade.errors import InputError, MissingInputError, UnfadeError, UnreadableFileError
from unfade.records import Image, Movie

SUFFIXES = tuple(suffix for suffixes in FAMILIES.values() for suffix in suffixes)


@dataclass(frozen=True)
class Arrival:
    """A frame that has come."""

    image: Image  # (C, Y, X)
    name: str
    written_s: float  # time of day when its file was complete


class Arrivals(ABC):
    """Frames in order, as they come."""

    def __init__(self, source: Path, read: ReadSettings, patience_s: float) -> None:
        self.source, self.read, self.patience_s = source, read, patience_s
        self.left_out: list[str] = []
        self.notes: list[str] = []
        self.first: Movie | None = None  # what the first frame told of channels, size and calibration

    @abstractmethod
    def next(self) -> Arrival | None:
        """The next frame if it has come.

        Raises
        ------
        InputError
            If the first frame cannot be used at all.
        """

    @abstractmethod
    def waiting(self) -> bool:
        """Whether something has come that was not taken yet."""

    @abstractmethod
    def settings(self) -> ReadSettings:
        """How the frames taken so far are read again as one movie."""


class FolderArrivals(Arrivals):
    """A folder that gets one file per frame, taken in natural order of their names."""

    def __init__(self, source: Path, read: ReadSettings, patience_s: float) -> None:
        super().__init__(source, read, patience_s)
        self.taken: list[str] = []
        self._looks: dict[str, tuple[tuple[int, int], float]] = {}  # size and time of change, and when first seen so

    def next(self) -> Arrival | None:
        """The next file's frame once it is whole; files that came too late or stay broken are left out."""
        for path in self._pending():
            if self.taken and natural(path) < natural(self.source / self.taken[-1]):
                self._leave(path, "came after a later frame")
                continue
            still = self._still(path)
            if still is None or still == 0:
                return None
            try:
                image = self._frame(path)
            except MissingInputError:
                return None
            except UnfadeError as error:
                if still < self.patience_s:
                    return None
                if self.first is None and not isinstance(error, UnreadableFileError):
                    raise  # axes or the like: no later frame will do better
                self._leave(path, "cannot be read, its writer seems to have died")
                continue
            self.taken.append(path.name)
            return Arrival(image, path.name, self._looks.pop(path.name)[0][1] / 1e9)
        return None

    def waiting(self) -> bool:
        """Whether there are files that were not taken yet."""
        return bool(self._pending())

    def settings(self) -> ReadSettings:
        """The folder without the files that were left out or came at the very end."""
        others = sorted({*self.left_out, *(p.name for p in self._pending())})
        return self.read.changed(leave_out=others)

    def _pending(self) -> list[Path]:
        done = {*self.taken, *self.left_out}
        try:
            found = [p for p in self.source.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        except OSError:
            return []
        return sorted((p for p in found if p.name not in done), key=natural)

    def _still(self, path: Path) -> float | None:
        """Seconds for which a file has not changed; None if it has gone."""
        try:
            stat = path.stat()
        except OSError:
            return None
        now, mark = time.monotonic(), (stat.st_size, stat.st_mtime_ns)
        known = self._looks.get(path.name)
        if known is None or known[0] != mark:
            self._looks[path.name] = (mark, now)
            return 0.0
        return now - known[1]

    def _frame(self, path: Path) -> Image:
        axes = None if self.read.axes is None else self.read.axes.removeprefix("T")
        movie = movie_of(inspect(path, ReadSettings(axes=axes)), self.read.project, self.read.z)
        image = check_frame(movie.frame(0), len(self.taken), movie.channels)
        if self.first is None:
            self.first = movie.calibrated(self.read.pixel_um, self.read.interval_s)
        elif movie.shape[1:] != self.first.shape[1:]:
            raise InputError(f"{path} has another size than the frames before it.")
        return image

    def _leave(self, path: Path, why: str) -> None:
        self.left_out.append(path.name)
        self.notes.append(f"{path.name} {why}; it is left out")


class ZarrArrivals(Arrivals):
    """An OME-Zarr whose frames appear as chunks, and whose length may grow."""

    def __init__(self, source: Path, read: ReadSettings, patience_s: float) -> None:
        super().__init__(source, read, patience_s)
        self.count = 0
        self._seen = 0.0  # when the next frame's chunks were first there
        self._mark: tuple[int, float] | None = None

    def next(self) -> Arrival | None:
        """The next frame once all its chunks are there and have not changed between two looks."""
        state = self._state(self.count)
        if state is None:
            return None
        mark, whole = state
        now = time.monotonic()
        if mark != self._mark:
            self._mark, self._seen = mark, now
            return None
        if not whole and not (self._later() and now - self._seen >= self.patience_s):
            return None  # a dark frame may lack chunks for good; a later one tells that it is over
        movie = self._movie()
        image = check_frame(movie.frame(self.count), self.count, movie.channels)
        self.first = self.first or movie
        self.count, self._mark = self.count + 1, None
        return Arrival(image, f"frame {self.count - 1}", mark[1] or time.time())

    def waiting(self) -> bool:
        """Whether chunks of the next frame are there."""
        state = self._state(self.count)
        return state is not None and state[0][0] > 0

    def settings(self) -> ReadSettings:
        """The frames taken so far."""
        return self.read.changed(frames=f"0:{self.count}")

    def _movie(self) -> Movie:
        return open_movie(self.source, self.read)

    def _later(self) -> bool:
        state = self._state(self.count + 1)
        return state is not None and state[0][0] > 0

    def _state(self, t: int) -> tuple[tuple[int, float], bool] | None:
        """Number of chunks of frame `t` and the time of the last one, and whether all are there."""
        try:
            source = inspect(self.source, self.read)
        except UnfadeError:  # metadata that are being written
            return None
        planes, layout = source.planes, source.layout
        if not isinstance(planes, ZarrPlanes) or t >= layout.size("T"):
            return None
        array = zarr.open_array(planes.path, mode="r")
        length = array.shards or array.chunks
        spans = [
            range(t // c, t // c + 1) if a == "T" else range(-(-n // c))
            for a, n, c in zip(layout.axes, layout.shape, length, strict=True)
        ]
        paths = [planes.path / array.metadata.encode_chunk_key(at) for at in product(*spans)]
        stats = [p.stat() for p in paths if p.is_file()]
        return (len(stats), max((s.st_mtime for s in stats), default=0.0)), len(stats) == len(paths)


def open_arrivals(source: Path, read: ReadSettings, patience_s: float) -> Arrivals:
    """Follow a folder or an OME-Zarr; either may still be empty.

    Raises
    ------
    MissingInputError
        If there is no such folder.
    InputError
        If a range of frames is given.
    """
    if read.frames is not None:
        raise InputError("A watch takes every frame that comes; leave out the range of frames.")
    if not source.is_dir():
        raise MissingInputError(f"There is no folder {source} to watch; make it, the frames may come later.")
    if is_zarr(source) or source.suffix.lower() == ".zarr":
        return ZarrArrivals(source, read, patience_s)
    return FolderArrivals(source, read, patience_s)
