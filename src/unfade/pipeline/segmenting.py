"""First stage of a run: objects of every frame, kept one file per frame so that a killed run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.data import check_frame
from unfade.data.outputs import guarded, remove, write_text
from unfade.errors import SettingsError, WeightsError
from unfade.ops.device import pick_device
from unfade.ops.normalise import PooledLevels, sequence_levels
from unfade.pipeline.arrays import read_arrays, write_arrays
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import Diameter, measure_diameter, zoom_for
from unfade.predict.engine import Ends, Engine, Stage
from unfade.predict.stitched import parts_of
from unfade.records import Instances, Movie, View
from unfade.registry import load
from unfade.settings import Settings
from unfade.weights.catalogue import Weights, load_weights

Progress = Callable[[str, int, int], None]
VERSION = 3  # rises when the same settings would give other objects
PARTS = "parts"  # folder of what was found in parts of huge frames
STEPS = 255  # of the uncertainty maps that are kept
FIELDS = ("shape", "frame", "id", "kind", "box", "runs", "offset", "score", "u_total", "u_data", "u_model")


def open_system(settings: SystemSettings) -> tuple[Any, Weights]:
    """The system with the settings that its weights carry and those that differ from them, and the weights.

    Raises
    ------
    WeightsError, SettingsError
        If weights are missing, damaged or of another system, or settings contradict those of the weights.
    """
    kind = load("systems", settings.name)
    weights = load_weights(settings.name, settings.weights)
    try:
        own: Settings = kind.settings_type.parse(weights.settings)
    except SettingsError:
        raise WeightsError(
            f"The weights {weights.name} were made by another release of unfade; use its weights or train new ones."
        ) from None
    fixed = {k: v for k, v in settings.settings.items() if k in kind.of_network and weights.settings.get(k, v) != v}
    if fixed:
        raise SettingsError(
            f"The weights {weights.name} were trained with another '{next(iter(fixed))}'; leave it out."
        )
    return kind(own.overlaid(settings.settings)), weights


def open_predictor(system: Any, weights: Weights, settings: PredictSettings) -> Engine:
    """The network with its weights on the device, in the engine that suits what the system sees."""
    network = weights.into(system.network())
    engine = open_engine(system, network, settings)
    if settings.starter is not None:
        engine.begin_with(open_starter(settings.starter, settings)[0])
    if settings.follow is not None:
        engine.follow(load("motions", settings.follow))
    if settings.uncertainty is not None:
        others = [engine.placed(w.into(system.network())) for w in open_members(system, weights, settings)]
        estimator = load("estimators", settings.uncertainty)(settings.estimator)
        engine.ask(estimator.members(engine.network, others, system.vectors))
    return engine


def open_starter(chosen: SystemSettings, settings: PredictSettings) -> tuple[Engine, Weights]:
    """The engine and the weights of the system that finds the objects of a first frame."""
    system, weights = open_system(chosen)
    plain = settings.changed(starter=None, uncertainty=None, follow=None)
    return open_predictor(system, weights, plain), weights


def open_members(system: Any, weights: Weights, settings: PredictSettings) -> list[Weights]:
    """Weights of the further members of an ensemble.

    Raises
    ------
    WeightsError
        If they are missing, damaged or of a network of another build.
    """
    found = [load_weights(system.name, name) for name in settings.members]
    for other in found:
        unlike = [k for k in system.of_network if other.settings.get(k) != weights.settings.get(k)]
        if unlike:
            raise WeightsError(f"The weights {other.name} differ from {weights.name} in '{unlike[0]}'; name others.")
    return found


def open_engine(system: Any, network: Any, settings: PredictSettings) -> Engine:
    """A network in the engine that suits what the system sees."""
    kind = load("engines", engine_for(system.view))
    engine: Engine = kind(system, network, pick_device(settings.device), settings.precision, settings.tile_px)
    return engine


def engine_for(view: View) -> str:
    """Name of the engine that runs a system of this view."""
    if view.block > 1 or view.recurrent:
        return "blocks"
    if view.join == "instances":
        return "boxes"
    if view.feedback or view.reference:
        return "rollout"
    return "frames" if view.offsets == (0,) else "windows"


def find_diameter(engine: Engine, movie: Movie, channel: int, settings: PredictSettings) -> Diameter:
    """The diameter that was given, or the one that the network measures in the middle frame.

    A system that goes by the frames it has seen so far must not look into the future here either: it measures in the
    first frame.
    """
    if settings.diameter != "auto":
        return Diameter(settings.diameter, zoom_for(settings.diameter, engine.system.view), "given")
    if engine.system.view.size_px is not None:
        return Diameter(None, 1.0, "fixed size")
    looked_at = 0 if engine.system.view.normalise == "running" else len(movie) // 2
    context = engine.context(movie, looked_at, channel)
    check_frame(context, looked_at)
    return measure_diameter(engine, context)


def open_stage(engine: Engine, movie: Movie, channel: int, zoom: float) -> Stage:
    """The stage that finds the objects of a movie; intensities of the whole movie are found first where asked for."""
    require_whole(engine, (movie.shape[2], movie.shape[3]), zoom)
    how = engine.system.view.normalise
    ends = movie_ends(movie, channel, how) if how in ("movie", "background") else None
    return engine.stage(channel, zoom, ends)


def require_whole(engine: Engine, size: tuple[int, int], zoom: float = 1.0) -> None:
    """Make sure that frames `(Y, X)` whose neighbours follow the picture are not so large that they are taken in parts.

    Raises
    ------
    SettingsError
        If they are.
    """
    view = engine.system.view
    if engine.motion is not None and view.followed is not None and len(parts_of(size, view, zoom)) > 1:
        raise SettingsError(
            f"Frames of {size[0]} x {size[1]} px are taken in parts, which cannot follow the picture; leave out "
            "--follow."
        )


def movie_ends(movie: Movie, channel: int, how: str = "movie") -> Ends:
    """Intensities of one channel that become 0 and 1, from frames spread evenly over the movie."""
    pooled = sequence_levels(how)
    for t in np.unique(np.linspace(0, len(movie) - 1, PooledLevels.FRAMES).round().astype(int)):
        frame = movie.frame(int(t), channel)
        check_frame(frame, int(t))
        pooled.add(frame)
    return [pooled.ends()]


def segment_into(folder: Path, movie: Movie, stage: Stage, key: str, progress: Progress | None = None) -> None:
    """Segment the frames that have no file under this key yet; files of another key are removed."""
    begin(folder, key)
    for first, stop in gaps(folder, len(movie), stage.memory):
        segment_frames(folder, movie, stage, (first, stop), progress)


def begin(folder: Path, key: str) -> None:
    """Make the folder of objects ready for those of this key; files of another key are removed."""
    mark = folder / "key.txt"
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not mark.is_file() or mark.read_text(encoding="utf-8") != key:
            for old in folder.glob("*.npz"):
                old.unlink()
            remove(folder / PARTS)
            write_text(mark, key)


def gaps(folder: Path, count: int, memory: int | None) -> list[tuple[int, int]]:
    """Ranges of frames without a file; for a stage that remembers all, one range from the first of them on."""
    todo = [t for t in range(count) if not frame_path(folder, t).is_file()]
    if todo and memory is None:
        return [(todo[0], count)]
    starts = [t for k, t in enumerate(todo) if k == 0 or todo[k - 1] != t - 1]
    stops = [t + 1 for k, t in enumerate(todo) if k == len(todo) - 1 or todo[k + 1] != t + 1]
    return list(zip(starts, stops, strict=True))


def segment_frames(
    folder: Path, movie: Movie, stage: Stage, frames: tuple[int, int], progress: Progress | None = None
) -> None:
    """Segment a range of frames (first, end) into one file each; those that have a file stay.

    A stage that remembers earlier frames is given those again; what comes out for them is not written.
    """
    first, stop = frames
    start = 0 if stage.memory is None else max(0, first - stage.memory)
    for t, found in enumerate(found_in(movie, stage, start), start):
        if t >= first and not frame_path(folder, t).is_file():
            write_instances(frame_path(folder, t), found)
        if progress is not None:
            progress("segment", t + 1, len(movie))
        if t == stop - 1:
            break


def found_in(movie: Movie, stage: Stage, first: int = 0) -> Iterator[Instances]:
    """Objects of every frame of a movie from frame `first` on, in order."""
    state = stage.start()
    for t in range(first, len(movie)):
        frame = movie.frame(t)
        check_frame(frame, t)
        state, ready = stage.push(state, frame)
        yield from ready
    yield from stage.finish(state)


def frame_path(folder: Path, t: int) -> Path:
    """File of the objects of frame `t`."""
    return folder / f"{t:06d}.npz"


def write_instances(path: Path, found: Instances) -> None:
    """Write objects as plain arrays, complete or not at all."""
    arrays = {name: np.asarray(getattr(found, name)) for name in FIELDS}
    doubt = found.uncertainty
    kept = {} if doubt is None else {"uncertainty": np.rint(doubt * STEPS).astype(np.uint8)}
    write_arrays(path, {**arrays, "runs": found.runs.astype(np.uint32), **kept})


def read_uncertainty(path: Path) -> NDArray[np.float32]:
    """The uncertainty map `(k, 3, Y, X)` that was written beside the objects, in steps of 1/255.

    Raises
    ------
    OutputError
        If the file is missing or damaged, or holds none.
    """
    return np.asarray(read_arrays(path, ("uncertainty",))["uncertainty"] / np.float32(STEPS), np.float32)


def read_instances(path: Path) -> Instances:
    """Read what `write_instances` wrote, but for the uncertainty map.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    values: dict[str, Any] = read_arrays(path, FIELDS)
    frames, height, width = (int(n) for n in values.pop("shape"))
    return Instances(shape=(frames, height, width), runs=values.pop("runs").astype(np.int64), **values)
