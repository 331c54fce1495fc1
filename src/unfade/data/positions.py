"""Many movies under one name: plates of OME-Zarr, folders of movies, patterns of names, and CSV lists."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unfade.data.folder import natural
from unfade.data.frames import damaged, within
from unfade.data.zarr_rules import read_metadata
from unfade.errors import InputError, MissingInputError, UnfadeError, UnreadableFileError

MOVIES = (".tif", ".tiff", ".mp4", ".avi")
FRAMES = (*MOVIES[:2], ".png", ".jpg", ".jpeg")
COLUMNS = ("path", "condition", "well", "position")
LARGEST_LIST = 64 << 20  # bytes of a CSV list
LONGEST_NAME = 80
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_WELL = re.compile(r"(?:^|[_\W])([A-P])[_ -]?(\d{1,2})(?=$|[_\W])")


@dataclass(frozen=True)
class Position:
    """One movie among many and where it belongs."""

    path: Path
    name: str  # of its run folder; safe on every system
    condition: str = ""
    well: str = ""
    position: str = ""


def list_positions(source: Path | str) -> tuple[Position, ...]:
    """All movies that a plate, a folder, a pattern such as `data/*.tif` or a CSV list stands for, in natural order.

    A CSV list has the column `path` (relative to the list, or absolute) and may have `condition`, `well` and
    `position`. In a folder every TIFF or video file is a movie, and so is every folder of frames and every OME-Zarr; of
    their names, a part such as `B3` or `B03` is taken as the well. Names of run folders are unique and safe.

    Raises
    ------
    MissingInputError
        If there is nothing.
    InputError
        If the list lacks the column `path`, or a folder holds nothing but the frames of one movie.
    UnreadableFileError
        If the list or the plate's metadata are damaged, or lead outside the plate.
    """
    text = str(source)
    path = Path(source)
    if not path.exists() and any(mark in text for mark in "*?["):
        found = tuple(_of_path(p) for p in _matching(path))
    elif not path.exists():
        raise MissingInputError(f"There is no file or folder {path}; check its name.")
    elif path.is_file() and path.suffix.lower() == ".csv":
        found = _of_list(path)
    elif path.is_dir():
        found = _of_folder(path)
    else:
        found = (_of_path(path),)
    if not found:
        raise MissingInputError(f"{source} stands for no movie; check the name.")
    return tuple(_named(found))


def is_plate(folder: Path) -> bool:
    """Whether a folder is an OME-Zarr plate.

    Raises
    ------
    UnreadableFileError
        If it is a zarr group whose metadata are damaged.
    """
    return "plate" in _ome(folder)


def _matching(pattern: Path) -> list[Path]:
    """Files and folders that a pattern names; wildcards may stand in every part of it."""
    parts = pattern.parts
    fixed = next(i for i, part in enumerate(parts) if any(mark in part for mark in "*?["))
    return sorted(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:]))), key=natural)


def _of_path(path: Path) -> Position:
    stem = path.name
    for suffix in (".zarr", *MOVIES, ".ome"):
        stem = stem[: -len(suffix)] if stem.lower().endswith(suffix) else stem
    hit = _WELL.search(stem)
    well = f"{hit[1]}{int(hit[2])}" if hit else ""
    return Position(path, stem, well=well, position=stem[hit.end() :].strip("_- .") if hit else "")


def _of_list(path: Path) -> tuple[Position, ...]:
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise UnreadableFileError(f"{path} is larger than any list of movies; check its name.")
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableFileError(f"The list {path} cannot be read as CSV: {error}.") from None
    if rows and "path" not in rows[0]:
        raise InputError(f"The list {path} has no column 'path'; its columns are {', '.join(map(str, rows[0]))}.")
    found = []
    for line, row in enumerate(rows, 2):
        value = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if not value["path"]:
            raise InputError(f"Line {line} of {path} names no movie in the column 'path'.")
        one = _of_path(path.parent / value["path"])
        label = "_".join(v for v in (value["condition"], value["well"], value["position"]) if v)
        found.append(
            Position(
                path=one.path,
                name=label or one.name,
                condition=value["condition"],
                well=value["well"] or one.well,
                position=value["position"] or one.position,
            )
        )
    return tuple(found)


def _of_folder(path: Path) -> tuple[Position, ...]:
    if any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray")):
        return _of_zarr(path)
    inside = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=natural)
    movies = [p for p in inside if p.suffix.lower() in MOVIES or (p.is_dir() and _holds_movie(p))]
    if not movies and any(p.suffix.lower() in FRAMES for p in inside):
        raise InputError(f"{path} holds the frames of one movie; give it to 'unfade run'.")
    return tuple(_of_path(p) for p in movies)


def _holds_movie(folder: Path) -> bool:
    """Whether a folder is a zarr store or directly holds frames."""
    return any(p.name in ("zarr.json", ".zgroup", ".zarray") or p.suffix.lower() in FRAMES for p in folder.iterdir())


def _of_zarr(path: Path) -> tuple[Position, ...]:
    """Fields of a plate, series of a converted file, or the one image."""
    try:
        attributes = _ome(path)
        if "plate" in attributes:
            return tuple(_of_plate(path, attributes["plate"]))
        if "bioformats2raw.layout" in attributes:
            series = sorted((p for p in path.iterdir() if p.name.isdigit()), key=natural)
            return tuple(Position(p, f"{path.name.split('.')[0]}_{p.name}", position=p.name) for p in series)
    except UnfadeError:
        raise
    except Exception as error:
        raise damaged(path, "the plate's metadata", error) from None
    return (_of_path(path),)


def _of_plate(path: Path, plate: Mapping[str, Any]) -> Iterable[Position]:
    runs = {int(a["id"]): str(a.get("name", a["id"])) for a in plate.get("acquisitions", ()) if "id" in a}
    for entry in plate["wells"]:
        place = within(path, str(entry["path"]))
        well = str(entry["path"]).replace("/", "")
        for image in _ome(place)["well"]["images"]:
            field = str(image["path"])
            run = runs.get(int(image.get("acquisition", -1)), "") if len(runs) > 1 else ""
            yield Position(within(place, field), f"{well}_{field}", condition=run, well=well, position=field)


def _ome(group: Path) -> Mapping[str, Any]:
    """OME metadata of a group: under `ome` in NGFF 0.5, bare in the attributes before."""
    bare = group / "zarr.json"
    if bare.is_file():
        found = read_metadata(bare).get("attributes", {})
    else:
        found = read_metadata(group / ".zattrs") if (group / ".zattrs").is_file() else {}
    inner = found.get("ome", found) if isinstance(found, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}


def _named(found: Iterable[Position]) -> Iterable[Position]:
    """The same positions with names that are folders: safe, not empty, and each there once."""
    seen: set[str] = set()
    for one in found:
        name = safe_name(one.name)
        number, whole = 2, name
        while whole.lower() in seen:
            whole, number = f"{name}-{number}", number + 1
        seen.add(whole.lower())
        yield replace(one, name=whole)


def safe_name(text: str) -> str:
    """A name for a file or folder on every system: letters, digits, `-`, `_` and inner dots, never a path."""
    name = re.sub(r"[^\w.-]+", "_", text, flags=re.ASCII)[:LONGEST_NAME].strip("._-") or "movie"
    return f"{name}_" if _RESERVED.fullmatch(name) else name
