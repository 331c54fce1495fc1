"""The picture of the README, made by the program from a movie of its own: run `python docs/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.segmentation import find_boundaries

import unfade
from unfade.data import open_labels, open_movie
from unfade.pipeline.settings import RunSettings
from unfade.records import Labels, Movie
from unfade.synth import CellMovieSettings

PICTURE = Path(__file__).resolve().parent / "pictures" / "overview.png"
BEFORE, AFTER = 6, 20
INK, FAINT, STRONG = "#2b3440", "#9fb4c8", "#c2552d"


def main() -> None:
    """Make a movie, run the main job on it and draw the result."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        made = unfade.synthesize(place / "cells.ome.tif", CellMovieSettings(height_px=224, width_px=224, seed=4))
        settings = RunSettings.parse({"measure": {"background": "percentile"}})
        unfade.run(place / "cells.ome.tif", place / "out", settings)
        objects = pd.read_parquet(place / "out" / "objects.parquet")
        figure = draw(open_movie(place / "cells.ome.tif"), open_labels(place / "out"), objects)
        PICTURE.parent.mkdir(exist_ok=True)
        stamp: dict[str, Any] = {"Software": None}
        figure.savefig(PICTURE, dpi=100, metadata=stamp)
    assert len(made) > AFTER


def draw(movie: Movie, labels: Labels, objects: pd.DataFrame) -> Figure:
    """Marker with outlines, reporter before and after the stimulus, and the ratio of every track over time."""
    matplotlib.rcParams.update({"font.family": "sans-serif", "font.size": 11, "text.color": INK})
    figure = Figure(figsize=(16, 4.1), layout="constrained", facecolor="white")
    marker, before, after, curves = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.35))
    show(marker, movie.frame(BEFORE, 0), labels.frame(BEFORE), "nuclear marker, found and tracked", colours=True)
    reporter = np.stack([movie.frame(t, 1) for t in (BEFORE, AFTER)])
    top = float(np.percentile(reporter, 99.5))
    show(before, reporter[0], labels.frame(BEFORE), f"reporter, frame {BEFORE}", top=top)
    show(after, reporter[1], labels.frame(AFTER), f"reporter, frame {AFTER}", top=top)
    plot(curves, objects)
    return figure


def show(
    axes: Axes, image: np.ndarray, labels: np.ndarray, title: str, top: float | None = None, colours: bool = False
) -> None:
    """One frame with the outlines of its objects; with `colours`, one per track."""
    low, high = np.percentile(image, [1, 99.7])
    grey = np.clip((image - low) / ((top or high) - low), 0, 1)
    grey, owner = np.kron(grey, np.ones((3, 3))), np.kron(labels, np.ones((3, 3), labels.dtype))
    picture = np.repeat(grey[..., None], 3, axis=2)
    edge = find_boundaries(owner, mode="thick")
    nearest = ndimage.grey_dilation(owner, (3, 3))  # half of an outline lies on the background
    wheel = matplotlib.colormaps["hsv"]((nearest[edge] * 0.618) % 1.0)[:, :3] if colours else (1.0, 0.78, 0.25)
    picture[edge] = wheel
    axes.imshow(picture, interpolation="antialiased")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_axis_off()


def plot(axes: Axes, objects: pd.DataFrame) -> None:
    """Nucleus over ring of every track, and the median with quartiles."""
    inside = objects[~objects["touches_border"]]
    curves = inside.pivot(index="time_s", columns="track", values="ratio_reporter")
    curves.index = curves.index / 60
    long = curves.loc[:, curves.count() > 5]  # a frame without the cell leaves a gap in its curve
    axes.plot(long.index, long, color=FAINT, linewidth=0.7, alpha=0.7)
    quartiles = curves.quantile([0.25, 0.5, 0.75], axis=1).T
    axes.fill_between(quartiles.index, quartiles[0.25], quartiles[0.75], color=STRONG, alpha=0.2, linewidth=0)
    axes.plot(quartiles.index, quartiles[0.5], color=STRONG, linewidth=2.2)
    axes.set_title("nucleus / cytoplasm ratio of every cell", loc="left", fontsize=11)
    axes.set_xlabel("minutes", color=INK)
    axes.set_xlim(0, float(quartiles.index[-1]))
    axes.set_ylim(0, None)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


if __name__ == "__main__":
    main()
