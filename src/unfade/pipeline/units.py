"""The work of a run in units that any process can do: what a unit needs goes in, whole files or small records come out.

A unit may be done twice, when a worker died: it writes the same files again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfade.data import check_frame
from unfade.data.labelstore import write_frame
from unfade.data.outputs import remove
from unfade.pipeline import measuring, segmenting
from unfade.pipeline.folder import RunFolder, key_of
from unfade.pipeline.linking import renamed
from unfade.pipeline.opening import Model, open_known, open_model
from unfade.pipeline.settings import RunSettings
from unfade.predict.engine import Ends
from unfade.predict.stitched import Part, find_part, joined, parts_of
from unfade.records import Image, Instances, Movie, Rows


@dataclass(frozen=True)
class Run:
    """What every unit of a run shares."""

    source: Path
    settings: RunSettings
    root: Path
    channel: int = 0
    zoom: float = 1.0

    @property
    def folder(self) -> RunFolder:
        """Where it writes."""
        return RunFolder(self.root)

    def movie(self) -> Movie:
        """The movie, opened once per process."""
        return open_known(self.source, self.settings.input.read)


class Prepared(NamedTuple):
    """What has to be known of the model before the first frame is segmented."""

    system: dict[str, Any]  # settings
    weights: tuple[str, str]  # name and hash
    diameter: dict[str, Any]
    device: str
    memory: int | None  # of the stage
    parts: int  # that every frame is taken in


class Range(NamedTuple):
    """Frames `first` to `stop - 1` of a run."""

    run: Run
    first: int
    stop: int


class Tile(NamedTuple):
    """One part of one frame of a run."""

    run: Run
    frame: int
    part: int


class Names(NamedTuple):
    """Frames of a label store that get their track ids."""

    store: Path
    instances: Path
    first: int
    labels: Sequence[NDArray[np.int32]]  # ids in each frame
    tracks: Sequence[NDArray[np.int32]]  # and their tracks


def prepare(item: tuple[Run, dict[str, Any]]) -> Prepared:
    """Open the network and find the diameter, or take that of the earlier run whose manifest is given."""
    run, earlier = item
    settings, movie = run.settings, run.movie()
    model = open_model(settings)
    size = (movie.shape[2], movie.shape[3])
    segmenting.require_whole(model.engine, size)
    key = diameter_key(run, model)
    diameter = earlier.get("diameter")
    if diameter is None or diameter.get("key") != key:
        diameter = {**vars(segmenting.find_diameter(model.engine, movie, run.channel, settings.predict)), "key": key}
    zoom = float(diameter["zoom"])
    stage = segmenting.open_stage(model.engine, movie, run.channel, zoom)
    view = model.system.view
    alone = segmenting.engine_for(view) in ("frames", "boxes") and len(view.kinds) == 1
    alone &= settings.predict.uncertainty is None
    return Prepared(
        system=model.system.settings.plain(),
        weights=(model.weights.name, model.weights.sha256),
        diameter=dict(diameter),
        device=model.engine.device.type,
        memory=stage.memory,
        parts=len(parts_of(size, view, zoom)) if alone else 1,
    )


def diameter_key(run: Run, model: Model) -> str:
    """Key of all that decides the objects, but for the pixels themselves."""
    settings = run.settings
    read = settings.input.read.changed(pixel_um=None, interval_s=None).plain()  # calibration moves no pixel
    how = {**settings.predict.plain(), "device": model.engine.device.type}
    return key_of(run.channel, read, how, model.identity)


def segment_range(unit: Range) -> float:
    """Objects of a range of frames, one file each; give the seconds spent in the network."""
    run, movie = unit.run, unit.run.movie()
    stage = segmenting.open_stage(open_model(run.settings).engine, movie, run.channel, run.zoom)
    segmenting.segment_frames(run.folder.instances, movie, stage, (unit.first, unit.stop))
    return stage.seconds


def find_tile(unit: Tile) -> float:
    """Objects of one part of a huge frame, in a file of their own; give the seconds it took."""
    run = unit.run
    path = _tile_path(run, unit.frame, unit.part)
    if path.is_file():
        return 0.0
    began = time.perf_counter()
    engine: Any = open_model(run.settings).engine
    image, ends = _huge(unit, engine)
    found = find_part(image, _parts(unit)[unit.part], partial(_checked_piece, engine, run.zoom, ends, unit.frame))
    segmenting.write_instances(path, found)
    return time.perf_counter() - began


def _checked_piece(engine: Any, zoom: float, ends: Ends, t: int, image: Image) -> Instances:
    found: Instances = engine.piece(check_frame(image, t), zoom, ends)
    return found


_HELD: dict[str, tuple[Rows, Ends]] = {}  # the huge frame whose parts are being found


def _huge(unit: Tile, engine: Any) -> tuple[Rows, Ends]:
    """The channel to segment of a frame, `(1, Y, X)`, and what becomes 0 and 1 of it; the last one is kept."""
    run, movie = unit.run, unit.run.movie()
    key = key_of(run.source, run.source.stat().st_mtime_ns, run.settings.input.read.plain(), run.channel, run.zoom)
    key = f"{key} {unit.frame}"
    if key not in _HELD:
        forget()
        if movie.by_rows:
            plane = movie.rows(unit.frame).plane(run.channel)
            image = Rows((1, *plane.shape), lambda first, stop: plane.read(first, stop)[None])
        else:
            image = Rows.of(movie.frame(unit.frame, run.channel)[None].copy())
        _HELD[key] = image, engine.frame_ends(image, run.zoom)
    return _HELD[key]


def forget() -> None:
    """Drop the huge frame that is kept."""
    _HELD.clear()


def join_tiles(unit: Range) -> None:
    """Objects of huge frames from those of their parts, whose files go."""
    for t in range(unit.first, unit.stop):
        parts = _parts(Tile(unit.run, t, 0))
        paths = [_tile_path(unit.run, t, k) for k in range(len(parts))]
        target = segmenting.frame_path(unit.run.folder.instances, t)
        if not target.is_file():
            found: list[Instances] = [segmenting.read_instances(path) for path in paths]
            segmenting.write_instances(target, joined(found, parts, unit.run.movie().shape[2:]))
        for path in paths:
            remove(path)
    forget()


def _parts(unit: Tile) -> list[Part]:
    run = unit.run
    return parts_of(run.movie().shape[2:], open_model(run.settings).system.view, run.zoom)


def _tile_path(run: Run, frame: int, part: int) -> Path:
    return run.folder.instances / segmenting.PARTS / f"{frame:06d}-{part:04d}.npz"


def name_range(unit: Names) -> int:
    """Label images of a range of frames with track ids, straight into the store; give the frame after the last."""
    for k, (label, track) in enumerate(zip(unit.labels, unit.tracks, strict=True)):
        found = segmenting.read_instances(segmenting.frame_path(unit.instances, unit.first + k))
        write_frame(unit.store, unit.first + k, renamed(found.rows(found.shape[0] - 1), label, track))
    return unit.first + len(unit.labels)


def measure_range(unit: tuple[Range, tuple[int, ...]]) -> list[measuring.Measured]:
    """Rows of the objects table of a range of frames."""
    (run, first, stop), channels = unit
    movie = run.movie()
    stage = measuring.measurer(movie, channels, run.settings.measure, run.settings.repair.enabled)
    return list(measuring.measured(run.folder, movie, stage, range(first, stop)))


def ranges(gaps: Sequence[tuple[int, int]], workers: int, memory: int | None) -> list[tuple[int, int]]:
    """Ranges of frames cut for `workers`: a few for each, none shorter than what its first frame has to repeat."""
    total = sum(stop - first for first, stop in gaps)
    if memory is None:
        return list(gaps)
    length = max(1, 2 * memory, min(32, -(-total // (4 * workers))))
    return [(a, min(a + length, stop)) for first, stop in gaps for a in range(first, stop, length)]
