"""What a process opens once and uses for every unit of work: one network, and the movies at hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from unfade.data import ReadSettings, open_movie
from unfade.pipeline import segmenting
from unfade.pipeline.settings import PredictSettings, RunSettings, SystemSettings
from unfade.predict.engine import Engine
from unfade.records import Movie
from unfade.registry import load
from unfade.scale.cluster import device_here
from unfade.weights.catalogue import Weights, find_weights


@dataclass(frozen=True)
class Model:
    """A network ready for frames, and all that tells it from another one."""

    system: Any
    weights: Weights
    engine: Engine
    identity: tuple[Any, ...]  # system, its settings, hashes of all weights


def open_model(settings: RunSettings) -> Model:
    """The network that a run asks for; the last one is kept, so that many movies cost one opening.

    Raises
    ------
    WeightsError, SettingsError, DeviceError
        If it cannot be had.
    """
    how = settings.predict.changed(diameter="auto", device=device_here(settings.predict.device))
    load("systems", settings.system.name)  # an unknown system is told before its weights are missed
    files = [find_weights(settings.system.name, name) for name in (settings.system.weights, *how.members)]
    if how.starter is not None:
        files.append(find_weights(how.starter.name, how.starter.weights))
    stamps = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _model(_text(settings.system.plain()), _text(how.plain()), stamps)


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


@lru_cache(maxsize=1)
def _model(system: str, predict: str, stamps: tuple[Any, ...]) -> Model:
    chosen, how = SystemSettings.parse(json.loads(system)), PredictSettings.parse(json.loads(predict))
    made, weights = segmenting.open_system(chosen)
    engine = segmenting.open_predictor(made, weights, how)
    others: tuple[Any, ...] = tuple(w.sha256 for w in segmenting.open_members(made, weights, how))
    if how.starter is not None:
        others += (how.starter.plain(), segmenting.open_system(how.starter)[1].sha256)
    return Model(made, weights, engine, (chosen.name, made.settings.plain(), weights.sha256, *others))


def open_known(source: Path, read: ReadSettings) -> Movie:
    """A movie as `open_movie` gives it; the last ones are kept as long as their files do not change."""
    return _movie(source, _text(read.plain()), source.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _movie(source: Path, read: str, stamp: int) -> Movie:
    return open_movie(source, ReadSettings.parse(json.loads(read)))
