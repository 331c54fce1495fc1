"""What the stages hand to each other: movies, labels, instances, lineage and tables.

All records are frozen and hold numpy (tables: pandas), never torch. Images are `(T, C, Y, X)` and read one frame at a
time; labels are `(T, Y, X)`, 0 is background. The pixel size is in µm, times are in seconds; None means unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.errors import ChannelError, ShapeError

Kind = Literal["nucleus", "cell"]
KINDS: tuple[Kind, ...] = ("nucleus", "cell")  # the number of a kind is its place here

Image = NDArray[Any]
LabelImage = NDArray[np.int32]


@dataclass(frozen=True)
class Calibration:
    """Size of a pixel and times of the frames, as far as they are known."""

    pixel_um: float | None = None
    interval_s: float | None = None
    times_s: tuple[float, ...] | None = None  # one stamp per frame where they are irregular

    def __post_init__(self) -> None:
        for name, value in (("pixel size", self.pixel_um), ("frame interval", self.interval_s)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ShapeError(f"The {name} must be a positive number, got {value}.")

    def seconds(self, frame: int) -> float | None:
        """Time of a frame in seconds since the first one, or None if unknown."""
        if self.times_s is not None:
            return float(self.times_s[frame] - self.times_s[0])
        return None if self.interval_s is None else frame * self.interval_s

    def window(self, start: int, stop: int) -> Calibration:
        """The calibration of the frames `start` to `stop - 1`."""
        return replace(self, times_s=None if self.times_s is None else self.times_s[start:stop])


def _picked(data: Image, frame: int, dtype: Any = None) -> Image:
    """One frame of an array; a function of its own, so that records can be sent to other processes."""
    return data[frame] if dtype is None else np.ascontiguousarray(data[frame], dtype)


@dataclass(frozen=True)
class _Shifted:
    """Reads the frames of a window that begins at `start`."""

    read: Callable[[int], Image]
    start: int

    def __call__(self, frame: int) -> Image:
        return self.read(self.start + frame)

    @property
    def rows(self) -> Callable[[int, int, int], Image] | None:
        inner = getattr(self.read, "rows", None)
        return None if inner is None else partial(_shifted_rows, inner, self.start)


def _shifted_rows(rows: Callable[[int, int, int], Image], start: int, frame: int, first: int, stop: int) -> Image:
    return rows(start + frame, first, stop)


@dataclass(frozen=True)
class Rows:
    """One image `(…, Y, X)` read by ranges of rows, so that a huge one is never in memory as a whole."""

    shape: tuple[int, ...]
    read: Callable[[int, int], Image] = field(repr=False)  # first row, end

    @classmethod
    def of(cls, image: Image | Rows) -> Rows:
        """An array in memory by its rows."""
        return image if isinstance(image, Rows) else cls(np.shape(image), partial(_lines, np.asarray(image)))

    def plane(self, channel: int) -> Rows:
        """One channel of a frame `(C, Y, X)`."""
        return Rows(self.shape[1:], lambda first, stop: self.read(first, stop)[channel])

    def ranges(self, count: int) -> list[tuple[int, int]]:
        """Ranges of at most `count` rows that make up the image."""
        height = self.shape[-2]
        return [(y, min(y + count, height)) for y in range(0, height, count)]


def _lines(image: Image, first: int, stop: int) -> Image:
    return image[..., first:stop, :]


def _rows(read: Any, t: int, shape: tuple[int, ...]) -> Rows:
    """Frame `t` by rows; where its file cannot be read in parts, it is read once and kept as long as the result."""
    part = getattr(read, "rows", None)
    return Rows.of(read(t)) if part is None else Rows(shape, partial(part, t))


@dataclass(frozen=True)
class Movie:
    """A movie `(T, C, Y, X)` whose frames are read one at a time.

    `read(t)` gives frame t as `(C, Y, X)`; nothing keeps it afterwards.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    channels: tuple[str, ...]
    read: Callable[[int], Image] = field(repr=False)
    calibration: Calibration = Calibration()
    source: Path | None = None
    notes: tuple[str, ...] = ()  # what the reader decided or found odd, for the report

    def __post_init__(self) -> None:
        if len(self.channels) != self.shape[1]:
            raise ShapeError(f"The movie has {self.shape[1]} channels but {len(self.channels)} channel names.")
        stamps = self.calibration.times_s
        if stamps is not None and len(stamps) != self.shape[0]:
            raise ShapeError(f"The movie has {self.shape[0]} frames but {len(stamps)} time stamps.")

    @classmethod
    def of(cls, array: Image, channels: Sequence[str] | None = None, calibration: Calibration = Calibration()) -> Movie:
        """A movie from an array `(T, Y, X)` or `(T, C, Y, X)` in memory.

        Raises
        ------
        ShapeError
            For any other number of axes.
        """
        data = np.asarray(array)
        if data.ndim == 3:
            data = data[:, None]
        if data.ndim != 4:
            raise ShapeError(f"A movie has the axes (T, Y, X) or (T, C, Y, X); got an array of shape {data.shape}.")
        names = tuple(channels) if channels is not None else tuple(f"channel {c}" for c in range(data.shape[1]))
        t, c, y, x = data.shape
        return cls((t, c, y, x), data.dtype, names, partial(_picked, data), calibration)

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, t: int, channel: int | None = None) -> Image:
        """Frame `t` as `(C, Y, X)`, or one channel of it as `(Y, X)`."""
        image = self.read(t)
        return image if channel is None else image[channel]

    @property
    def by_rows(self) -> bool:
        """Whether its file gives some rows of a frame for less than the whole frame."""
        return getattr(self.read, "rows", None) is not None

    def rows(self, t: int) -> Rows:
        """Frame `t`, `(C, Y, X)`, by ranges of rows."""
        return _rows(self.read, t, self.shape[1:])

    def frames(self, channel: int | None = None) -> Iterator[Image]:
        """All frames in order, one in memory at a time."""
        for t in range(len(self)):
            yield self.frame(t, channel)

    def channel(self, name: str | int) -> int:
        """Index of a channel given by name (any case) or by index.

        Raises
        ------
        ChannelError
            If there is none, or if a name fits several; the text lists the channels.
        """
        text = str(name).strip()
        listed = ", ".join(f"{i} '{n}'" for i, n in enumerate(self.channels))
        hits = [i for i, n in enumerate(self.channels) if n == text]
        hits = hits or [i for i, n in enumerate(self.channels) if n.lower() == text.lower()]
        if len(hits) > 1:
            raise ChannelError(f"Several channels are called '{text}'; give an index instead ({listed}).")
        if hits:
            return hits[0]
        if text.isdigit() and int(text) < len(self.channels):
            return int(text)
        raise ChannelError(f"There is no channel '{text}'; the movie has {listed}.")

    def window(self, start: int, stop: int) -> Movie:
        """The frames `start` to `stop - 1` as a movie of their own, still read one at a time."""
        if not 0 <= start < stop <= len(self):
            raise ShapeError(
                f"Frames {start}:{stop} are not within a movie of {len(self)} frames; choose from 0:{len(self)}."
            )
        return replace(
            self,
            shape=(stop - start, *self.shape[1:]),
            read=_Shifted(self.read, start),
            calibration=self.calibration.window(start, stop),
        )

    def calibrated(self, pixel_um: float | None = None, interval_s: float | None = None) -> Movie:
        """The same movie with a given pixel size (µm) or frame interval (s) in place of what the file says."""
        known = self.calibration
        if pixel_um is not None:
            known = replace(known, pixel_um=pixel_um)
        if interval_s is not None:
            known = replace(known, interval_s=interval_s, times_s=None)
        return replace(self, calibration=known)


@dataclass(frozen=True)
class Labels:
    """Label images `(T, Y, X)` of one kind of object, read one frame at a time; 0 is background."""

    shape: tuple[int, int, int]
    read: Callable[[int], LabelImage] = field(repr=False)
    kind: Kind = "nucleus"
    calibration: Calibration = Calibration()
    source: Path | None = None

    @classmethod
    def of(cls, array: Image, kind: Kind = "nucleus", calibration: Calibration = Calibration()) -> Labels:
        """Labels from an integer array `(T, Y, X)` (or one frame `(Y, X)`) in memory.

        Raises
        ------
        ShapeError
            For other axes, for images that are not integers, and for negative labels.
        """
        data = np.asarray(array)
        if data.ndim == 2:
            data = data[None]
        if data.ndim != 3:
            raise ShapeError(f"Labels have the axes (T, Y, X); got an array of shape {data.shape}.")
        if data.dtype.kind not in "iub":
            raise ShapeError(f"Labels must be integers, got {data.dtype}.")
        if data.size and (data.min() < 0 or int(data.max()) > np.iinfo(np.int32).max):
            raise ShapeError(f"Labels must lie in 0..2147483647, got {data.min()}..{data.max()}.")
        t, y, x = data.shape
        return cls((t, y, x), partial(_picked, data, dtype=np.int32), kind, calibration)

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, t: int) -> LabelImage:
        """Labels of frame `t`, `(Y, X)` int32."""
        return self.read(t)

    def rows(self, t: int) -> Rows:
        """Labels of frame `t`, `(Y, X)` int32, by ranges of rows."""
        return _rows(self.read, t, self.shape[1:])

    def frames(self) -> Iterator[LabelImage]:
        """All frames in order, one in memory at a time."""
        for t in range(len(self)):
            yield self.read(t)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All frames at once, `(T, Y, X)`: for people and small data, not for stages."""
        stack = np.zeros(self.shape, np.int32)
        for t, image in enumerate(self.frames()):
            stack[t] = image
        return stack if dtype is None else stack.astype(dtype)


@dataclass(frozen=True)
class Instances:
    """Objects of k consecutive frames, masks kept as runs, so that they may overlap.

    Equal `id` means the same object inside the block; a nucleus and its cell share the id. Object n owns the rows
    `offset[n]:offset[n + 1]` of `runs`, each `(first, length)`: flat pixel index `y * X + x` and number of pixels.
    Scores and uncertainties are NaN where unknown.
    """

    shape: tuple[int, int, int]  # (k, Y, X)
    frame: NDArray[np.int32]  # (N,)
    id: NDArray[np.int32]  # (N,)
    kind: NDArray[np.uint8]  # (N,) place in KINDS
    box: NDArray[np.int32]  # (N, 4) y0 x0 y1 x1, the end exclusive
    runs: NDArray[np.int64]  # (R, 2) first pixel, length
    offset: NDArray[np.int64]  # (N + 1,)
    score: NDArray[np.float32]  # (N,)
    u_total: NDArray[np.float32]  # (N,)
    u_data: NDArray[np.float32]  # (N,)
    u_model: NDArray[np.float32]  # (N,)
    uncertainty: NDArray[np.float32] | None = None  # (k, 3, Y, X) total, data, model part per pixel, where asked for

    def __post_init__(self) -> None:
        n = len(self.frame)
        sizes = [len(a) for a in (self.id, self.kind, self.box, self.score, self.u_total, self.u_data, self.u_model)]
        if any(size != n for size in sizes) or len(self.offset) != n + 1:
            raise ShapeError(f"Instances need one entry per object in every column, got {n} and {sizes}.")

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def of(
        cls,
        labels: LabelImage,
        score: NDArray[np.float32] | None = None,
        u_total: NDArray[np.float32] | None = None,
        kind: Kind = "nucleus",
    ) -> Self:
        """Objects of a flat label image `(Y, X)` or block `(k, Y, X)`, ascending by frame, then by label.

        `score` and `u_total` are indexed the same way, one entry per object.
        """
        block = np.asarray(labels, np.int32)
        block = block[None] if block.ndim == 2 else block
        parts = [_runs(image) for image in block]
        frame = np.concatenate([np.full(len(p[0]), k, np.int32) for k, p in enumerate(parts)])
        counts = np.concatenate([p[2] for p in parts])
        n = len(frame)
        unknown = np.full(n, np.nan, np.float32)
        return cls(
            shape=(block.shape[0], block.shape[1], block.shape[2]),
            frame=frame,
            id=np.concatenate([p[0] for p in parts]).astype(np.int32),
            kind=np.full(n, KINDS.index(kind), np.uint8),
            box=np.concatenate([p[3] for p in parts]),
            runs=np.concatenate([p[1] for p in parts]),
            offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            score=unknown if score is None else np.asarray(score, np.float32),
            u_total=unknown if u_total is None else np.asarray(u_total, np.float32),
            u_data=unknown,
            u_model=unknown,
        )

    def labels(self, kind: Kind | None = None) -> LabelImage:
        """Paint the ids of one kind into `(k, Y, X)`; where masks overlap, the higher score wins.

        Without a kind it is that of the first object: where cells come with their nuclei, the cells.
        """
        painted = [self.rows(k, kind).read(0, self.shape[1])[None] for k in range(self.shape[0])]
        return painted[0] if len(painted) == 1 else np.concatenate(painted)

    def rows(self, k: int, kind: Kind | None = None, ids: NDArray[np.int32] | None = None) -> Rows:
        """What `labels` paints of frame `k` of the block, `(Y, X)`, by ranges of rows; `ids` may stand for the own."""
        if kind is None:
            kind = KINDS[int(self.kind[0])] if len(self) else "nucleus"
        return Rows(self.shape[1:], _Painter.of(self, k, kind, self.id if ids is None else ids))

    def areas(self) -> NDArray[np.int64]:
        """Pixels of every object `(N,)`."""
        count = np.concatenate([[0], np.cumsum(self.runs[:, 1], dtype=np.int64)])
        return np.asarray(count[self.offset[1:]] - count[self.offset[:-1]], np.int64)

    def mask(self, n: int) -> NDArray[np.bool_]:
        """Mask of object `n` inside its box, `(box height, box width)`."""
        y0, x0, y1, x1 = self.box[n]
        out = np.zeros((y1 - y0, x1 - x0), bool)
        for first, length in self.runs[self.offset[n] : self.offset[n + 1]]:
            y, x = divmod(int(first), self.shape[2])
            out[y - y0, x - x0 : x - x0 + length] = True
        return out


@dataclass(frozen=True)
class _Painter:
    """Paints rows of one frame from runs, sorted by row; of runs that overlap the later one in `order` stays."""

    width: int
    start: NDArray[np.int64]  # (R,) first pixels, ascending
    length: NDArray[np.int64]  # (R,)
    value: NDArray[np.int32]  # (R,)
    order: NDArray[np.int64]  # (R,) rank by which they are painted

    @classmethod
    def of(cls, found: Instances, k: int, kind: Kind, ids: NDArray[np.int32]) -> _Painter:
        place = np.argsort(np.nan_to_num(found.score, nan=-np.inf), kind="stable")
        place = place[(found.kind[place] == KINDS.index(kind)) & (found.frame[place] == k)]
        counts = np.diff(found.offset)[place]
        row = np.repeat(found.offset[place] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        rank = np.argsort(found.runs[row, 0], kind="stable")
        start, length = found.runs[row[rank]].T
        return cls(found.shape[2], start, length, np.repeat(ids[place], counts)[rank].astype(np.int32), rank)

    def __call__(self, first: int, stop: int) -> LabelImage:
        out = np.zeros((stop - first, self.width), np.int32)
        mine = slice(*np.searchsorted(self.start, [first * self.width, stop * self.width]))
        last = np.argsort(self.order[mine], kind="stable")  # the last write stays
        start, length = self.start[mine][last] - first * self.width, self.length[mine][last]
        pixel = np.repeat(start - np.cumsum(length) + length, length) + np.arange(length.sum())
        out.reshape(-1)[pixel] = np.repeat(self.value[mine][last], length)
        return out


def _runs(image: LabelImage) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Ids, runs sorted by id, number of runs per id and boxes of one label image."""
    height, width = image.shape
    edge = np.empty((height, width), bool)
    edge[:, 0] = True  # runs end with their row
    np.not_equal(image[:, 1:], image[:, :-1], out=edge[:, 1:])
    start = np.flatnonzero(edge)
    length = np.diff(start, append=image.size)
    owner = image.ravel()[start]
    keep = owner > 0
    start, length, owner = start[keep], length[keep], owner[keep]
    order = np.argsort(owner, kind="stable")
    start, length, owner = start[order], length[order], owner[order]
    ids, first, counts = np.unique(owner, return_index=True, return_counts=True)
    if len(ids) == 0:
        return ids, np.zeros((0, 2), np.int64), counts, np.zeros((0, 4), np.int32)
    y, x = start // width, start % width
    box = np.stack(
        [
            np.minimum.reduceat(y, first),
            np.minimum.reduceat(x, first),
            np.maximum.reduceat(y, first) + 1,
            np.maximum.reduceat(x + length, first),
        ],
        axis=1,
    ).astype(np.int32)
    return ids, np.stack([start, length], axis=1), counts, box


@dataclass(frozen=True)
class Lineage:
    """Tracks over time: which object of which frame belongs to which track, and who descends from whom.

    Node n is the object `label[n]` (its value in the label images) of frame `frame[n]`, member of track `track[n]`.
    A track may lack frames in its middle; an export that forbids gaps cuts it there. `parents` holds pairs
    (child track, parent track), many to many.
    """

    frame: NDArray[np.int32]  # (N,)
    label: NDArray[np.int32]  # (N,)
    track: NDArray[np.int32]  # (N,)
    confidence: NDArray[np.float32]  # (N,) of the link from the track's previous node; NaN for its first
    parents: NDArray[np.int32]  # (P, 2) child, parent

    def tracks(self) -> pd.DataFrame:
        """One row per track: `track, first, last, frames` (number of nodes) and `parent` (0 = none)."""
        order = np.lexsort((self.frame, self.track))
        track, frame = self.track[order].astype(np.int64), self.frame[order].astype(np.int64)
        begin = np.flatnonzero(np.diff(track, prepend=track[:1] - 1))
        end = np.append(begin[1:], len(track))[: len(begin)]
        known = dict(self.parents[::-1].tolist())  # the first pair of a child wins in this flat view
        parent = np.array([known.get(n, 0) for n in track[begin].tolist()], np.int64)
        columns = (track[begin], frame[begin], frame[end - 1], end - begin, parent)
        return pd.DataFrame(dict(zip(("track", "first", "last", "frames", "parent"), columns, strict=True)))


@dataclass(frozen=True)
class Table:
    """Rows with named columns and the unit of each column that has one."""

    rows: pd.DataFrame
    units: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


class Evidence(NamedTuple):
    """How far the frames around a frame are heard before its objects are decided."""

    past: int  # frames before it
    future: int  # frames after it
    keep: float  # weight of a neighbour over that of the frame itself, once for every frame between them
    level: float  # probability that speaks neither for nor against an object


@dataclass(frozen=True)
class View:
    """What a system sees of a movie and how its outputs are joined: all that the engines need to know beforehand."""

    channels: int = 1
    offsets: tuple[int, ...] = (0,)  # frames it sees at once, counted from the one whose objects it finds
    recurrent: bool = False  # carries a state from frame to frame
    feedback: bool = False  # sees its own previous output
    reference: bool = False  # sees a reference frame and its mask
    block: int = 1  # consecutive frames decoded together: 1 or 2
    join: Literal["maps", "instances"] = "maps"  # how tiles are joined
    evidence: Evidence | None = None  # averaged over neighbouring frames; None = every frame is decided by itself
    followed: Evidence | None = None  # the same where frames follow the picture
    normalise: Literal["frame", "running", "movie", "background"] = "frame"
    kinds: tuple[Kind, ...] = ("nucleus",)  # of its objects; of cells with their nuclei, nuclei come first
    diameter_px: tuple[float, float] = (15.0, 32.0)  # median object diameter it was trained for, from and to
    size_px: tuple[int, int] | None = None  # height, width at which frames are seen whatever their objects' diameter
    stride: int = 16  # image sides are padded to multiples of this
    reach_px: int = 64  # overlap of tiles that hides their seams

    @property
    def past(self) -> int:
        """Frames before the current one that it sees."""
        return max(0, -min(self.offsets))

    @property
    def future(self) -> int:
        """Frames after it."""
        return max(0, *self.offsets)
