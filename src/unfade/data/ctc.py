"""Folders of the Cell Tracking Challenge: label images one per frame beside a table of tracks.

Layouts: `0x_GT` holds `TRA/man_trackNNN.tif` with `man_track.txt` and may hold `SEG/man_segNNN.tif` for a few frames;
`0x_RES` holds `maskNNN.tif` with `res_track.txt`; numbers have three or four digits. A row of the table is `L B E P`:
label, first frame, last frame, label of the parent or 0 (Maška et al., Nature Methods 20, 2023, and the challenge's
naming conventions).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from unfade.data.frames import damaged
from unfade.data.ifd import count_pages
from unfade.data.tiff import check_first_page, listening
from unfade.errors import (
    AxisError,
    InputError,
    MissingInputError,
    OutputError,
    ShapeError,
    TruthError,
    UnreadableFileError,
)
from unfade.ops.relabel import areas, remap
from unfade.ops.tracks import Pieces, pieces
from unfade.records import LabelImage, Labels, Lineage

LARGEST_TABLE = 1 << 28  # bytes of a table of tracks
COLUMNS = ("track", "first", "last", "parent")
LARGEST = 65_535  # the format's images are uint16

Role = Literal["result", "truth"]


@dataclass(frozen=True)
class Names:
    """How one role names its files."""

    image: str
    table: str


NAMES: Mapping[Role, Names] = {
    "result": Names("mask", "res_track.txt"),
    "truth": Names("man_track", "man_track.txt"),
}


@dataclass(frozen=True)
class LabelFiles(Mapping[int, LabelImage]):
    """Label images by frame number, each read when it is asked for and then forgotten."""

    files: Mapping[int, Path]

    def __getitem__(self, frame: int) -> LabelImage:
        return read_labels(self.files[frame])

    def __call__(self, frame: int) -> LabelImage:
        """Labels of a frame, `(Y, X)`."""
        return self[frame]

    def __iter__(self) -> Iterator[int]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Challenge:
    """One tracked sequence on disk; images are read one frame at a time."""

    folder: Path  # where the numbered label images are
    role: Role
    labels: Labels  # (T, Y, X), values are track labels
    tracks: pd.DataFrame  # one row per track: track, first, last, parent (0 = none)
    seg: LabelFiles  # outlines of the truth by frame; empty without SEG

    @cached_property
    def lineage(self) -> Lineage:
        """Nodes and parents as the table states them; the images are not read.

        Raises
        ------
        TruthError
            If a row goes beyond the last frame.
        """
        table = self.tracks.to_numpy(np.int64)
        if len(table) and int(table[:, 2].max()) >= len(self.labels):
            raise TruthError(f"The table of {self.folder} goes to frame {table[:, 2].max()} of {len(self.labels)}.")
        spans = np.maximum(table[:, 2] - table[:, 1] + 1, 0)
        track = np.repeat(table[:, 0], spans).astype(np.int32)
        start = np.repeat(table[:, 1] - np.cumsum(spans) + spans, spans)
        frame = (start + np.arange(len(track))).astype(np.int32)
        first = frame == np.repeat(table[:, 1], spans)
        confidence = np.where(first, np.nan, 1.0).astype(np.float32)
        parents = table[table[:, 3] > 0][:, [0, 3]].astype(np.int32)
        return Lineage(frame, track.copy(), track, confidence, parents)


def is_challenge(folder: Path) -> bool:
    """Whether a folder is laid out as a truth or a result of the challenge."""
    return folder.is_dir() and _place(folder) is not None


def read(folder: Path) -> Challenge:
    """Open a truth (`0x_GT`, or its `TRA`) or a result (`0x_RES`) of the challenge.

    The table is read and the files are listed; pixels wait until a frame is asked for. What else is wrong with a folder
    that breaks the rules is told by `unfade.data.ctc_faults.validate`.

    Raises
    ------
    MissingInputError
        If there is no such folder, or no numbered label images, or no table of tracks in it.
    ShapeError
        If frames are missing.
    AxisError
        For volumes.
    TruthError
        If the table cannot be understood.
    """
    place, role = located(folder)
    files = numbered(place, NAMES[role].image)
    lost = sorted(set(range(max(files) + 1)) - set(files))
    if lost:
        raise ShapeError(f"{place} lacks frame {lost[0]} ({len(lost)} missing); number the images from 0 on.")
    tracks = read_tracks(place / NAMES[role].table)
    reader = LabelFiles(files)
    labels = Labels((len(files), *_shape(files[0])), reader, source=place)
    outlines = place.parent / "SEG" if role == "truth" else place / "SEG"
    seg = numbered(outlines, "man_seg") if outlines.is_dir() else {}
    return Challenge(place, role, labels, tracks, LabelFiles(seg))


def located(folder: Path) -> tuple[Path, Role]:
    """The folder with the numbered label images, and whether it is a truth or a result.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    if not folder.is_dir():
        raise MissingInputError(f"There is no folder {folder}.")
    found = _place(folder)
    if found is None:
        raise MissingInputError(
            f"{folder} holds neither maskNNN.tif nor TRA/man_trackNNN.tif; give a folder such as 01_RES or 01_GT."
        )
    return found


def numbered(folder: Path, stem: str) -> dict[int, Path]:
    """Files `stem` + three to six digits + `.tif` by their number, ascending.

    Raises
    ------
    ShapeError
        If two files have the same number.
    """
    found = listed(folder, stem)
    for paths in found.values():
        if len(paths) > 1:
            raise ShapeError(f"{paths[0]} and {paths[1].name} are the same frame; keep one.")
    return {number: paths[0] for number, paths in found.items()}


def listed(folder: Path, stem: str) -> dict[int, list[Path]]:
    """All files of each frame number, ascending; more than one where `mask001.tif` stands beside `mask0001.tif`."""
    found: dict[int, list[Path]] = {}
    pattern = re.compile(re.escape(stem) + r"(\d{3,6})\.tiff?", re.IGNORECASE)
    for path in sorted(folder.iterdir()):
        hit = pattern.fullmatch(path.name)
        if hit is not None:
            found.setdefault(int(hit[1]), []).append(path)
    return dict(sorted(found.items()))


def read_labels(path: Path) -> LabelImage:
    """One label image, `(Y, X)` int32.

    Raises
    ------
    MissingInputError
        If there is no such file.
    UnreadableFileError
        If it is damaged.
    AxisError
        If it is not a plane.
    ShapeError
        If its pixels are not integers from 0 to 2147483647.
    """
    image = _decoded(path)
    if image.dtype.kind not in "iu":
        raise ShapeError(f"{path} must hold integers, got {image.dtype}; save it as uint16.")
    if image.dtype.itemsize > 2 and image.size and not 0 <= int(image.min()) <= int(image.max()) < 2**31:
        raise ShapeError(f"{path} holds labels from {image.min()} to {image.max()}; only 0..2147483647 can be read.")
    if image.dtype.kind == "i" and image.size and int(image.min()) < 0:
        raise ShapeError(f"{path} holds the label {image.min()}; set such pixels to 0.")
    return np.ascontiguousarray(image, np.int32)


def read_tracks(path: Path) -> pd.DataFrame:
    """The table of tracks: `track, first, last, parent`, in the order of the file.

    Raises
    ------
    MissingInputError
        If there is no such file.
    TruthError
        If a row is not four whole numbers; the text names the line.
    """
    rows = []
    for line, text in table_lines(path):
        row = parse_row(text)
        if row is None:
            raise TruthError(f"Line {line} of {path} is '{text}', not four whole numbers: label, first, last, parent.")
        rows.append(row)
    return pd.DataFrame(np.array(rows, np.int64).reshape(-1, 4), columns=list(COLUMNS))


def table_lines(path: Path) -> list[tuple[int, str]]:
    """Number (from 1) and text of the lines of a table that are not blank.

    Raises
    ------
    MissingInputError
        If there is no such file.
    UnreadableFileError
        If it is no text.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise UnreadableFileError(f"{path} is larger than any table of tracks; it is damaged.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingInputError(
            f"There is no {path.name} in {path.parent}; it tells which labels are tracks."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read as text: {error}.") from None
    return [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def parse_row(text: str) -> tuple[int, int, int, int] | None:
    """Label, first frame, last frame and parent of a line; None if it is anything else."""
    parts = text.split()
    if len(parts) != 4 or not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        return None
    label, first, last, parent = (int(part) for part in parts)
    return label, first, last, parent


def write(
    folder: Path, frames: Iterable[NDArray[Any]], lineage: Lineage, role: Role = "result", renumber: bool = False
) -> None:
    """Write label images and their tracks as the challenge wants them; `folder` appears only once it is complete.

    `frames` yields label images `(Y, X)` whose values are `lineage.label`; one is in memory at a time. A row cannot
    span a gap: after one the track gets a new label whose parent is the old one, and so does a track that lives on
    after the birth of its child. Of several parents the first one is written. `renumber` gives the labels 1, 2, ... in
    the order of birth, which helps where ids exceed 65,535.

    Raises
    ------
    OutputError
        If the folder exists and is not empty, or labels exceed 65,535.
    ShapeError
        If frames and lineage do not fit together.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there already; choose another place or remove it.")
    cut = pieces(lineage.frame, lineage.track, lineage.parents)
    ids = _final_ids(cut, renumber)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        _write_images(part, frames, lineage, ids[cut.of_node], NAMES[role].image)
        order = np.argsort(ids)
        parent = np.where(cut.parent >= 0, ids[cut.parent], 0) if len(ids) else ids
        table = np.stack([ids, cut.first, cut.last, parent], axis=1)[order]
        (part / NAMES[role].table).write_text("".join(f"{a} {b} {c} {d}\n" for a, b, c, d in table), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _final_ids(cut: Pieces, renumber: bool) -> NDArray[np.int64]:
    if renumber:
        ids = np.empty(len(cut.id), np.int64)
        ids[np.lexsort((cut.id, cut.first))] = np.arange(1, len(ids) + 1)
    else:
        ids = cut.id
    if len(ids) and (int(ids.max()) > LARGEST or int(ids.min()) < 1):
        raise OutputError(
            f"Labels go from {ids.min()} to {ids.max()}, but a challenge image holds only 1 to {LARGEST}; "
            "renumber the tracks."
        )
    return ids


def _write_images(
    folder: Path, frames: Iterable[NDArray[Any]], lineage: Lineage, ids: NDArray[np.int64], stem: str
) -> None:
    """Write each frame under its final labels once it holds exactly the objects of the lineage."""
    order = np.argsort(lineage.frame, kind="stable")
    when = lineage.frame[order]
    count = 0
    for t, image in enumerate(frames):
        low, high = np.searchsorted(when, [t, t + 1])
        nodes = order[low:high]
        have, want = areas(image)[0], np.sort(lineage.label[nodes])
        if not np.array_equal(have, want):
            odd = np.setxor1d(have, want)
            raise ShapeError(
                f"Frame {t} and the lineage do not fit: label {odd[0] if len(odd) else want[0]} is not in both once; "
                "give the label images that the lineage was made for."
            )
        tifffile.imwrite(
            folder / f"{stem}{t:03d}.tif",
            remap(image, lineage.label[nodes], ids[nodes]).astype(np.uint16),
            photometric="minisblack",
            compression="zlib",
        )
        count = t + 1
    if len(when) and int(when[-1]) >= count:
        raise ShapeError(f"The lineage reaches frame {when[-1]}, but there are {count} frames.")
    if count > 1000:
        for path in folder.glob(f"{stem}???.tif"):
            path.rename(folder / f"{stem}0{path.name[len(stem) :]}")


def _place(folder: Path) -> tuple[Path, Role] | None:
    places: tuple[tuple[Path, Role], ...] = ((folder / "TRA", "truth"), (folder, "truth"), (folder, "result"))
    for place, role in places:
        if place.is_dir() and listed(place, NAMES[role].image):
            return place, role
    return None


def _shape(path: Path) -> tuple[int, int]:
    """Height and width from the file's header."""
    with _page(path) as page:
        return int(page.shape[0]), int(page.shape[1])


def _decoded(path: Path) -> NDArray[Any]:
    with _page(path) as page:
        return np.asarray(page.asarray(maxworkers=1))


@contextmanager
def _page(path: Path) -> Iterator[tifffile.TiffPage]:
    """The one page of a plane, its claims checked, while its file is open."""
    if not path.is_file():
        raise MissingInputError(f"There is no file {path}.")
    try:
        count_pages(path)
        with listening(), tifffile.TiffFile(path, _multifile=False) as file:
            page = check_first_page(file, path)
            shape = page.shape if len(file.pages) == 1 else (len(file.pages), *page.shape)
            if len(shape) != 2:
                raise AxisError(f"{path} is a volume of shape {shape}; only label images of one plane can be read.")
            yield page
    except InputError:
        raise
    except Exception as error:
        raise damaged(path, "the image", error) from None
