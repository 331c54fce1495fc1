"""A run from movie to report, stage by stage; what is complete and unchanged is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unfade.data import open_movie
from unfade.data.mapstore import write_maps
from unfade.data.outputs import guarded, recover, remove
from unfade.errors import MissingInputError, SettingsError
from unfade.measure import VERSION as MEASURE_VERSION
from unfade.pipeline import linking, measuring, repairing, reporting, segmenting, units
from unfade.pipeline.folder import MANIFEST, RunFolder, content_hash, key_of, versions
from unfade.pipeline.locking import locked
from unfade.pipeline.opening import open_model
from unfade.pipeline.reasons import changed, why_again
from unfade.pipeline.settings import RunSettings
from unfade.records import Kind, Lineage, Movie
from unfade.registry import load
from unfade.scale.pool import Here, Pool
from unfade.settings import read_toml, write_toml

Progress = Callable[[str, int, int], None]
PARTS = ("total", "data", "model")  # channels of the uncertainty map


@dataclass(frozen=True)
class Way:
    """How a run is carried out; nothing here changes its results."""

    pool: Pool | None = None  # workers for frames, labels and measurements; none: all here
    tell: Callable[[str], None] | None = None  # hears in words why a stage is done again
    kept: bool = False  # and which stages are kept
    report: bool = True  # whether the page for people is made


@dataclass
class Job:
    """A run under way: what was opened before anything was written."""

    folder: RunFolder
    settings: RunSettings
    movie: Movie
    channel: int
    measured: tuple[int, ...]
    manifest: dict[str, Any]
    progress: Progress | None = None
    way: Way = Way()
    changes: tuple[str, ...] = ()  # against the manifest of the earlier run

    def stage(self, name: str, key: str, outputs: tuple[Path, ...], work: Callable[[], dict[str, Any]]) -> None:
        """Do a stage unless it is complete under the same key and its outputs are there."""
        stages = self.manifest["stages"]
        done, missing = stages.get(name), [p for p in outputs if not p.exists()]
        if done is not None and done.get("complete") and done["key"] == key and not missing:
            self._say(f"{name} is kept" if self.way.kept else None)
            return
        self._say(why_again(name, done, key, missing, self.changes))
        stages[name] = {"key": key, "complete": False}
        self.folder.write_manifest(self.manifest)
        began = time.perf_counter()
        with guarded(self.folder.root):
            facts = work()
        stages[name] = {"key": key, "complete": True, "seconds": round(time.perf_counter() - began, 3), **facts}
        self.folder.write_manifest(self.manifest)

    def _say(self, text: str | None) -> None:
        if text is not None and self.way.tell is not None:
            self.way.tell(f"{text}.")


def run(
    source: Path, out: Path, settings: RunSettings, progress: Progress | None = None, way: Way = Way()
) -> RunFolder:
    """Movie to labels, tracks, measurements and report in the folder `out`; goes on where an earlier run stopped.

    A new run that fails leaves nothing, unless a stage is complete already; results of an earlier run stay as they are
    until the same stage has new ones. Two runs cannot be in one folder at the same time.

    Raises
    ------
    InputError, WeightsError, SettingsError, DeviceError
        Before anything is written, where that can be known beforehand.
    OutputError
        If the folder belongs to another movie or is in use by another run, cannot be written, or the disk is full.
    """
    movie = open_movie(source, settings.input.read)
    channel = movie.channel(settings.input.segment_channel)
    names = settings.input.measure_channels
    measured = tuple(movie.channel(n) for n in names) if names else tuple(range(movie.shape[1]))
    settings.measure.ring_px(movie.calibration)
    linking.open_linker(settings.link)
    repairing.check(settings.repair)
    folder, identity = RunFolder(out), content_hash(source)
    folder.check_place()
    with locked(folder.root, folder.work):
        earlier = folder.claim(identity)
        with guarded(folder.labels):
            recover(folder.labels)
        unit = units.Run(source.resolve(), settings, folder.root.resolve(), channel)
        ready = next(iter((way.pool or Here()).map(units.prepare, [(unit, earlier)])))
        settings = settings.changed(input=settings.input.changed(path=str(source.resolve())).plain())
        manifest = {
            "manifest": MANIFEST,
            "input": {"path": str(source), "hash": identity, **_described(movie)},
            "versions": versions(),
            "settings": settings.plain(),
            "system": {"name": settings.system.name, "settings": ready.system},
            "weights": dict(zip(("name", "sha256"), ready.weights, strict=True)),
            "diameter": ready.diameter,
            "device": ready.device,
            "seed": 0,
            "notes": earlier.get("notes", []),
            "watched": earlier.get("watched", []),  # what a watch has to say of frames that are none
            "stages": earlier.get("stages", {}),
            "reported": way.report or earlier.get("reported", False),
        }
        changes = tuple(changed(earlier, manifest)) if earlier else ()
        job = Job(folder, settings, movie, channel, measured, manifest, progress, way, changes)
        with folder.undone():
            _stages(job, replace(unit, zoom=float(ready.diameter["zoom"])), ready)
            _write_settings(folder, settings)
    return folder


def repair(out: Path, chosen: dict[str, Any], dry: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Repair a finished run with settings that differ from the run's own, or only say what would change.

    Raises
    ------
    MissingInputError
        If `out` is no finished run folder.
    SettingsError
        For settings that do not exist or are out of range.
    """
    folder = RunFolder(out)
    if not (out.is_dir() and folder.complete(repaired=False)):
        raise MissingInputError(f"{out} is no finished run folder; make one with 'unfade run MOVIE -o {out}'.")
    settings = RunSettings.parse(read_toml(folder.settings))
    settings = settings.changed(repair={**settings.repair.plain(), **chosen, "enabled": True})
    source = Path(settings.input.path or folder.read_manifest()["input"]["path"])
    if dry:
        movie = open_movie(source, settings.input.read)
        repairing.check(settings.repair)
        return repairing.preview(folder, movie, movie.channel(settings.input.segment_channel), settings.repair)
    told = run(source, out, settings, progress, Way(report=folder.report.is_file())).read_manifest()
    facts: dict[str, Any] = told["stages"]["repair"]
    return facts


def _described(movie: Movie) -> dict[str, Any]:
    """What the manifest says of the movie."""
    return {
        "shape": list(movie.shape),
        "channels": list(movie.channels),
        "pixel_um": movie.calibration.pixel_um,
        "interval_s": movie.calibration.interval_s,
    }


def write_uncertainty(folder: RunFolder, movie: Movie) -> None:
    """The uncertainty of every pixel as a movie of three channels."""
    paths = (segmenting.frame_path(folder.instances, t) for t in range(len(movie)))
    maps = (segmenting.read_uncertainty(path)[-1] for path in paths)
    shape = (len(movie), len(PARTS), *movie.shape[2:])
    write_maps(folder.uncertainty, maps, shape, PARTS, movie.calibration)


def _write_settings(folder: RunFolder, settings: RunSettings) -> None:
    """Settings that repeat the run, once all of it is complete; a file that says the same stays."""
    with suppress(SettingsError):  # a damaged file is replaced
        if read_toml(folder.settings) == settings.plain():
            return
    with guarded(folder.settings):
        write_toml(folder.settings, settings.plain())


def seen_key(identity: str, diameter_key: str) -> str:
    """Key of the objects of a movie."""
    return key_of(segmenting.VERSION, identity, diameter_key)


def _stages(job: Job, unit: units.Run, ready: units.Prepared) -> None:
    folder, settings, movie = job.folder, job.settings, job.movie
    count = len(movie)
    seen = seen_key(job.manifest["input"]["hash"], ready.diameter["key"])
    linked = key_of(linking.VERSION, seen, settings.link.plain(), movie.calibration)
    chosen = [(c, movie.channels[c]) for c in job.measured]
    mended = key_of(repairing.VERSION, linked, settings.repair.plain(), job.channel)
    counted = key_of(MEASURE_VERSION, mended if settings.repair.enabled else linked, settings.measure.plain(), chosen)
    shown = key_of(reporting.VERSION, counted)

    def segment() -> dict[str, Any]:
        seconds = _segment(job, unit, ready, seen)
        if settings.predict.uncertainty is not None:
            write_uncertainty(folder, movie)
        return {"network_seconds": round(seconds, 3)}

    def link() -> dict[str, Any]:
        frames = linking.seen_blocks(folder.instances, count)
        lineage = linking.link_frames(frames, count, settings.link, job.progress)
        _write_labels(job, lineage)
        linking.write_lineage(folder.lineage, lineage)
        shape = (count, *movie.shape[2:])
        overlap = linking.write_if_overlapping(folder.overlapping, folder.instances, lineage, shape)
        return {"tracks": len(lineage.tracks()), "objects": len(lineage.frame), "overlapping": overlap}

    def repair() -> dict[str, Any]:
        return repairing.repair_into(folder, movie, job.channel, settings.repair, job.progress)

    def measure() -> dict[str, Any]:
        known, haze = measuring.haze_of_run(settings.measure, folder, movie, job.channel)
        hazy = replace(unit, settings=unit.settings.changed(measure=known.plain()))
        found = None if job.way.pool is None else _measured(job, hazy, job.way.pool)
        return {**measuring.measure_into(folder, movie, job.measured, known, job.progress, found), **haze}

    def report() -> dict[str, Any]:
        job.manifest["notes"] = reporting.notes_of(movie, job.manifest)
        return reporting.report_into(folder, movie, job.channel, job.manifest)

    found = [segmenting.frame_path(folder.instances, t) for t in range(count)]
    if settings.predict.uncertainty is not None:
        found.append(folder.uncertainty)
    job.stage("segment", seen, tuple(found), segment)
    masks = (folder.overlapping,) if job.manifest["stages"].get("link", {}).get("overlapping") else ()
    job.stage("link", linked, (folder.labels, folder.lineage, *masks), link)
    if settings.repair.enabled:
        job.stage("repair", mended, (folder.repaired, folder.provenance), repair)
    elif folder.provenance.is_file():  # of an earlier run with repair
        remove(folder.repaired)
        remove(folder.provenance)
        job.manifest["stages"].pop("repair", None)
    job.stage("measure", counted, tuple(folder.tables()), measure)
    if job.way.report:
        job.stage("report", shown, (folder.report,), report)


def _segment(job: Job, unit: units.Run, ready: units.Prepared, key: str) -> float:
    """Objects of all frames; give the seconds spent in the network."""
    folder = job.folder.instances
    pool = job.way.pool or (Here() if ready.parts > 1 else None)  # parts of a huge frame are kept as they are found
    if pool is None:
        stage = segmenting.open_stage(open_model(unit.settings).engine, job.movie, job.channel, unit.zoom)
        segmenting.segment_into(folder, job.movie, stage, key, job.progress)
        return stage.seconds
    segmenting.begin(folder, key)
    gaps = segmenting.gaps(folder, len(job.movie), ready.memory)
    if ready.parts > 1:
        frames = [t for first, stop in gaps for t in range(first, stop)]
        tiles = [units.Tile(unit, t, k) for t in frames for k in range(ready.parts)]
        spent = _follow(job, "tiles", pool.map(units.find_tile, tiles), len(tiles))
        joins = [units.Range(unit, t, t + 1) for t in frames]
        _follow(job, "segment", pool.map(units.join_tiles, joins), len(joins))
        return float(sum(spent))
    work = [units.Range(unit, *pair) for pair in units.ranges(gaps, pool.workers, ready.memory)]
    return float(sum(_follow(job, "segment", pool.map(units.segment_range, work), len(work))))


def _follow(job: Job, name: str, results: Iterator[Any], total: int) -> list[Any]:
    """All results, with progress as they come."""
    found = []
    for result in results:
        found.append(result)
        if job.progress is not None:
            job.progress(name, len(found), total)
    return found


def _kinds(job: Job) -> tuple[Kind, ...]:
    """Kinds of objects that the system of the run finds."""
    told = job.manifest["system"]
    kind: Any = load("systems", told["name"])
    kinds: tuple[Kind, ...] = kind(kind.settings_type.parse(told["settings"])).view.kinds
    return kinds


def _write_labels(job: Job, lineage: Lineage) -> None:
    """Label images whose values are track ids, complete or not at all; workers write them into the store's chunks."""
    folder, movie, pool = job.folder, job.movie, job.way.pool
    count, shape = len(movie), (len(movie), *movie.shape[2:])
    kinds = _kinds(job)
    if pool is None or kinds != ("nucleus",):
        frames = linking.seen_kinds(folder.instances, count, kinds)
        linking.write_track_labels(folder.labels, frames, shape, lineage, movie.calibration, kinds)
        return
    ids = linking.by_frame(lineage, count)
    with linking.label_store(folder.labels, shape, movie.calibration) as writer:
        work = [
            units.Names(writer.part.resolve(), folder.instances.resolve(), a, *zip(*ids[a:b], strict=True))
            for a, b in units.ranges([(0, count)], pool.workers, 0)
        ]
        for unit, stop in zip(work, pool.map(units.name_range, work), strict=True):
            writer.written(*range(unit.first, stop))


def _measured(job: Job, unit: units.Run, pool: Pool) -> Iterator[measuring.Measured]:
    work = [(units.Range(unit, *pair), job.measured) for pair in units.ranges([(0, len(job.movie))], pool.workers, 0)]
    for part in pool.map(units.measure_range, work):
        yield from part
