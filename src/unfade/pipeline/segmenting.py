"""First stage of a run: objects of every frame, kept one file per frame so that a killed run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unfade.data import check_frame
from unfade.data.outputs import guarded, write_text
from unfade.errors import SettingsError, WeightsError
from unfade.ops.device import pick_device
from unfade.pipeline.arrays import read_arrays, write_arrays
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import Diameter, measure_diameter, zoom_for
from unfade.predict.frames import FramePredictor
from unfade.records import Instances, Movie
from unfade.registry import load
from unfade.settings import Settings
from unfade.weights.catalogue import Weights, load_weights

Progress = Callable[[str, int, int], None]
VERSION = 1  # rises when the same settings would give other objects
FIELDS = ("shape", "frame", "id", "kind", "box", "runs", "offset", "score", "u_total", "u_data", "u_model")


def open_system(settings: SystemSettings) -> tuple[Any, Weights]:
    """The system with the settings that its weights carry, and the weights.

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
    return kind(own.changed(**settings.settings)), weights


def open_predictor(system: Any, weights: Weights, settings: PredictSettings) -> FramePredictor:
    """The network with its weights on the device, ready for frames."""
    network = weights.into(system.network())
    return FramePredictor(system, network, pick_device(settings.device), settings.precision, settings.tile_px)


def find_diameter(predictor: FramePredictor, movie: Movie, channel: int, settings: PredictSettings) -> Diameter:
    """The diameter that was given, or the one that the network measures in the middle frame."""
    if settings.diameter != "auto":
        return Diameter(settings.diameter, zoom_for(settings.diameter, predictor.system.view), "given")
    frame = movie.frame(len(movie) // 2)
    check_frame(frame, len(movie) // 2)
    return measure_diameter(predictor, frame[channel : channel + 1])


class SegmentStage:
    """Objects frame by frame; it looks at nothing but the frame in hand (`lag` 0)."""

    lag = 0

    def __init__(self, predictor: FramePredictor, channel: int, zoom: float) -> None:
        self.predictor, self.channel, self.zoom = predictor, channel, zoom
        self.seconds = 0.0  # spent in the network and decoding

    def start(self) -> int:
        """The number of the next frame."""
        return 0

    def push(self, state: int, frame: np.ndarray) -> tuple[int, list[Instances]]:
        """Objects of the next frame `(C, Y, X)`."""
        began = time.perf_counter()
        found = self.predictor.instances(frame[self.channel : self.channel + 1], self.zoom)
        self.seconds += time.perf_counter() - began
        return state + 1, [found]

    def finish(self, state: int) -> list[Instances]:
        """Nothing is held back."""
        return []


def segment_into(folder: Path, movie: Movie, stage: SegmentStage, key: str, progress: Progress | None = None) -> None:
    """Segment every frame that has no file under this key yet; files of another key are removed first."""
    mark = folder / "key.txt"
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not mark.is_file() or mark.read_text(encoding="utf-8") != key:
            for old in folder.glob("*.npz"):
                old.unlink()
            write_text(mark, key)
    for t in range(len(movie)):
        path = frame_path(folder, t)
        if not path.is_file():
            frame = movie.frame(t)
            check_frame(frame, t)
            _, found = stage.push(t, frame)
            write_instances(path, found[0])
        if progress is not None:
            progress("segment", t + 1, len(movie))


def frame_path(folder: Path, t: int) -> Path:
    """File of the objects of frame `t`."""
    return folder / f"{t:06d}.npz"


def write_instances(path: Path, found: Instances) -> None:
    """Write objects as plain arrays, complete or not at all."""
    arrays = {name: np.asarray(getattr(found, name)) for name in FIELDS}
    write_arrays(path, {**arrays, "runs": found.runs.astype(np.uint32)})


def read_instances(path: Path) -> Instances:
    """Read what `write_instances` wrote.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    values: dict[str, Any] = read_arrays(path, FIELDS)
    frames, height, width = (int(n) for n in values.pop("shape"))
    return Instances(shape=(frames, height, width), runs=values.pop("runs").astype(np.int64), **values)
