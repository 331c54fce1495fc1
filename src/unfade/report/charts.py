"""Charts of the page as geometry: paths in a box of `WIDTH` x `HEIGHT` units, axes beside them.

The page stretches the box to the width it has; lines keep their thickness and texts their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.report.axes import Axis, Clock, Tick, Values, around, axis, from_zero
from unfade.report.content import ReportContent

WIDTH, HEIGHT = 2000, 2000
FAR = 1_000_000  # values far beyond the axis are drawn here
MOST_POINTS = 40_000  # points of faint lines in one chart
BINS = 40


@dataclass(frozen=True)
class Row:
    """What the table under a chart says about one frame."""

    frame: int
    time: str
    n: int
    low: float = float("nan")  # lower quartile
    middle: float = float("nan")  # median
    high: float = float("nan")  # upper quartile


@dataclass(frozen=True)
class Curve:
    """The line of one track; it breaks where the track has no value."""

    track: int
    path: str
    carried: str = ""  # stretches in which the object was not seen, with the steps into them and out of them


@dataclass(frozen=True)
class Curves:
    """A value of every track over time, with the median and the quartiles of each frame."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]  # all tracks, or an even sample of them
    median: str
    band: str
    rows: tuple[Row, ...]
    tracks: int  # tracks with a value
    objects: int  # objects with a value
    unknown: int  # objects without one
    beyond: int  # values above or below the axis
    places: str  # x of every frame in units of the box, separated by spaces

    @property
    def sampled(self) -> bool:
        """Whether some tracks are not drawn."""
        return len(self.curves) < self.tracks


@dataclass(frozen=True)
class Bar:
    """A bar and what it stands for."""

    path: str
    text: str


@dataclass(frozen=True)
class Bars:
    """Counts, from zero."""

    title: str
    x: Axis
    y: Axis
    bars: tuple[Bar, ...]
    n: int
    mark: Tick | None = None  # a value worth pointing at, as a line across the bars


def curves(content: ReportContent, column: str, title: str, time: Clock) -> Curves:
    """Curves of one column of the objects table."""
    rows = content.main_objects()
    tracks, values = per_track(rows, column, len(time.values))
    known = np.isfinite(values)
    x, y = time.axis(), around(values, "nucleus / ring")
    across, up = _across(x, time.values), HEIGHT * (1.0 - y.place(values))
    up = np.rint(np.clip(np.where(known, up, 0.0), -FAR, FAR)).astype(np.int64)
    quartiles = spread_of(values)
    carried = _carried(rows, column, len(time.values)) & known
    drawn = np.linspace(0, max(len(tracks) - 1, 0), _most(known)).astype(np.int64)
    return Curves(
        title=title,
        x=x,
        y=y,
        curves=tuple(
            Curve(int(tracks[i]), _line(across, up[i], known[i]), _stretches(across, up[i], known[i], carried[i]))
            for i in drawn
        ),
        median=_line(across, *_heights(y, quartiles[1])),
        band=_area(across, y, quartiles),
        rows=tuple(
            Row(t, time.text(t), int(known[:, t].sum()), *(float(q) for q in quartiles[:, t]))
            for t in range(len(time.values))
        ),
        tracks=len(tracks),
        objects=int(known.sum()),
        unknown=len(rows) - int(known.sum()),
        beyond=int(((values < y.low) | (values > y.high)).sum()),
        places=" ".join(map(str, across.tolist())),
    )


def distribution(content: ReportContent, column: str, title: str) -> Bars:
    """How the values of one column are distributed: for movies of a single frame."""
    values = content.main_objects()[column].to_numpy(np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    wide = around(values, "nucleus / ring", share=0.0)
    x = axis(wide.low, wide.high, wide.title)
    counts, edges = np.histogram(values, bins=min(BINS, max(8, int(np.sqrt(len(values))))), range=(x.low, x.high))
    y = from_zero(counts.astype(np.float64), "objects")
    bars = _bars(x, y, edges[:-1], edges[1:], counts)
    texts = [f"{a:.3g} to {b:.3g}: {n:,}" for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    middle = float(np.median(values)) if len(values) else None
    mark = None if middle is None else Tick(float(100 * x.place(np.array(middle))), f"median {middle:.3g}")
    return Bars(title, x, y, tuple(map(Bar, bars, texts)), len(values), mark)


def counts(content: ReportContent, time: Clock) -> tuple[Bars, tuple[Row, ...]]:
    """Objects of every frame."""
    frames = content.main_objects()["frame"].to_numpy(np.int64)
    number = np.bincount(frames, minlength=len(time.values))[: len(time.values)]
    half = _half_steps(time.values)
    x = time.axis(margin=float(half.max(initial=0.5)) if len(half) else 0.5)
    y = from_zero(number.astype(np.float64), "objects")
    bars = _bars(x, y, time.values - half, time.values + half, number)
    rows = tuple(Row(t, time.text(t), int(n)) for t, n in enumerate(number))
    texts = [f"frame {r.frame}{f', {r.time}' if r.time else ''}: {r.n:,} objects" for r in rows]
    return Bars("Objects per frame", x, y, tuple(map(Bar, bars, texts)), int(number.sum())), rows


def lengths(content: ReportContent) -> Bars:
    """How many tracks have how many frames."""
    frames = content.tracks["frames"].to_numpy(np.int64)
    longest = max(int(frames.max(initial=1)), content.shape[0], 1)
    width = -(-longest // BINS)
    edges = np.arange(1, longest + width + 1, width)
    number = np.histogram(frames, bins=edges)[0]
    sides = edges.astype(np.float64) - 0.5
    x = axis(0.5, float(edges[-1]) - 0.5, "frames in the track", whole=True)
    y = from_zero(number.astype(np.float64), "tracks")
    bars = _bars(x, y, sides[:-1], sides[1:], number)
    texts = [
        f"{a} frame{'s' * (a > 1)}: {n:,} tracks" if width == 1 else f"{a} to {a + width - 1} frames: {n:,} tracks"
        for a, n in zip(edges[:-1].tolist(), number.tolist(), strict=True)
    ]
    return Bars("Lengths of the tracks", x, y, tuple(map(Bar, bars, texts)), len(frames))


def per_track(rows: pd.DataFrame, column: str, frames: int) -> tuple[NDArray[np.int64], Values]:
    """Ids of the tracks that have a value `(N,)`, and the values `(N, frames)`, NaN where there is none."""
    frame = rows["frame"].to_numpy(np.int64)
    value = rows[column].to_numpy(np.float64, na_value=np.nan)
    good = np.isfinite(value) & (frame >= 0) & (frame < frames)
    tracks, place = np.unique(rows["track"].to_numpy(np.int64)[good], return_inverse=True)
    table = np.full((len(tracks), frames), np.nan)
    table[place, frame[good]] = value[good]
    return tracks, table


def _carried(rows: pd.DataFrame, column: str, frames: int) -> NDArray[np.bool_]:
    """Where the values of `per_track` come from objects that repair has carried, `(N, frames)`."""
    if "origin" not in rows:
        return np.zeros(per_track(rows, column, frames)[1].shape, bool)
    seen = rows["origin"].astype(str).to_numpy() == "seen"
    marked = rows.assign(**{column: np.where(rows[column].notna(), np.where(seen, 0.0, 1.0), np.nan)})
    return np.asarray(per_track(marked, column, frames)[1] == 1.0, np.bool_)


def _stretches(
    across: NDArray[np.int64], up: NDArray[np.int64], known: NDArray[np.bool_], carried: NDArray[np.bool_]
) -> str:
    """The line of the carried stretches alone."""
    if not carried.any():
        return ""
    near = carried.copy()
    near[1:] |= carried[:-1]
    near[:-1] |= carried[1:]
    return _line(across, up, near & known)


def spread_of(values: Values) -> Values:
    """Lower quartile, median and upper quartile of the finite values of every column: `(N, T)` to `(3, T)`.

    Linear between neighbours, as `numpy.nanpercentile`; NaN for a column without values.
    """
    number = np.isfinite(values).sum(axis=0)
    if values.shape[0] == 0:
        return np.full((3, values.shape[1]), np.nan)
    ordered = np.sort(values, axis=0)  # NaN comes last
    rank = np.array([[0.25], [0.5], [0.75]]) * np.maximum(number - 1, 0)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(number - 1, 0))
    columns = np.arange(values.shape[1])
    low, high = ordered[below, columns], ordered[above, columns]
    between: Values = low + (high - low) * (rank - below)
    return between


def _most(known: NDArray[np.bool_]) -> int:
    """Number of tracks that may be drawn."""
    tracks, points = len(known), int(known.sum())
    return tracks if points <= MOST_POINTS else max(1, tracks * MOST_POINTS // points)


def _across(x: Axis, values: Values) -> NDArray[np.int64]:
    return np.rint(WIDTH * x.place(values)).astype(np.int64)


def _heights(y: Axis, values: Values) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    known = np.isfinite(values)
    return np.rint(HEIGHT * (1.0 - y.place(np.where(known, values, y.low)))).astype(np.int64), known


def _line(across: NDArray[np.int64], up: NDArray[np.int64], known: NDArray[np.bool_]) -> str:
    """A line through the known points; a point without neighbours becomes a dot."""
    parts: list[str] = []
    last = -2
    place = [0, 0]
    for t in np.flatnonzero(known).tolist():
        x, y = int(across[t]), int(up[t])
        parts.append(f"l{x - place[0]} {y - place[1]}" if t == last + 1 else f"M{x} {y}h0")
        last, place = t, [x, y]
    return "".join(parts)


def _area(across: NDArray[np.int64], y: Axis, quartiles: Values) -> str:
    """The area between the quartiles, one piece for every run of frames with values."""
    low, known = _heights(y, quartiles[0])
    high, _ = _heights(y, quartiles[2])
    at = np.flatnonzero(known)
    parts = []
    for run in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
        if len(run):
            there = [f"{across[t]} {high[t]}" for t in run]
            back = [f"{across[t]} {low[t]}" for t in run[::-1]]
            parts.append(f"M{'L'.join([*there, *back])}z")
    return "".join(parts)


def _half_steps(values: Values) -> Values:
    """Half of the distance from each frame to its nearest neighbour in time."""
    if len(values) < 2:
        return np.full(len(values), 0.5)
    steps = np.diff(values)
    half: Values = 0.5 * np.minimum(np.append(steps, steps[-1]), np.append(steps[:1], steps))
    return half


def _bars(x: Axis, y: Axis, left: Values, right: Values, heights: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Bars from `left` to `right`, with a slit between them unless there are many."""
    slit = 0.08 if len(left) <= 100 else 0.0
    width = right - left
    a = np.rint(WIDTH * x.place(left + slit * width)).astype(np.int64)
    b = np.rint(WIDTH * x.place(right - slit * width)).astype(np.int64)
    top = np.rint(HEIGHT * (1.0 - y.place(np.asarray(heights, np.float64)))).astype(np.int64)
    return [f"M{p} {HEIGHT}V{t}H{q}V{HEIGHT}z" for p, q, t in zip(a.tolist(), b.tolist(), top.tolist(), strict=True)]
