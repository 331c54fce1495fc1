"""Figures in the form of paper lexy: mean and standard deviation of sensitivity, specificity, Dice and Hausdorff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from unfade.augment.estimates import distort_objects, draw_estimates
from unfade.datasets.stills import Still
from unfade.ops.relabel import of_kind
from unfade.pipeline.segmenting import movie_ends, open_engine
from unfade.pipeline.settings import PredictSettings
from unfade.predict.diameter import zoom_for
from unfade.predict.engine import Ends
from unfade.predict.frames import FramePredictor
from unfade.predict.rollout import Memory, RolloutPredictor
from unfade.records import Movie
from unfade.score.boundaries import hausdorff
from unfade.score.pixels import confusion

NAMES = ("sensitivity", "specificity", "Dice", "Hausdorff_px")
HELD_SEED = 20_240_900

Figures = dict[str, list[float]]


def measures(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """Sensitivity, specificity, Dice and Hausdorff distance in px of two masks; NaN where one is not defined."""
    counts, distance = confusion(found, truth), hausdorff(found, truth)
    return [counts.sensitivity(), counts.specificity(), counts.dice(), distance if np.isfinite(distance) else np.nan]


def summary(rows: Sequence[Sequence[float]]) -> Figures:
    """`{name: [mean, sd]}` over images; an image in which a figure is not defined is left out of it.

    `empty` are two counts: images with nuclei in which nothing was found, which have no Hausdorff distance, and all.
    """
    table = np.array(rows, float).reshape(-1, len(NAMES))
    figures = {
        name: [round(float(np.nanmean(column)), 4), round(float(np.nanstd(column)), 4)]
        for name, column in zip(NAMES, table.T, strict=True)
        if np.isfinite(column).any()
    }
    empty = np.isnan(table[:, NAMES.index("Hausdorff_px")]) & (table[:, NAMES.index("sensitivity")] == 0)
    return {**figures, "empty": [int(empty.sum()), len(table)]}


def cell(figures: Figures | None) -> str:
    """One row of a table: mean ± sd of every figure, and how many predictions were empty and have no distance."""
    if figures is None:
        return " | ".join("" for _ in NAMES)
    cells = ["{:.4f} ± {:.4f}".format(*figures[n]) if n in figures else "not defined" for n in NAMES]
    empty, images = figures.get("empty", [0, 0])
    return " | ".join(cells) + (f" ({empty} of {images} empty)" if empty else "")


def on_stills(system: Any, network: torch.nn.Module, stills: Sequence[Still], which: int = 0) -> Figures:
    """Every still once, as it is; previous masks and references are estimates, as in tables 1, 3 and 5.

    `which` is the map that is scored: 0 the nucleus, 1 the cytosol. Every still has an estimate of its own seed, the
    same for all networks.
    """
    engine = open_engine(system, network, PredictSettings())
    rows = []
    for number, still in enumerate(stills):
        nuclei = of_kind(still.labels, "nucleus")
        truth = nuclei > 0 if which == 0 else (still.labels > 0) & (nuclei == 0)
        movie, zoom, ends = shown(system, still)
        for t in range(len(movie)):
            frame = np.asarray(movie.frame(t), np.float32)
            if isinstance(engine, RolloutPredictor):
                rng = np.random.default_rng([HELD_SEED, number, t])
                memory = estimated(engine, rng, nuclei[t], frame, zoom, ends)
                maps = engine.step(frame, memory, zoom, ends)[0]
            else:
                maps = mapped(engine, movie, t, zoom, ends)
            rows.append(measures(maps[which] > threshold_of(system), truth[t]))
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
    threshold = threshold_of(system)
    movie, zoom, ends = shown(system, still)
    if isinstance(engine, RolloutPredictor):
        memory = engine.begun(distort_objects(rng, still.labels[0], 0.80), zoom)
        for frame in movie.frames():
            maps, memory = engine.step(frame, memory, zoom, ends)
            yield maps[0] > threshold
        return
    for t in range(len(movie)):
        yield mapped(engine, movie, t, zoom, ends)[0] > threshold


def shown(system: Any, still: Still) -> tuple[Movie, float, Ends | None]:
    """The movie, the zoom at which the system sees its true median diameter, and its intensities of 0 and 1."""
    movie, how = Movie.of(still.image), system.view.normalise
    diameter = still.only("nucleus").diameter_px
    zoom = zoom_for(diameter, system.view) if np.isfinite(diameter) else 1.0
    return movie, zoom, None if how == "frame" else list(movie_ends(movie, 0, how))


def mapped(engine: Any, movie: Movie, t: int, zoom: float, ends: Ends | None) -> np.ndarray:
    """Maps `(K, Y, X)` of a frame by an engine that feeds nothing back."""
    assert isinstance(engine, FramePredictor)
    seen = engine.context(movie, t, 0)
    return engine.maps(seen, zoom, None if ends is None else list(ends) * len(seen))


def estimated(
    engine: RolloutPredictor, rng: np.random.Generator, nuclei: np.ndarray, frame: np.ndarray, zoom: float, ends: Any
) -> Memory:
    """A memory with estimates of the previous mask and of a reference, of nuclei `(Y, X)` and their frame."""
    previous, reference = draw_estimates(rng, nuclei, frame)
    seen, mask = engine.seen(reference[:-1], zoom, ends), engine.begun(reference[-1], zoom).previous
    assert mask is not None
    return Memory(engine.begun(previous, zoom).previous, torch.cat([seen, mask], dim=1))


def threshold_of(system: Any) -> float:
    """Probability from which a pixel is nucleus."""
    settings = system.settings
    return float((settings.splitting if "splitting" in type(settings).model_fields else settings.grouping).threshold)
