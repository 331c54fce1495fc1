"""Repair of a run: what was seen stays as it is, repaired labels and lineage lie beside it.

Three passes over the movie, each with one frame in memory: look at every object, carry masks forward (what is carried
lies on disk meanwhile), carry masks backward and write the repaired frames.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from unfade.data import open_labels
from unfade.data.labelstore import LabelWriter
from unfade.data.outputs import PART, clear
from unfade.errors import ShapeError
from unfade.pipeline.arrays import read_arrays, write_arrays
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.linking import ARRAYS, read_lineage
from unfade.pipeline.segmenting import frame_path, read_instances
from unfade.records import Labels, Lineage, Movie
from unfade.registry import load
from unfade.repair import RepairSettings
from unfade.repair.frames import Carried, SeenFrame
from unfade.repair.motion import Motion
from unfade.repair.painting import Repaired
from unfade.repair.repairer import Repairer, inspect, lineage_of
from unfade.repair.shapes import Outline
from unfade.weights.catalogue import load_weights

Progress = Callable[[str, int, int], None]
VERSION = 2
ORIGINS = ("seen", "updated", "interpolated")
USUAL_PX = 18.0  # diameter that motion is looked for at where none is known
_TREATED = ("origin", "age", "sure", "seen_as")
_CARRIED = ("track", "age", "confidence", "corner", "size", "depth")


class Provenance(NamedTuple):
    """What became of the objects of a repaired movie, and their tracks."""

    lineage: Lineage
    origin: np.ndarray  # (N,) place in ORIGINS, in the order of the lineage's nodes
    age: np.ndarray  # (N,) frames since it was seen
    sure: np.ndarray  # (N,) confidence 0..1
    seen_as: np.ndarray  # (N,) track before repair, 0 if it was missed


@dataclass(frozen=True)
class Material:
    """What a repair starts from."""

    movie: Movie
    channel: int
    labels: Labels  # track ids
    lineage: Lineage
    uncertainty: Callable[[int], dict[int, float]]  # of the tracks of a frame

    def frame(self, repairer: Repairer, t: int) -> SeenFrame:
        """One frame for a sweep."""
        return repairer.seen(t, self.movie.frame(t, self.channel), self.labels.frame(t))


def open_motion(settings: RepairSettings, diameter_px: float | None = None) -> Motion | None:
    """The estimator of dense flow that the settings name, for nuclei of a diameter; None where none is needed.

    Raises
    ------
    SettingsError, WeightsError
        If there is no such estimator, or its weights are missing.
    """
    if settings.motion not in ("flow", "mean-flow"):
        return None
    kind = load("motions", settings.flow)
    if settings.flow == "flownet":
        system = load("systems", "flow")
        weights = load_weights("flow", settings.flow_weights)
        chosen = system(system.settings_type.parse(weights.settings))
        network: Motion = kind(chosen, weights.into(chosen.network()))
        return network
    motion: Motion = kind(diameter_px or settings.diameter_px or USUAL_PX)
    return motion


def check(settings: RepairSettings) -> None:
    """See that the estimator of flow is there, before anything is written.

    Raises
    ------
    SettingsError, WeightsError
        If it is not.
    """
    load("motions", settings.flow)
    if settings.flow == "flownet" and settings.motion in ("flow", "mean-flow"):
        load_weights("flow", settings.flow_weights)


def begin(material: Material, settings: RepairSettings, progress: Progress | None = None) -> Repairer:
    """First pass: every object is looked at, and what is doubtful is known."""
    movie, labels = material.movie, material.labels
    if labels.shape != (len(movie), *movie.shape[2:]):
        raise ShapeError(f"The labels are {labels.shape} but the movie has frames {(len(movie), *movie.shape[2:])}.")

    def looked() -> Iterator[tuple[Any, Any, dict[int, float]]]:
        for t in range(len(movie)):
            yield movie.frame(t, material.channel), labels.frame(t), material.uncertainty(t)
            _say(progress, "inspect", t + 1, len(movie))

    nodes = inspect(looked())
    usual = None if len(nodes) == 0 else float(np.sqrt(4 / np.pi * np.median(nodes.area)))
    return Repairer(nodes, material.lineage.parents, settings, open_motion(settings, settings.diameter_px or usual))


def repaired_frames(
    material: Material, repairer: Repairer, scratch: Path, progress: Progress | None = None
) -> Iterator[Repaired]:
    """Second and third pass: repaired frames from the last to the first; `scratch` holds what is carried."""
    count = len(material.movie)
    scratch.mkdir(parents=True, exist_ok=True)
    forward = repairer.sweep_forward(material.frame(repairer, t) for t in range(count))
    for t, carried in enumerate(forward):
        _write_carried(scratch / f"{t:06d}.npz", carried)
        _say(progress, "carry", t + 1, count)

    def both() -> Iterator[tuple[SeenFrame, list[Carried]]]:
        for t in reversed(range(count)):
            yield material.frame(repairer, t), _read_carried(scratch / f"{t:06d}.npz")

    for k, frame in enumerate(repairer.sweep_backward(both())):
        (scratch / f"{frame.t:06d}.npz").unlink()
        yield frame
        _say(progress, "repair", k + 1, count)


def repair_into(
    folder: RunFolder, movie: Movie, channel: int, settings: RepairSettings, progress: Progress | None = None
) -> dict[str, Any]:
    """Repair a run whose objects are linked: write repaired labels and what became of every object; give counts."""
    material = material_of(folder, movie, channel)
    repairer = begin(material, settings, progress)
    scratch = folder.work / "repair"
    shutil.rmtree(scratch, ignore_errors=True)
    shape = (len(movie), *movie.shape[2:])
    kept: dict[int, Repaired] = {}
    try:
        with LabelWriter(folder.repaired, shape, calibration=movie.calibration) as writer:
            for frame in repaired_frames(material, repairer, scratch, progress):
                writer.write(frame.t, frame.labels)
                kept[frame.t] = frame._replace(labels=np.zeros((0, 0), np.int32))
    except BaseException:
        with suppress(OSError):
            clear(folder.repaired.with_name(folder.repaired.name + PART))
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write_provenance(folder.provenance, provenance_of(kept, repairer.parents()))
    return facts(repairer, kept)


def preview(folder: RunFolder, movie: Movie, channel: int, settings: RepairSettings) -> dict[str, Any]:
    """What a repair would do to a run, in numbers; nothing of the run is changed."""
    material = material_of(folder, movie, channel)
    repairer = begin(material, settings)
    with TemporaryDirectory() as scratch:
        frames = repaired_frames(material, repairer, Path(scratch))
        kept = {f.t: f._replace(labels=np.zeros((0, 0), np.int32)) for f in frames}
    return facts(repairer, kept)


def facts(repairer: Repairer, frames: dict[int, Repaired]) -> dict[str, Any]:
    """Counts for the manifest."""
    origin = Counter(o.origin for frame in frames.values() for o in frame.objects)
    oldest = max((o.age for frame in frames.values() for o in frame.objects), default=0)
    settings = repairer.settings
    return {
        **{name: origin.get(name, 0) for name in ORIGINS},
        "doubted": int((~repairer.trusted).sum()),
        "objects_before": len(repairer.nodes),
        "oldest_frames": oldest,
        "flows": repairer.carrier.flows,
        "drift_px": repairer.carrier.largest_drift_px,
        "threshold": f"{settings.theta:g} nats of three classes = {settings.limit:.3f} of the largest entropy",
    }


def material_of(folder: RunFolder, movie: Movie, channel: int) -> Material:
    """What was seen and linked in a run."""
    lineage = read_lineage(folder.lineage)
    order = np.argsort(lineage.frame, kind="stable")
    bounds = np.searchsorted(lineage.frame[order], np.arange(len(movie) + 1))

    def uncertainty(t: int) -> dict[int, float]:
        found = read_instances(frame_path(folder.instances, t))
        known = dict(zip(found.id.tolist(), found.u_total.tolist(), strict=True))
        nodes = order[bounds[t] : bounds[t + 1]]
        return {int(k): known[int(n)] for k, n in zip(lineage.track[nodes], lineage.label[nodes], strict=True)}

    return Material(movie, channel, open_labels(folder.labels), lineage, uncertainty)


def provenance_of(frames: dict[int, Repaired], parents: np.ndarray) -> Provenance:
    """Lineage and origin of every object of repaired frames."""
    lineage = lineage_of(frames, parents)
    objects = [o for t in sorted(frames) for o in frames[t].objects]
    return Provenance(
        lineage,
        np.array([ORIGINS.index(o.origin) for o in objects], np.int8),
        np.array([o.age for o in objects], np.int32),
        np.array([o.confidence for o in objects], np.float32),
        np.array([o.label for o in objects], np.int32),
    )


def write_provenance(path: Path, made: Provenance) -> None:
    """Write it as plain arrays, complete or not at all."""
    arrays = {name: getattr(made.lineage, name) for name in ARRAYS}
    write_arrays(path, arrays | {name: getattr(made, name) for name in _TREATED})


def read_provenance(path: Path) -> Provenance:
    """Read what `write_provenance` wrote.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    found = read_arrays(path, (*ARRAYS, *_TREATED))
    return Provenance(Lineage(**{name: found[name] for name in ARRAYS}), *(found[name] for name in _TREATED))


def _write_carried(path: Path, carried: list[Carried]) -> None:
    depths = [c.outline.depth for c in carried]
    write_arrays(
        path,
        {
            "track": np.array([c.track for c in carried], np.int64),
            "age": np.array([c.age for c in carried], np.int64),
            "confidence": np.array([c.confidence for c in carried], np.float64),
            "corner": np.array([(c.outline.y0, c.outline.x0) for c in carried], np.float64).reshape(-1, 2),
            "size": np.array([d.shape for d in depths], np.int64).reshape(-1, 2),
            "depth": np.concatenate([np.zeros(0, np.float32), *(d.ravel() for d in depths)]),
        },
    )


def _read_carried(path: Path) -> list[Carried]:
    found = read_arrays(path, _CARRIED)
    ends = np.cumsum(found["size"].prod(axis=1))
    parts = np.split(found["depth"], ends[:-1]) if len(ends) else []
    return [
        Carried(int(k), Outline(float(y), float(x), d.reshape(h, w)), int(age), float(sure))
        for k, age, sure, (y, x), (h, w), d in zip(
            found["track"], found["age"], found["confidence"], found["corner"], found["size"], parts, strict=True
        )
    ]


def _say(progress: Progress | None, name: str, done: int, total: int) -> None:
    if progress is not None:
        progress(name, done, total)
