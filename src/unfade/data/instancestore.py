"""Masks that may overlap, as runs in a zarr group: what a label image, which gives a pixel to one object, cannot hold.

Arrays of the group, one entry per object, frames ascending: `frame`, `track`, `kind` (place in the attribute `kinds`),
`box` (y0 x0 y1 x1, the end exclusive), `score`, `u_total`, `u_data`, `u_model` (NaN = unknown). Object n owns the rows
`offset[n]:offset[n + 1]` of `runs`, each a first flat pixel index `y * X + x` and a number of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from unfade.data.outputs import replacing
from unfade.data.zarr_rules import check_store
from unfade.errors import UnreadableFileError
from unfade.records import KINDS, Instances

FORMAT = {"format": "instances", "version": 1}
_ROWS = 1 << 16  # rows of a chunk
_PENDING = 1 << 18  # runs kept in memory before they are written
_COLUMNS = ("kind", "box", "score", "u_total", "u_data", "u_model")
_TYPES = {"kind": "uint8", "frame": "int32", "track": "int32", "box": "int32", "offset": "int64", "runs": "int64"}


def overlapping(found: Instances) -> bool:
    """Whether two objects of the same kind share a pixel of the same frame."""
    counts = np.diff(found.offset)
    group = np.repeat(found.frame * len(KINDS) + found.kind, counts)
    order = np.lexsort((found.runs[:, 0], group))
    start, end, group = found.runs[order, 0], found.runs[order].sum(axis=1), group[order]
    return bool(((start[1:] < end[:-1]) & (group[1:] == group[:-1])).any())


def write_overlapping(path: Path, frames: Iterable[Instances], shape: tuple[int, int, int]) -> None:
    """Write the objects of every frame, one frame each and named by their tracks, complete or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    ValueError
        If there are not as many frames as `shape (T, Y, X)` says.
    """
    with replacing(path) as part:
        attributes = {"unfade": {**FORMAT, "shape": list(shape), "kinds": list(KINDS)}}
        root = zarr.create_group(part, zarr_format=3, attributes=attributes)
        arrays = {name: _array(root, name) for name in ("frame", "track", "runs", "offset", *_COLUMNS)}
        arrays["offset"].append(np.zeros(1, np.int64))
        pending: list[tuple[int, Instances]] = []
        written = 0
        t = -1
        for t, found in enumerate(frames):
            pending.append((t, found))
            if sum(len(f.runs) for _, f in pending) > _PENDING:
                written = _flush(arrays, pending, written)
        _flush(arrays, pending, written)
        if t + 1 != shape[0]:
            raise ValueError(f"{t + 1} frames of objects for a movie of {shape[0]}")


def read_overlapping(path: Path) -> Iterator[Instances]:
    """Objects of every frame of such a store, ids being tracks; one frame in memory at a time.

    Raises
    ------
    UnreadableFileError
        If it is none, is damaged, or points outside its frames.
    """
    check_store(path)
    try:
        root = zarr.open_group(path, mode="r")
        told: Any = root.attrs.get("unfade")
        columns = {name: _column(root, name) for name in ("frame", "track", "offset", *_COLUMNS)}
        runs = root["runs"]
    except Exception as error:
        raise UnreadableFileError(f"{path} holds no instances ({type(error).__name__}); give that of a run.") from None
    if not isinstance(told, dict) or {k: told.get(k) for k in FORMAT} != FORMAT or not isinstance(runs, zarr.Array):
        raise UnreadableFileError(f"{path} holds no instances of a version known here; give that of a run.")
    shape = _checked(path, told.get("shape"), columns, runs.shape)
    columns["kind"] = _kinds(path, told.get("kinds"), columns["kind"])
    bounds = np.searchsorted(columns["frame"], np.arange(shape[0] + 1))
    for first, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        offset = columns["offset"][first : stop + 1]
        mine = _read_runs(path, runs, int(offset[0]), int(offset[-1]))
        if len(mine) and (mine.min() < 0 or mine.sum(axis=1).max() > shape[1] * shape[2]):
            raise UnreadableFileError(f"{path} is damaged: masks lie outside the frame; run again.")
        yield Instances(
            shape=(1, shape[1], shape[2]),
            frame=np.zeros(stop - first, np.int32),
            id=columns["track"][first:stop],
            runs=mine,
            offset=offset - offset[0],
            **{name: columns[name][first:stop] for name in _COLUMNS},
        )


def _read_runs(path: Path, runs: zarr.Array[Any], first: int, stop: int) -> NDArray[np.int64]:
    try:
        return np.asarray(runs[first:stop], np.int64).reshape(-1, 2)
    except Exception as error:
        raise UnreadableFileError(f"{path} is damaged ({type(error).__name__}): masks cannot be read.") from None


def _checked(path: Path, told: Any, columns: dict[str, NDArray[Any]], runs: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape `(T, Y, X)`, once all columns fit each other."""
    fits = isinstance(told, list) and len(told) == 3 and all(isinstance(n, int) and n > 0 for n in told)
    n, offset, frame = len(columns["frame"]), columns["offset"], columns["frame"]
    fits = fits and all(len(columns[name]) == n for name in ("track", *_COLUMNS)) and len(offset) == n + 1
    fits = fits and columns["box"].shape == (n, 4) and len(runs) == 2 and runs[1] == 2
    fits = fits and bool(offset[0] == 0 and offset[-1] == runs[0] and (np.diff(offset) >= 0).all())
    fits = fits and _inside(columns, told)
    if not fits or (n and (frame[0] < 0 or frame[-1] >= told[0] or (np.diff(frame) < 0).any())):
        raise UnreadableFileError(f"{path} is damaged: its columns do not fit each other; run again.")
    return told[0], told[1], told[2]


def _inside(columns: dict[str, NDArray[Any]], shape: list[int]) -> bool:
    """Whether boxes lie in the frame and tracks have numbers."""
    y0, x0, y1, x1 = columns["box"].T
    boxes = (y0 >= 0) & (x0 >= 0) & (y1 > y0) & (x1 > x0) & (y1 <= shape[1]) & (x1 <= shape[2])
    return bool(boxes.all() and (columns["track"] > 0).all())


def _kinds(path: Path, told: Any, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Kinds as they are counted here, from their places in the names that the store has."""
    named = isinstance(told, list) and all(name in KINDS for name in told)
    if not named or (len(stored) and stored.max() >= len(told)):
        raise UnreadableFileError(f"{path} is damaged or newer than this program: it holds unknown kinds of objects.")
    return np.array([KINDS.index(name) for name in told], np.uint8)[stored]


def _column(root: zarr.Group, name: str) -> NDArray[Any]:
    """A whole column; those of runs are read frame by frame."""
    found = root[name]
    if not isinstance(found, zarr.Array):
        raise TypeError(name)
    return np.asarray(found[:], _TYPES.get(name, "float32"))


def _array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    wide = {"box": (4,), "runs": (2,)}.get(name, ())
    return root.create_array(
        name,
        shape=(0, *wide),
        chunks=(_ROWS, *wide),
        dtype=_TYPES.get(name, "float32"),
        compressors=[ZstdCodec(level=1)],
    )


def _flush(arrays: dict[str, zarr.Array[Any]], pending: list[tuple[int, Instances]], written: int) -> int:
    """Append the frames in memory; the number of runs written so far."""
    for name in _COLUMNS:
        _append(arrays[name], [getattr(found, name) for _, found in pending])
    _append(arrays["frame"], [np.full(len(found), t, np.int32) for t, found in pending])
    _append(arrays["track"], [found.id for _, found in pending])
    _append(arrays["runs"], [found.runs for _, found in pending])
    ends = []
    for _, found in pending:
        ends.append(found.offset[1:] + written)
        written += len(found.runs)
    _append(arrays["offset"], ends)
    pending.clear()
    return written


def _append(array: zarr.Array[Any], parts: list[NDArray[Any]]) -> None:
    if sum(len(part) for part in parts):
        array.append(np.concatenate(parts).astype(array.dtype))
