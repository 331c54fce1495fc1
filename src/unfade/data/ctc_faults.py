"""Every fault of a challenge folder by name: what its rules forbid and what other programmes trip over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unfade.data.ctc import NAMES, listed, located, parse_row, read_labels, table_lines
from unfade.errors import InputError, MissingInputError, UnreadableFileError
from unfade.ops.relabel import areas

Kind = Literal[
    "missing frame",
    "duplicate frame",
    "unreadable frame",
    "shape differs",
    "outlines without frame",
    "missing table",
    "malformed row",
    "duplicate row",
    "label without row",
    "row without label",
    "track ends before it begins",
    "gap in a track",
    "parent does not exist",
    "parent ends after the child begins",
]

Spans = Mapping[int, NDArray[np.int64]]


@dataclass(frozen=True)
class Row:
    """A well-formed line of the table."""

    line: int
    label: int
    first: int
    last: int
    parent: int


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where."""

    kind: Kind
    text: str  # one sentence
    frame: int | None = None  # first frame in question
    label: int | None = None
    line: int | None = None  # of the table, from 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def validate(folder: Path) -> list[Fault]:
    """Every fault of a truth or result folder; an empty list if there is none.

    Reads the table and every image once, one at a time.

    Raises
    ------
    MissingInputError
        If there is no such folder, or no numbered label images in it.
    """
    place, role = located(folder)
    paths = listed(place, NAMES[role].image)
    files = {t: paths[t][0] for t in paths}
    hidden = sorted(set(range(max(files) + 1)) - set(files))
    found = [Fault("missing frame", f"There is no image of frame {t}.", frame=t) for t in hidden]
    for t in files:
        for other in paths[t][1:]:
            text = f"{files[t].name} and {other.name} are both frame {t}."
            found.append(Fault("duplicate frame", text, frame=t))
    seen, damaged, shape = _presence(files)
    found += damaged
    if role == "truth":
        found += _outlines(place.parent / "SEG", shape, max(files))
    hidden += [f.frame for f in damaged if f.kind == "unreadable frame" and f.frame is not None]
    try:
        lines = table_lines(place / NAMES[role].table)
    except (MissingInputError, UnreadableFileError) as error:
        return [*found, Fault("missing table", str(error))]
    rows, odd = _rows(lines)
    found += odd
    known = np.setdiff1d(np.arange(max(files) + 1), hidden)
    return [*found, *_labels_against_rows(seen, rows, known), *_parents(rows)]


def _outlines(place: Path, shape: tuple[int, ...] | None, last: int) -> Iterator[Fault]:
    """What is wrong with the images of outlines, if there are any."""
    for t, paths in (listed(place, "man_seg") if place.is_dir() else {}).items():
        if t > last:
            text = f"{paths[0].name} outlines frame {t}, but the last frame is {last}."
            yield Fault("outlines without frame", text, frame=t)
        try:
            image = read_labels(paths[0])
        except InputError as error:
            yield Fault("unreadable frame", str(error), frame=t)
            continue
        if shape is not None and image.shape != shape:
            yield Fault("shape differs", f"{paths[0].name} is {image.shape}, the first marker image {shape}.", frame=t)


Presence = tuple[dict[int, NDArray[np.int64]], list[Fault], tuple[int, ...] | None]


def _presence(files: Mapping[int, Path]) -> Presence:
    """Frames in which each label stands, what is wrong with the images themselves, and their shape."""
    frames: dict[int, list[int]] = {}
    found: list[Fault] = []
    shape: tuple[int, ...] | None = None
    for t, path in files.items():
        try:
            image = read_labels(path)
        except InputError as error:
            found.append(Fault("unreadable frame", str(error), frame=t))
            continue
        shape = image.shape if shape is None else shape
        if image.shape != shape:
            found.append(Fault("shape differs", f"Frame {t} is {image.shape}, the first one {shape}.", frame=t))
        for label in areas(image)[0].tolist():
            frames.setdefault(label, []).append(t)
    return {label: np.array(times, np.int64) for label, times in frames.items()}, found, shape


def _rows(lines: list[tuple[int, str]]) -> tuple[dict[int, Row], list[Fault]]:
    """The first well-formed row of each label, and what is wrong with the others."""
    rows: dict[int, Row] = {}
    found: list[Fault] = []
    for line, text in lines:
        parsed = parse_row(text)
        if parsed is None or parsed[0] == 0:
            found.append(Fault("malformed row", f"Line {line} is '{text}', not label, first, last, parent.", line=line))
        elif parsed[0] in rows:
            said = f"Line {line} states label {parsed[0]} again, after line {rows[parsed[0]].line}."
            found.append(Fault("duplicate row", said, label=parsed[0], line=line))
        else:
            rows[parsed[0]] = Row(line, *parsed)
    return rows, found


def _labels_against_rows(seen: Spans, rows: Mapping[int, Row], known: NDArray[np.int64]) -> Iterator[Fault]:
    """Images against the table; `known` are the frames that could be read, the others are held against nobody."""
    for label, frames in sorted(seen.items()):
        if label not in rows:
            text = f"Label {label} is in {_span(frames)} but has no row."
            yield Fault("label without row", text, frame=int(frames[0]), label=label)
    for label, row in sorted(rows.items()):
        if row.last < row.first:
            text = f"Line {row.line} lets label {label} end in frame {row.last}, before it begins in {row.first}."
            yield Fault("track ends before it begins", text, frame=row.first, label=label, line=row.line)
        else:
            yield from _label_against_row(seen.get(label, np.zeros(0, np.int64)), row, known)


def _label_against_row(frames: NDArray[np.int64], row: Row, known: NDArray[np.int64]) -> Iterator[Fault]:
    label, line = row.label, row.line
    outside = frames[(frames < row.first) | (frames > row.last)]
    if len(outside):
        text = f"Label {label} is in {_span(outside)}, outside the frames {row.first} to {row.last} of its row."
        yield Fault("label without row", text, frame=int(outside[0]), label=label, line=line)
    lost = np.setdiff1d(known[(known >= row.first) & (known <= row.last)], frames)
    inner = lost[(lost > frames[0]) & (lost < frames[-1])] if len(frames) else lost[:0]
    if len(inner):
        text = f"Label {label} is not in {_span(inner)}, in the middle of its row."
        yield Fault("gap in a track", text, frame=int(inner[0]), label=label, line=line)
    outer = np.setdiff1d(lost, inner)
    if len(outer):
        text = f"Line {line} states label {label} for {_span(outer)}, but it is not in the images."
        yield Fault("row without label", text, frame=int(outer[0]), label=label, line=line)
    if len(known) and row.last > known[-1]:
        text = f"Line {line} lets label {label} live to frame {row.last}, but the last image is frame {known[-1]}."
        yield Fault("row without label", text, frame=int(known[-1]) + 1, label=label, line=line)


def _parents(rows: Mapping[int, Row]) -> Iterator[Fault]:
    for label, row in sorted(rows.items()):
        if not row.parent:
            continue
        parent = rows.get(row.parent)
        if parent is None:
            text = f"Label {label} names the parent {row.parent}, which has no row."
            yield Fault("parent does not exist", text, frame=row.first, label=label, line=row.line)
        elif parent.last >= row.first:
            text = f"Label {label} begins in frame {row.first}, but its parent {row.parent} ends in {parent.last}."
            yield Fault("parent ends after the child begins", text, frame=row.first, label=label, line=row.line)


def _span(frames: NDArray[np.int64]) -> str:
    if len(frames) == 1:
        return f"frame {frames[0]}"
    return f"{len(frames)} frames from {frames[0]} to {frames[-1]}"
