"""Second stage of a run: objects of all frames to tracks, and label images that hold the track ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.data.labelstore import LabelWriter
from unfade.data.outputs import PART, remove
from unfade.link import LinkSettings
from unfade.link.cleanup import clean
from unfade.ops.relabel import remap
from unfade.pipeline.arrays import read_arrays, write_arrays
from unfade.pipeline.segmenting import frame_path, read_instances
from unfade.records import Calibration, LabelImage, Lineage
from unfade.registry import load

Progress = Callable[[str, int, int], None]
VERSION = 1
ARRAYS = ("frame", "label", "track", "confidence", "parents")


def link_frames(
    frames: Iterator[LabelImage], count: int, settings: LinkSettings, progress: Progress | None = None
) -> Lineage:
    """Tracks of label images in order; false divisions and short tracks are cleaned up afterwards."""
    linker: Any = load("linkers", settings.linker)(settings)
    state = linker.start()
    for t, labels in enumerate(frames):
        state, _ = linker.push(state, labels)
        if progress is not None:
            progress("link", t + 1, count)
    return clean(linker.finish(state), settings)


def seen_labels(folder: Path, count: int) -> Iterator[LabelImage]:
    """Flat label images of the segmented frames in order."""
    for t in range(count):
        yield read_instances(frame_path(folder, t)).labels()[0]


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
    path: Path, frames: Iterator[LabelImage], shape: tuple[int, int, int], lineage: Lineage, calibration: Calibration
) -> None:
    """Write label images whose values are track ids, complete or not at all."""
    with label_store(path, shape, calibration) as writer:
        for t, image in enumerate(as_tracks(frames, lineage, shape[0])):
            writer.write(t, image)


@contextmanager
def label_store(path: Path, shape: tuple[int, int, int], calibration: Calibration) -> Iterator[LabelWriter]:
    """A new store of label images; a failure inside the block leaves nothing of it."""
    part = path.with_name(path.name + PART)
    try:
        remove(part)  # of a run that was killed: its frames may be of other tracks
        with LabelWriter(path, shape, calibration=calibration) as writer:
            yield writer
    except BaseException:
        with suppress(OSError):
            remove(part)
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
