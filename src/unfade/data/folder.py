"""Folders with one file per frame (`t000.tif`, `frame 12.png`), in natural order of their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from unfade.data.axes import Layout
from unfade.data.frames import Source, same_frame
from unfade.data.picture import open_pictures
from unfade.data.tiff import TiffPlanes, open_tiff
from unfade.errors import AmbiguousAxesError, AxisError, InputError, MissingInputError, ShapeError
from unfade.records import Calibration

FAMILIES: dict[str, tuple[str, ...]] = {
    "TIFF": (".tif", ".tiff"),
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
}
_NUMBER = re.compile(r"(\d+)")
_OTHER_AXIS = re.compile(r"(?:^|[^a-z])(c|ch|channel|w|z|slice|p|pos|s|xy)[_-]?$")


def list_frames(folder: Path, leave_out: Collection[str] = ()) -> tuple[str, tuple[Path, ...]]:
    """Family (`TIFF`, `PNG`, `JPEG`) and files of a folder of frames, in natural order; some names are left out.

    Raises
    ------
    MissingInputError
        If there is no picture in it.
    InputError
        If it mixes several kinds of files.
    """
    kinds = {suffix: family for family, suffixes in FAMILIES.items() for suffix in suffixes}
    try:
        names = [p for p in folder.iterdir() if not p.name.startswith(".") and p.suffix.lower() in kinds]
        files = [p for p in names if p.is_file() and p.name not in leave_out]
    except OSError as error:
        raise MissingInputError(f"The folder {folder} cannot be listed: {error.strerror}.") from None
    if not files:
        raise MissingInputError(_nothing(folder))
    count = Counter(kinds[p.suffix.lower()] for p in files)
    if len(count) > 1:
        found = " and ".join(f"{n} {family}" for family, n in count.items())
        raise InputError(f"The folder {folder} mixes {found} files; leave only the frames of one movie in it.")
    return next(iter(count)), tuple(sorted(files, key=natural))


def natural(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which `t9` comes before `t10`."""
    parts = _NUMBER.split(path.name.lower())
    return tuple((0, int(p)) if p.isdigit() else (1, p) for p in parts if p)


def open_folder(folder: Path, axes: str | None = None, leave_out: Collection[str] = ()) -> Source:
    """Look at a folder of frames; the header of every file is read, no pixel.

    `axes` names those of one file, or those of the whole with the `T` of the folder in front. Files whose names are
    in `leave_out` are not looked at.

    Raises
    ------
    MissingInputError
        If it holds no frame.
    AmbiguousAxesError
        If the names tell of several channels, planes or positions, or the axes of a file cannot be told.
    ShapeError
        If frames differ in size; the text names the first that does.
    UnreadableFileError
        If a file is damaged.
    """
    family, files = list_frames(folder, leave_out)
    _check_names(folder, files)
    source = _open_tiffs(folder, files, axes) if family == "TIFF" else open_pictures(files, folder)
    gap = _gap(files)
    notes = source.notes + (
        (f"the numbers of the files skip: {gap}; frames are taken one after the other",) if gap else ()
    )
    return Source(
        folder, source.format, source.layout, source.dtype, source.channels, source.calibration, source.planes, notes
    )


def check_dense(folder: Path) -> None:
    """Refuse a folder of labels whose numbers skip: their frames could not be told.

    Raises
    ------
    ShapeError
        If they do.
    """
    gap = _gap(list_frames(folder)[1])
    if gap:
        raise ShapeError(
            f"The label images in {folder} do not cover every frame ({gap}); give a folder with one per frame."
        )


def _open_tiffs(folder: Path, files: tuple[Path, ...], axes: str | None) -> Source:
    try:
        first = open_tiff(files[0], None if axes is None else axes.removeprefix("T"), together=False)
    except AmbiguousAxesError:
        raise AmbiguousAxesError(
            f"The files in {folder} have more than two axes that cannot be told; give --axes TCYX if each holds the "
            "channels of a time point, --axes TZYX if it holds z planes."
        ) from None
    if first.layout.size("T") > 1:
        raise AxisError(
            f"The files in {folder} hold {first.layout.size('T')} time points each, but a folder has one file per "
            "frame; give one of the files, or other --axes."
        )
    sources = [first]
    for path in files[1:]:
        try:
            sources.append(open_tiff(path, first.layout.axes, together=False))
        except AxisError:
            raise ShapeError(
                f"All frames must be alike, but {path.name} has other axes than {files[0].name}."
            ) from None
        found = sources[-1]
        same_frame(path, (found.layout.shape, found.dtype), (first.layout.shape, first.dtype), files[0])
    layout = Layout("T" + first.layout.axes.replace("T", "_"), (len(files), *first.layout.shape))
    known = Calibration(first.calibration.pixel_um, first.calibration.interval_s if len(files) > 1 else None)
    planes = _joined(sources)
    kind = "folder of TIFF files"
    return Source(folder, kind, layout, first.dtype, first.channels, known, planes, first.notes)


def _joined(sources: list[Source]) -> TiffPlanes:
    """The planes of many files as one list with time as its first axis."""
    parts = [s.planes for s in sources if isinstance(s.planes, TiffPlanes)]
    first = parts[0]
    starts = np.concatenate([p.starts for p in parts])
    starts[:, 0] = np.repeat(np.arange(len(parts)), [len(p.starts) for p in parts])
    outer = Layout("T" + first.outer.axes.replace("T", "_"), (len(parts), *first.outer.shape))
    inner = Layout(first.inner.axes.replace("T", "_"), first.inner.shape)
    return TiffPlanes(tuple(p.files[0] for p in parts), starts, outer, inner, first.dtype, first.channels, first.raw)


def _check_names(folder: Path, files: tuple[Path, ...]) -> None:
    """Refuse names that count channels, planes or positions beside time."""
    split = [_NUMBER.split(p.stem.lower()) for p in files]
    if len({len(parts) for parts in split}) != 1:
        return
    varying = [i for i in range(1, len(split[0]), 2) if len({parts[i] for parts in split}) > 1]
    if len(varying) < 2:
        return
    for i in varying:
        hit = _OTHER_AXIS.search(split[0][i - 1])
        if hit and len({parts[i - 1] for parts in split}) == 1:
            raise AmbiguousAxesError(
                f"The names in {folder} count '{hit[1]}' beside time ({files[0].name}, {files[1].name}); "
                "put the frames of one channel, plane and position into a folder of their own."
            )


def _gap(files: tuple[Path, ...]) -> str | None:
    """The first place where the numbers of the names skip, in words."""
    split = [_NUMBER.split(p.stem) for p in files]
    if len({(*parts[:-2], parts[-1]) for parts in split}) != 1 or len(split[0]) < 3:
        return None  # names of no pattern
    steps = np.diff([int(parts[-2]) for parts in split])
    wrong = np.flatnonzero(steps != 1)
    if len(wrong) == 0:
        return None
    return f"after {files[wrong[0]].name} comes {files[wrong[0] + 1].name}"


def _nothing(folder: Path) -> str:
    inside = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    where = f"; there are folders in it: give one of {', '.join(inside[:5])}" if inside else ""
    return f"The folder {folder} holds no TIFF, PNG or JPEG file{where or '; give a folder with one file per frame'}."
