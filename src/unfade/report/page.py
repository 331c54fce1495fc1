"""One self-contained HTML page about a run: it opens offline, asks for nothing and can be printed.

Every text is escaped by the template, and a content policy inside the page forbids any request and any script but
the page's own, which it knows by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from unfade.errors import OutputError
from unfade.report import charts
from unfade.report.axes import Clock, clock
from unfade.report.content import Crop, ReportContent, Sketch, Snapshot, listed
from unfade.report.pictures import QUARTER, common, contrast, crop, data_address, grey, outlines, picture, sketch

COLOURS = 6  # of outlines, repeated over the tracks
TRACKS_LISTED = 20_000
HIDDEN = ("urgency",)  # columns that order the table and say nothing else
UNITS = {"_px": "px", "_um": "µm", "_um2": "µm²", "_s": "s", "_um_s": "µm/s"}


@dataclass(frozen=True)
class Fact:
    """A figure of the page's head."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text and, for numbers, what it is sorted by."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class Thumbnail:
    """A crop ready for the page."""

    width: int
    height: int
    png: str
    path: str


@dataclass(frozen=True)
class AttentionRow:
    """A row of the table of objects worth a look."""

    track: int
    frame: int
    reason: str
    thumbnail: Thumbnail | None
    cells: tuple[Cell, ...]


def write(path: Path | str, content: ReportContent) -> None:
    """Write the report to `path`, in one step: there is never half a page.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.part")  # a name that the next attempt overwrites
    page = html(content).encode("utf-8", "backslashreplace")
    try:
        part.write_bytes(page)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = error.strerror or "the file system refused it"
        raise OutputError(
            f"The report cannot be written to {target} ({reason}); free the place or choose another."
        ) from error


def html(content: ReportContent) -> str:
    """The page as a text."""
    time = clock(content.shape[0], content.calibration)
    script, style = _part("page.js"), _part("page.css")
    shots = [shot if isinstance(shot, Sketch) else sketch(Snapshot(*shot)) for shot in content.snapshots]
    ends = common([shot.ends for shot in shots])
    counted, per_frame = charts.counts(content, time)
    single = content.shape[0] == 1
    return _template().render(
        content=content,
        script=script,
        style=style,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        time=time,
        facts=_facts(content, time),
        ends=ends,
        pictures=[picture(shot, ends) for shot in shots],
        curves=[] if single else [charts.curves(content, c, title, time) for c, title in content.ratios],
        distributions=[charts.distribution(content, c, title) for c, title in content.ratios] if single else [],
        counts=counted,
        per_frame=per_frame,
        lengths=charts.lengths(content),
        headings=_headings(content.attention),
        attention=_attention(content, time),
        reasons=_reasons(content.attention),
        tracks=_tracks(content.tracks),
        colours=COLOURS,
        box=(charts.WIDTH, charts.HEIGHT),
        quarter=QUARTER,
    )


@cache
def _template() -> jinja2.Template:
    room = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    room.filters["plain"] = plain
    room.filters["short"] = _short
    return room.from_string(_part("page.html.jinja"))


@cache
def _part(name: str) -> str:
    return files("unfade.report").joinpath(name).read_text("utf-8")


def plain(value: Any) -> str:
    """A value of the manifest as people read it."""
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(plain(v) for v in value) or "none"
    return str(value)


def _short(value: float) -> str:
    """A measured value with three significant digits."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _facts(content: ReportContent, time: Clock) -> list[Fact]:
    frames, _, height, width = content.shape
    known, tracks = content.calibration, content.tracks
    pixel = known.pixel_um
    step = time.step()
    span = f"over {_short(float(time.values[-1] - time.values[0]))} {time.unit}" if time.unit != "frame" else ""
    pace = f"every {step:.4g} {time.unit}" if step else ("irregular intervals" if span else "interval unknown")
    parents = tracks["parent"] if "parent" in tracks else pd.Series(dtype="int64")
    divided = int(parents[parents > 0].nunique())
    objects = len(content.main_objects())
    size = f"{height * pixel:,.0f} × {width * pixel:,.0f} µm" if pixel else "pixel size unknown"
    middle = f"median {tracks['frames'].median():.4g} of {frames} frames" if len(tracks) else ""
    return [
        Fact("Frames", f"{frames:,}", ", ".join(t for t in (pace, span) if t) if frames > 1 else "nothing to link"),
        Fact("Image", f"{height:,} × {width:,} px", f"{size}{f', {pixel:.4g} µm per pixel' if pixel else ''}"),
        Fact("Objects", f"{objects:,}", f"{objects / max(frames, 1):,.0f} per frame"),
        Fact("Tracks", f"{len(tracks):,}", middle),
        Fact("Divisions", f"{divided:,}", "tracks with daughters"),
    ]


def _headings(table: pd.DataFrame) -> list[str]:
    return [_heading(str(name)) for name in table.columns if name not in HIDDEN]


def _heading(name: str) -> str:
    """`area_px` becomes `area (px)`."""
    for ending in sorted(UNITS, key=len, reverse=True):
        if name.endswith(ending) and len(name) > len(ending):
            unit = "px²" if name.endswith("area_px") else UNITS[ending]
            return f"{name.removesuffix(ending).replace('_', ' ')} ({unit})"
    return name.replace("_", " ")


def _attention(content: ReportContent, time: Clock) -> list[AttentionRow]:
    table = content.attention
    shots = {int(shot[0]): Snapshot(*shot) for shot in content.snapshots if not isinstance(shot, Sketch)}
    rows = []
    names = [name for name in table.columns if name not in HIDDEN]
    places = listed(table)
    for n, record in zip(places.tolist(), table[names].iloc[places].to_dict("records"), strict=True):
        given = content.crops[n] if n < len(content.crops) else None
        frame, track = int(record["frame"]), int(record["track"])
        if given is None and frame in shots and {"y_px", "x_px"} <= set(names):
            given = _from_snapshot(shots[frame].image, shots[frame].labels, record)
        cells = tuple(_cell(name, value, time) for name, value in zip(names, record.values(), strict=True))
        rows.append(AttentionRow(track, frame, str(record["reason"]), _thumbnail(given) if given else None, cells))
    return rows


def _from_snapshot(image: Any, labels: Any, record: Mapping[Any, Any]) -> Crop | None:
    place = (float(record["y_px"]), float(record["x_px"]))
    return crop(image, labels, int(record["track"]), place) if all(map(math.isfinite, place)) else None


def _cell(name: object, value: Any, time: Clock) -> Cell:
    if name == "frame":
        text = time.text(int(value))
        return Cell(f"{int(value)} ({text})" if text else str(int(value)), float(value))
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return Cell(plain(value))
    number = float(value)
    whole = number.is_integer() if math.isfinite(number) else False
    return Cell(f"{number:.0f}" if whole or name == "track" else _short(number), number)


def _thumbnail(part: Crop) -> Thumbnail:
    height, width = part.image.shape
    shapes = outlines(part.mask.astype(np.uint8))
    return Thumbnail(
        width, height, data_address(grey(part.image, contrast([part.image]))), shapes[0].path if shapes else ""
    )


def _reasons(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Every reason with the number of its rows, the most frequent first."""
    return [(str(reason), int(n)) for reason, n in table["reason"].astype(str).value_counts().items()]


def _tracks(table: pd.DataFrame) -> str:
    """The tracks as `{track: [first, last, frames, parent]}` for the page's search field; empty if there are many."""
    if len(table) > TRACKS_LISTED:
        return "{}"
    parent = table["parent"] if "parent" in table else [0] * len(table)
    columns: Iterable[Any] = zip(table["track"], table["first"], table["last"], table["frames"], parent, strict=True)
    rows = {int(t): [int(first), int(last), int(n), int(p)] for t, first, last, n, p in columns}
    return re.sub(r"\s", "", json.dumps(rows))
