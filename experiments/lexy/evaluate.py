"""Figures in the form of paper lexy: mean and standard deviation of sensitivity, specificity, Dice and Hausdorff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from unfade.augment.estimates import draw_estimate
from unfade.datasets.stills import Still
from unfade.ops.device import autocast
from unfade.pipeline.segmenting import movie_ends, open_engine
from unfade.pipeline.settings import PredictSettings
from unfade.predict.frames import FramePredictor
from unfade.predict.rollout import RolloutPredictor
from unfade.records import Movie
from unfade.score.boundaries import hausdorff
from unfade.score.pixels import confusion
from unfade.train.estimates import EstimateSampler, EstimateSettings

NAMES = ("sensitivity", "specificity", "Dice", "Hausdorff_px")
HELD_SEED = 20_240_900
CROPS = 128

Figures = dict[str, list[float]]


def measures(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """Sensitivity, specificity, Dice and Hausdorff distance in px of two masks; NaN where one is not defined."""
    counts, distance = confusion(found, truth), hausdorff(found, truth)
    return [counts.sensitivity(), counts.specificity(), counts.dice(), distance if np.isfinite(distance) else np.nan]


def summary(rows: Sequence[Sequence[float]]) -> Figures:
    """`{name: [mean, sd]}` over images; an image in which a figure is not defined is left out of it."""
    table = np.array(rows, float).reshape(-1, len(NAMES))
    return {
        name: [round(float(np.nanmean(column)), 4), round(float(np.nanstd(column)), 4)]
        for name, column in zip(NAMES, table.T, strict=True)
        if np.isfinite(column).any()
    }


def cell(figures: Figures | None) -> str:
    """One row of a table: mean ± sd of every figure."""
    if figures is None:
        return " | ".join("" for _ in NAMES)
    return " | ".join("{:.4f} ± {:.4f}".format(*figures[n]) if n in figures else "not defined" for n in NAMES)


def on_stills(
    system: Any, network: torch.nn.Module, stills: Sequence[Still], sampler: EstimateSettings, which: int = 0
) -> Figures:
    """Crops of held-out stills; previous masks and references are estimates, as in tables 1, 3 and 5.

    `which` is the map that is scored: 0 the nucleus, 1 the cytosol.
    """
    plain = sampler.changed(batch=8, policy={}, intensity=False, unreliable={})
    batches = EstimateSampler(stills, system, plain, HELD_SEED, CROPS // 8)
    engine = open_engine(system, network, PredictSettings())
    rows = []
    for n in range(len(batches)):
        inputs = {k: v.to(engine.device) for k, v in batches[n]["inputs"].items()}
        with torch.inference_mode(), autocast(engine.device):
            maps = system.activate(system.forward(engine.network, inputs)[0])
        found = maps[:, 0, which].float().cpu().numpy() > system.settings.splitting.threshold
        truth = batches[n]["targets"]["maps"][:, 0, which].numpy() > 0.5
        rows += [measures(a, b) for a, b in zip(found, truth, strict=True)]
    return summary(rows)


def on_sequences(system: Any, network: torch.nn.Module, movies: Sequence[Still]) -> dict[str, Any]:
    """Rollouts over whole movies: the first frame sees an estimate, later ones the network's own output.

    Tables 2, 4, 6 and 7. `course` is the mean Dice of every frame number.
    """
    rows, course = [], []
    for number, movie in enumerate(movies):
        rng = np.random.default_rng([HELD_SEED, number])
        masks = rolled_out(system, network, movie, rng)
        of_movie = [measures(found, truth > 0) for found, truth in zip(masks, movie.labels, strict=True)]
        rows += of_movie
        course.append([row[2] for row in of_movie])
    length = max(len(c) for c in course)
    padded = np.array([c + [np.nan] * (length - len(c)) for c in course])
    return {"figures": summary(rows), "course": [round(float(v), 4) for v in np.nanmean(padded, axis=0)]}


def rolled_out(system: Any, network: torch.nn.Module, still: Still, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The mask of every frame of a movie of one channel."""
    engine = open_engine(system, network, PredictSettings())
    settings = system.settings
    threshold = (settings.splitting if "splitting" in type(settings).model_fields else settings.grouping).threshold
    movie = Movie.of(still.image)
    how = system.view.normalise
    ends = None if how == "frame" else list(movie_ends(movie, 0, how))
    if isinstance(engine, RolloutPredictor):
        first = still.labels[0] > 0
        memory = engine.begun(draw_estimate(rng, first, 0.80).mask(first))
        for frame in movie.frames():
            maps, memory = engine.step(frame, memory, 1.0, ends)
            yield maps[0] > threshold
        return
    assert isinstance(engine, FramePredictor)
    for t in range(len(movie)):
        seen = engine.context(movie, t, 0)
        yield engine.maps(seen, 1.0, None if ends is None else ends * len(seen))[0] > threshold
