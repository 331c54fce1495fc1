"""How true is the measured nucleus/cytoplasm ratio? Synthetic movies say, and a real one says how much masks matter.

usage: python benchmarks/ratio.py [--movies 4] [--frames 6] [--seed 0]
       python benchmarks/ratio.py --movie KTR --silver LABELS --found LABELS [--channel 1] [--rows 0:640]

First form: movies of `unfade.synth.CellMovie` with the settings they come with (blur, haze, uneven light, photons, read
noise, camera offset, crowded cells that differ in brightness), true masks, and the median of |log(measured / true)|
over whole nuclei, with the bias of nuclei brighter (ratio above 1.2) and darker (below 0.8) than their cytoplasm. Every
row adds one cure; the rows of "clean optics" take causes away, to say where the error comes from. The background is the
camera's offset and the light where there is no cell, as a user reads it off an empty place, but for the row where
nothing is known. Haze is measured in the marker channel of each movie's first frame, in its true masks.

Second form: log ratio of found masks against that of reference masks, matched at IoU 0.5, on a real movie.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from unfade import api, data
from unfade.measure import MeasureSettings, ObjectMeasurer
from unfade.ops.overlap import contingency
from unfade.ops.relabel import drop_small
from unfade.pipeline.measuring import measure_haze
from unfade.score.detection import match
from unfade.synth import Camera, CellMovie, CellMovieSettings, Growth, Reporter

EMPTY = {"background": "constant", "background_value": 150.0}  # offset 100 + 2 counts for each of 25 photons
OLD = {"ring_gap": 1.0, "ring_width": 5.0, "nucleus_inset": 0.0}
MEDIAN, DEHAZED = {"ratio": "median"}, {"haze": 0.1, "haze_px": 8.0}
MEASURED = {"haze": "measured"}
MEASURES = {
    "nothing subtracted, whole nucleus, ring 1 to 6 px": OLD,
    "+ background": EMPTY | OLD,
    "+ core 2 px deep, ring 2 to 6 px (default)": EMPTY,
    "+ medians": EMPTY | MEDIAN,
    "+ haze known": EMPTY | MEDIAN | DEHAZED,
    "+ haze measured": EMPTY | MEDIAN | MEASURED,
    "nothing known: percentile, medians": {"background": "percentile"} | MEDIAN,
    "nothing known: percentile, medians, haze measured": {"background": "percentile"} | MEDIAN | MEASURED,
}
CLEAN = Camera(background=0, offset=0, blur_px=0, haze=0, unevenness=0, bleaching=0, read_noise=0, photons=5000)
CAUSES = {
    "clean optics, few cells": (CLEAN, Growth(cells=20)),
    "clean optics": (CLEAN, Growth()),
    "blur alone": (CLEAN.changed(blur_px=1.0), Growth()),
    "haze alone": (CLEAN.changed(haze=0.1), Growth()),
}
SMALLEST = 30  # reference objects under this many pixels are left out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movies", type=int, default=4)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0, help="of the first movie")
    parser.add_argument("--movie", type=Path)
    parser.add_argument("--silver", type=Path)
    parser.add_argument("--found", type=Path)
    parser.add_argument("--channel", type=int, default=1)
    parser.add_argument("--rows", default="0:640")
    options = parser.parse_args()
    print(json.dumps(on_movie(options) if options.movie else on_synthetic(options), indent=2))


def on_synthetic(options: argparse.Namespace) -> dict:
    seeds = range(options.seed, options.seed + options.movies)
    made = [synthetic(seed, options.frames) for seed in seeds]
    out = {
        name: summary([errors(movie, MeasureSettings.parse(how)) for movie in made]) for name, how in MEASURES.items()
    }
    for name, (camera, growth) in CAUSES.items():
        movies = [synthetic(seed, options.frames, camera, growth) for seed in seeds]
        out[f"{name}: default measure"] = summary([errors(movie, MeasureSettings()) for movie in movies])
    told = [haze_of(movie, MeasureSettings.parse(MEASURED)) for movie in made]
    return {
        "movies": options.movies,
        "frames": options.frames,
        "seed": options.seed,
        "haze": [[how.haze, how.haze_px] for how in told],
        "rows": out,
    }


def haze_of(movie: CellMovie, how: MeasureSettings) -> MeasureSettings:
    first = movie.frame(0)
    return measure_haze(how, first.image[0], first.nuclei)[0] if how.haze == "measured" else how


def synthetic(seed: int, frames: int, camera: Camera | None = None, growth: Growth | None = None) -> CellMovie:
    """A movie whose reporter leaves the nuclei from the second frame on."""
    settings = CellMovieSettings(frames=frames, seed=seed, reporter=Reporter(stimulus_frame=0))
    values = {"camera": camera or settings.camera, "growth": growth or settings.growth}
    return CellMovie(settings.model_copy(update=values))


def errors(movie: CellMovie, how: MeasureSettings) -> pd.DataFrame:
    """Log of the true ratio and error of the measured one, of every whole nucleus of every frame."""
    true = movie.truth().rows.set_index(["frame", "track"])["ratio"]
    stage = ObjectMeasurer(haze_of(movie, how), [(1, "reporter")], movie.calibration)
    state, rows = stage.start(), []
    for t in range(len(movie)):
        frame = movie.frame(t)
        state, (table,) = stage.push(state, (t, frame.image, frame.nuclei, None))
        rows.append(table[~table["touches_border"].astype(bool)])
    measured = pd.concat(rows).set_index(["frame", "track"])["ratio_reporter"].astype(float)
    both = pd.DataFrame({"true": np.log(true), "measured": np.log(measured)}).dropna()
    return both.assign(error=both["measured"] - both["true"])


def summary(tables: list[pd.DataFrame]) -> dict:
    rows = pd.concat(tables)
    bright, dark = rows["true"] > np.log(1.2), rows["true"] < np.log(0.8)
    return {
        "nuclei": len(rows),
        "median error": round(float(rows["error"].abs().median()), 4),
        "90th percentile": round(float(rows["error"].abs().quantile(0.9)), 4),
        "bias of bright nuclei": round(float(rows.loc[bright, "error"].median()), 4),
        "bias of dark nuclei": round(float(rows.loc[dark, "error"].median()), 4),
    }


def on_movie(options: argparse.Namespace) -> dict:
    movie, silver, found = (
        api.open_movie(options.movie),
        data.open_labels(options.silver),
        data.open_labels(options.found),
    )
    start, stop = (int(n) for n in options.rows.split(":"))
    rows = slice(start, stop)
    out = {}
    for name, how in {"whole nucleus, ring 1 to 6 px": OLD, "default": {}, "default, medians": MEDIAN}.items():
        stage = ObjectMeasurer(MeasureSettings.parse(how), [(options.channel, "c")])
        gaps = []
        for t in range(0, len(movie), 2):
            image = movie.frame(t)[:, rows]
            pair = [found.frame(t)[rows], drop_small(silver.frame(t)[rows], SMALLEST)]
            tables = [stage.push(stage.start(), (t, image, labels, None))[1][0].set_index("track") for labels in pair]
            table = contingency(*pair)
            hits = match(table, 0.5, strict=True)
            a = tables[0].loc[table.ids_a[hits.prediction], "ratio_c"].to_numpy(float)
            b = tables[1].loc[table.ids_b[hits.truth], "ratio_c"].to_numpy(float)
            with np.errstate(divide="ignore", invalid="ignore"):
                gaps.append(np.abs(np.log(a / b)))
        gap = np.concatenate(gaps)
        kept = gap[np.isfinite(gap)]
        out[name] = {
            "pairs": len(gap),
            "without ratio": int(len(gap) - len(kept)),
            "median": round(float(np.median(kept)), 4),
            "90th percentile": round(float(np.percentile(kept, 90)), 4),
        }
    return out


if __name__ == "__main__":
    main()
