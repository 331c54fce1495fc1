"""Second stage of a run: objects of all frames to tracks, and label images that hold the track ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.data.instancestore import overlapping, write_overlapping
from unfade.data.labelstore import LabelWriter
from unfade.data.outputs import PART, clear, remove
from unfade.link import LinkSettings
from unfade.link.cleanup import clean
from unfade.ops.relabel import remap
from unfade.pipeline.arrays import read_arrays, write_arrays
from unfade.pipeline.segmenting import frame_path, read_instances
from unfade.records import Calibration, Instances, Kind, LabelImage, Lineage, Rows
from unfade.registry import load

Progress = Callable[[str, int, int], None]
AUTO = "auto"  # the linker follows from the system
VERSION = 1
ARRAYS = ("frame", "label", "track", "confidence", "parents")


def link_frames(
    frames: Iterator[LabelImage], count: int, settings: LinkSettings, progress: Progress | None = None
) -> Lineage:
    """Tracks of label images `(Y, X)` or blocks `(k, Y, X)` in order, without false divisions and short tracks."""
    linker: Any = None
    for t, labels in enumerate(frames):
        block = labels if labels.ndim == 3 else labels[None]
        if linker is None:
            linker = open_linker(settings, len(block))
            state = linker.start()
        state, _ = linker.push(state, block if getattr(linker, "block", 1) > 1 else block[-1])
        if progress is not None:
            progress("link", t + 1, count)
    if linker is None:
        linker = open_linker(settings)
        state = linker.start()
    return clean(linker.finish(state), settings)


def open_linker(settings: LinkSettings, block: int = 1) -> Any:
    """The linker that was asked for, or the one that suits objects found in `block` frames together.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    automatic = "pairs" if block > 1 else "overlap"
    return load("linkers", automatic if settings.linker == AUTO else settings.linker)(settings)


def seen_blocks(folder: Path, count: int) -> Iterator[LabelImage]:
    """Label images `(k, Y, X)` of the segmented frames in order, each with the frames it was found with."""
    for t in range(count):
        yield read_instances(frame_path(folder, t)).labels()


def seen_labels(folder: Path, count: int) -> Iterator[LabelImage]:
    """Flat label images of the segmented frames in order."""
    for t in range(count):
        yield read_instances(frame_path(folder, t)).labels()[-1]


def seen_kinds(folder: Path, count: int, kinds: tuple[Kind, ...]) -> Iterator[tuple[Rows, ...]]:
    """Flat label images of every kind of the segmented frames in order, by rows; a nucleus has the id of its cell."""
    for t in range(count):
        found = read_instances(frame_path(folder, t))
        yield tuple(found.rows(found.shape[0] - 1, kind) for kind in kinds)


def as_tracks(frames: Iterator[LabelImage], lineage: Lineage, count: int) -> Iterator[LabelImage]:
    """Label images whose values are track ids; objects without a track are left out."""
    for labels, (old, new) in zip(frames, by_frame(lineage, count), strict=True):
        yield remap(labels, old, new)


def by_frame(lineage: Lineage, count: int) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Of each frame the labels of its objects and the tracks they belong to."""
    order = np.argsort(lineage.frame, kind="stable")
    bounds = np.searchsorted(lineage.frame[order], np.arange(count + 1))
    nodes = [order[a:b] for a, b in pairwise(bounds)]
    return [(lineage.label[n], lineage.track[n]) for n in nodes]


def write_track_labels(
    path: Path,
    frames: Iterator[Any],
    shape: tuple[int, int, int],
    lineage: Lineage,
    calibration: Calibration,
    kinds: tuple[Kind, ...] = ("nucleus",),
) -> None:
    """Write label images whose values are track ids, complete or not at all.

    `frames` gives one label image `(Y, X)` per frame, or one for each of several kinds that share their ids; an image
    may come by rows.
    """
    with label_store(path, shape, calibration, kinds) as writer:
        for t, (images, (old, new)) in enumerate(zip(frames, by_frame(lineage, shape[0]), strict=True)):
            each = images if isinstance(images, tuple) else (images,)
            writer.write(t, *(renamed(Rows.of(image), old, new) for image in each))


def renamed(labels: Rows, old: NDArray[np.int32], new: NDArray[np.int32]) -> Rows:
    """A label image by rows in which the objects `old` are called `new`; others are left out."""
    return Rows(labels.shape, lambda first, stop: remap(labels.read(first, stop), old, new))


def write_if_overlapping(path: Path, folder: Path, lineage: Lineage, shape: tuple[int, int, int]) -> bool:
    """Write the masks of all objects that have a track, if any two overlap; else there is no such file after it."""
    if not any(overlapping(read_instances(frame_path(folder, t))) for t in range(shape[0])):
        remove(path)
        return False
    found = (read_instances(frame_path(folder, t)) for t in range(shape[0]))
    pairs = zip(found, by_frame(lineage, shape[0]), strict=True)
    write_overlapping(path, (tracked(each, old, new) for each, (old, new) in pairs), shape)
    return True


def tracked(found: Instances, old: NDArray[np.int32], new: NDArray[np.int32]) -> Instances:
    """The objects of the last frame of a block that have a track, called by it."""
    order = np.argsort(old)
    at = np.minimum(np.searchsorted(old[order], found.id), max(len(old) - 1, 0))
    keep = np.flatnonzero((found.frame == found.shape[0] - 1) & np.isin(found.id, old))
    counts = np.diff(found.offset)[keep]
    rows = np.repeat(found.offset[keep] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    columns = {name: getattr(found, name)[keep] for name in ("kind", "box", "score", "u_total", "u_data", "u_model")}
    return Instances(
        shape=(1, *found.shape[1:]),
        frame=np.zeros(len(keep), np.int32),
        id=new[order][at[keep]] if len(old) else found.id[keep],
        runs=found.runs[rows],
        offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        **columns,
    )


@contextmanager
def label_store(
    path: Path, shape: tuple[int, int, int], calibration: Calibration, kinds: tuple[Kind, ...] = ("nucleus",)
) -> Iterator[LabelWriter]:
    """A new store of label images; a failure inside the block leaves nothing of it."""
    part = path.with_name(path.name + PART)
    try:
        remove(part)  # of a run that was killed: its frames may be of other tracks
        with LabelWriter(path, shape, kinds, calibration) as writer:
            yield writer
    except BaseException:
        with suppress(OSError):
            clear(part)
        raise


def write_lineage(path: Path, lineage: Lineage) -> None:
    """Write a lineage as plain arrays, complete or not at all."""
    write_arrays(path, {name: getattr(lineage, name) for name in ARRAYS})


def read_lineage(path: Path) -> Lineage:
    """Read what `write_lineage` wrote.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    return Lineage(**read_arrays(path, ARRAYS))
