"""What a report is made of: plain tables, pictures and texts, with no file or stage behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.errors import ShapeError
from unfade.records import Calibration, Rows

OBJECT_COLUMNS = ("frame", "track")
TRACK_COLUMNS = ("track", "first", "last", "frames")
ATTENTION_COLUMNS = ("frame", "track", "reason")
LISTED = 120  # objects worth a look that the page lists


class Snapshot(NamedTuple):
    """A frame to show: its index, one channel of it, and the objects whose outlines are drawn over it."""

    frame: int
    image: NDArray[Any] | Rows  # (Y, X)
    labels: NDArray[np.integer[Any]] | Rows  # (Y, X), track ids

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of both."""
        return Rows.of(self.image).shape, Rows.of(self.labels).shape


class Outline(NamedTuple):
    """One object as a closed path in quarters of a pixel."""

    track: int
    path: str


class Sketch(NamedTuple):
    """What the page needs of a frame, whatever its size: a small image and outlines; see `pictures.sketch`."""

    frame: int
    height: int
    width: int
    small: NDArray[Any]  # (y, x)
    ends: tuple[float, float]  # its own intensities for black and white
    outlines: tuple[Outline, ...]


class Crop(NamedTuple):
    """The surroundings of one object, for a thumbnail."""

    image: NDArray[Any]  # (h, w)
    mask: NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Rescaling:
    """By how much the network's input was resized, and why."""

    factor: float  # side of a pixel of the movie, in pixels of the network's input; 1 = own size
    diameter_px: float | None = None  # median diameter of the objects in the movie
    range_px: tuple[float, float] | None = None  # diameters that the model was trained on
    reason: str = ""


@dataclass(frozen=True)
class ReportContent:
    """Everything that the page shows.

    `objects` has a row per object and frame, at least with `frame, track`, and `kind, y_px, x_px, area_px,
    touches_border` where known; `tracks` has `track, first, last, frames, parent` (0 = none); `attention` has
    `frame, track, reason` and any further columns, the most urgent row first. `ratios` names the columns of `objects`
    to draw over time, each with a title for people. `crops` are thumbnails, one for each row of `attention` or None.

    Raises
    ------
    ShapeError
        For a table that lacks a column, and for pictures whose labels have another shape.
    """

    title: str
    shape: tuple[int, int, int, int]  # (T, C, Y, X)
    channels: tuple[str, ...]
    calibration: Calibration
    objects: pd.DataFrame
    tracks: pd.DataFrame
    source: str = ""
    ratios: tuple[tuple[str, str], ...] = ()
    snapshots: Sequence[Snapshot | Sketch] = ()
    snapshot_channel: str = ""
    attention: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ATTENTION_COLUMNS)))
    crops: Sequence[Crop | None] = ()
    rescaling: Rescaling | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require("objects", self.objects, (*OBJECT_COLUMNS, *(column for column, _ in self.ratios)))
        _require("tracks", self.tracks, TRACK_COLUMNS)
        _require("attention", self.attention, ATTENTION_COLUMNS)
        for shot in self.snapshots:
            if isinstance(shot, Sketch):
                continue
            image, labels = Snapshot(*shot).shapes
            if len(image) != 2 or image != labels:
                raise ShapeError(
                    f"Frame {shot[0]} of the report needs an image and labels of one shape (Y, X), "
                    f"got {image} and {labels}."
                )

    def main_objects(self) -> pd.DataFrame:
        """Rows of the nuclei where there are any, else all rows: one row per frame and track."""
        return nuclei_of(self.objects)


def nuclei_of(objects: pd.DataFrame) -> pd.DataFrame:
    """Rows of the nuclei where there are any, else all rows."""
    if "kind" not in objects:
        return objects
    nuclei = objects[objects["kind"] == "nucleus"]
    return nuclei if len(nuclei) else objects


def listed(attention: pd.DataFrame, most: int = LISTED) -> NDArray[np.int64]:
    """Places of the rows of an attention table that the page lists.

    They are all, or at most `most`: the first of every reason, so that a frequent one hides no other.
    """
    rank = attention.groupby("reason", sort=False).cumcount().to_numpy()
    return np.sort(np.argsort(rank, kind="stable")[:most]).astype(np.int64)


def _require(name: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ShapeError(f"The table of {name} for the report lacks the column '{missing[0]}'.")
