"""A run from movie to report, stage by stage; what is complete and unchanged is not done again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unfade.data import open_movie
from unfade.data.outputs import guarded
from unfade.errors import InputError
from unfade.measure import VERSION as MEASURE_VERSION
from unfade.pipeline import linking, measuring, reporting, segmenting
from unfade.pipeline.folder import MANIFEST, RunFolder, content_hash, key_of, versions
from unfade.pipeline.settings import RunSettings
from unfade.records import Movie
from unfade.settings import write_toml

Progress = Callable[[str, int, int], None]


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
        facts = work()
        stages[name] = {"key": key, "complete": True, "seconds": round(time.perf_counter() - began, 3), **facts}
        self.folder.write_manifest(self.manifest)


def run(source: Path, out: Path, settings: RunSettings, progress: Progress | None = None) -> RunFolder:
    """Movie to labels, tracks, measurements and report in the folder `out`; goes on where an earlier run stopped.

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
    system, weights = segmenting.open_system(settings.system)
    predictor = segmenting.open_predictor(system, weights, settings.predict)
    folder, fresh = RunFolder(out), not out.exists()
    identity = content_hash(source)
    earlier = folder.claim(identity)
    try:
        diameter = _diameter(earlier, predictor, movie, channel, settings, weights.sha256)
        with guarded(out):
            folder.instances.mkdir(parents=True, exist_ok=True)
            write_toml(folder.settings, settings.plain())
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
                "notes": list(movie.notes),
                "stages": earlier.get("stages", {}),
            }
            job = Job(folder, settings, movie, channel, measured, manifest, progress)
            _stages(job, segmenting.SegmentStage(predictor, channel, float(diameter["zoom"])), identity)
    except InputError:
        if fresh and out.exists():
            shutil.rmtree(out)
        raise
    return folder


def _diameter(
    earlier: dict[str, Any], predictor: Any, movie: Movie, channel: int, settings: RunSettings, sha256: str
) -> dict[str, Any]:
    """Diameter and zoom with their key; those of an earlier run under the same key are kept."""
    key = key_of(channel, settings.input.read.plain(), settings.predict.plain(), settings.system.plain(), sha256)
    known = earlier.get("diameter")
    if known is not None and known.get("key") == key:
        return dict(known)
    return {**vars(segmenting.find_diameter(predictor, movie, channel, settings.predict)), "key": key}


def _stages(job: Job, stage: segmenting.SegmentStage, identity: str) -> None:
    folder, settings, movie = job.folder, job.settings, job.movie
    count, shape = len(movie), (len(movie), *movie.shape[2:])
    seen = key_of(segmenting.VERSION, identity, job.manifest["diameter"]["key"], settings.system.plain())
    linked = key_of(linking.VERSION, seen, settings.link.plain())
    chosen = [movie.channels[c] for c in job.measured]
    counted = key_of(MEASURE_VERSION, linked, settings.measure.plain(), chosen, movie.calibration)
    shown = key_of(reporting.VERSION, counted)

    def segment() -> dict[str, Any]:
        segmenting.segment_into(folder.instances, movie, stage, seen, job.progress)
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
        return reporting.report_into(folder, movie, job.channel, job.manifest)

    job.stage("segment", seen, (segmenting.frame_path(folder.instances, count - 1),), segment)
    job.stage("link", linked, (folder.labels, folder.lineage), link)
    job.stage("measure", counted, tuple(folder.tables()), measure)
    job.stage("report", shown, (folder.report,), report)
