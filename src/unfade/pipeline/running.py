"""A run from movie to report, stage by stage; what is complete and unchanged is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unfade.data import open_movie
from unfade.data.mapstore import write_maps
from unfade.data.outputs import guarded
from unfade.errors import SettingsError
from unfade.measure import VERSION as MEASURE_VERSION
from unfade.pipeline import linking, measuring, reporting, segmenting
from unfade.pipeline.folder import MANIFEST, RunFolder, content_hash, key_of, versions
from unfade.pipeline.settings import RunSettings
from unfade.predict.engine import Stage
from unfade.records import Movie
from unfade.registry import load
from unfade.settings import read_toml, write_toml

Progress = Callable[[str, int, int], None]
PARTS = ("total", "data", "model")  # channels of the uncertainty map


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

    def stage(self, name: str, key: str, outputs: tuple[Path, ...], work: Callable[[], dict[str, Any]]) -> None:
        """Do a stage unless it is complete under the same key and its outputs are there."""
        stages = self.manifest["stages"]
        done = stages.get(name)
        if done is not None and done.get("complete") and done["key"] == key and all(p.exists() for p in outputs):
            return
        stages[name] = {"key": key, "complete": False}
        self.folder.write_manifest(self.manifest)
        began = time.perf_counter()
        with guarded(self.folder.root):
            facts = work()
        stages[name] = {"key": key, "complete": True, "seconds": round(time.perf_counter() - began, 3), **facts}
        self.folder.write_manifest(self.manifest)


def run(source: Path, out: Path, settings: RunSettings, progress: Progress | None = None) -> RunFolder:
    """Movie to labels, tracks, measurements and report in the folder `out`; goes on where an earlier run stopped.

    A new run that fails leaves nothing, unless a stage is complete already; results of an earlier run stay as they are
    until the same stage has new ones.

    Raises
    ------
    InputError, WeightsError, SettingsError, DeviceError
        Before anything is written, where that can be known beforehand.
    OutputError
        If the folder belongs to another movie, cannot be written, or the disk is full.
    """
    movie = open_movie(source, settings.input.read)
    channel = movie.channel(settings.input.segment_channel)
    names = settings.input.measure_channels
    measured = tuple(movie.channel(n) for n in names) if names else tuple(range(movie.shape[1]))
    settings.measure.ring_px(movie.calibration)
    load("linkers", settings.link.linker)
    folder, identity = RunFolder(out), content_hash(source)
    earlier = folder.claim(identity)
    system, weights = segmenting.open_system(settings.system)
    predictor = segmenting.open_predictor(system, weights, settings.predict)
    others = tuple(w.sha256 for w in segmenting.open_members(system, weights, settings.predict))
    model = (settings.system.name, system.settings.plain(), weights.sha256, *others)
    diameter = _diameter(earlier, predictor, movie, channel, settings, model)
    settings = settings.changed(input=settings.input.changed(path=str(source.resolve())).plain())
    manifest = {
        "manifest": MANIFEST,
        "input": {
            "path": str(source),
            "hash": identity,
            "shape": list(movie.shape),
            "channels": list(movie.channels),
            "pixel_um": movie.calibration.pixel_um,
            "interval_s": movie.calibration.interval_s,
        },
        "versions": versions(),
        "settings": settings.plain(),
        "system": {"name": settings.system.name, "settings": system.settings.plain()},
        "weights": {"name": weights.name, "sha256": weights.sha256},
        "diameter": diameter,
        "device": str(predictor.device),
        "seed": 0,
        "notes": earlier.get("notes", []),
        "stages": earlier.get("stages", {}),
    }
    job = Job(folder, settings, movie, channel, measured, manifest, progress)
    with folder.undone():
        _stages(job, segmenting.open_stage(predictor, movie, channel, float(diameter["zoom"])), identity)
        _write_settings(folder, settings)
    return folder


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


def _diameter(
    earlier: dict[str, Any], predictor: Any, movie: Movie, channel: int, settings: RunSettings, model: tuple[Any, ...]
) -> dict[str, Any]:
    """Diameter and zoom with the key of all that decides the objects; those of an earlier run under it are kept."""
    read = settings.input.read.changed(pixel_um=None, interval_s=None).plain()  # calibration moves no pixel
    how = {**settings.predict.plain(), "device": str(predictor.device)}
    key = key_of(channel, read, how, model)
    known = earlier.get("diameter")
    if known is not None and known.get("key") == key:
        return dict(known)
    return {**vars(segmenting.find_diameter(predictor, movie, channel, settings.predict)), "key": key}


def _stages(job: Job, stage: Stage, identity: str) -> None:
    folder, settings, movie = job.folder, job.settings, job.movie
    count, shape = len(movie), (len(movie), *movie.shape[2:])
    seen = key_of(segmenting.VERSION, identity, job.manifest["diameter"]["key"])
    linked = key_of(linking.VERSION, seen, settings.link.plain(), movie.calibration)
    chosen = [(c, movie.channels[c]) for c in job.measured]
    counted = key_of(MEASURE_VERSION, linked, settings.measure.plain(), chosen)
    shown = key_of(reporting.VERSION, counted)

    def segment() -> dict[str, Any]:
        segmenting.segment_into(folder.instances, movie, stage, seen, job.progress)
        if settings.predict.uncertainty is not None:
            write_uncertainty(folder, movie)
        return {"network_seconds": round(stage.seconds, 3)}

    def link() -> dict[str, Any]:
        frames = linking.seen_labels(folder.instances, count)
        lineage = linking.link_frames(frames, count, settings.link, job.progress)
        frames = linking.seen_labels(folder.instances, count)
        linking.write_track_labels(folder.labels, frames, shape, lineage, movie.calibration)
        linking.write_lineage(folder.lineage, lineage)
        return {"tracks": len(lineage.tracks()), "objects": len(lineage.frame)}

    def measure() -> dict[str, Any]:
        return measuring.measure_into(folder, movie, job.measured, settings.measure, job.progress)

    def report() -> dict[str, Any]:
        job.manifest["notes"] = reporting.notes_of(movie, job.manifest)
        return reporting.report_into(folder, movie, job.channel, job.manifest)

    found = [segmenting.frame_path(folder.instances, t) for t in range(count)]
    if settings.predict.uncertainty is not None:
        found.append(folder.uncertainty)
    job.stage("segment", seen, tuple(found), segment)
    job.stage("link", linked, (folder.labels, folder.lineage), link)
    job.stage("measure", counted, tuple(folder.tables()), measure)
    job.stage("report", shown, (folder.report,), report)
