"""Does a temporal model keep nuclei that have become invisible? Dice per frame on synthetic sequences.

usage: python benchmarks/fading.py STILLS SYSTEM[=WEIGHTS] … [--motion whole|paper|slow|fast] [--part test]
       [--sequences 16] [--frames 24] [--seed 0] [--settings FILE] [--repair [SETTING=VALUE …]]

FILE gives settings of its system and, unless they are named, its weights; no other system can be named with it.

The nuclei, taken from the held-out part of STILLS, are bright up to frame 7 and exactly as bright as their cytoplasm
from frame 8 to the end. Prints the foreground Dice of every system in frame 2, in each frame, in its worst frame and
over the invisible frames, as means over the sequences; beside them that of the truth of frame 7 left where it was, and
with `--repair` that after repair, whose settings are those it comes with but for the named ones.

Motions: `whole` turns, stretches and shears a held-out still as one, with drawn cells around its nuclei, in a field
that lies anywhere in it (paper lexy, 2.1.2); `paper` does so with every cell by itself, which stay in place; `slow`
adds steps as on a real reporter movie (0.035 diameters per frame that add up to 0.12 in twelve) with a third of that
deformation; `fast` is whatever the generator draws, up to half a cell in the invisible stretch. Nuclei that come into
the field after frame 7 do not count.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from repair import repaired, segmented

from unfade.datasets.preparation import clear_of_border
from unfade.datasets.stills import Still, read_stills
from unfade.pipeline.settings import SystemSettings
from unfade.records import Labels, Movie
from unfade.repair import RepairSettings
from unfade.score.pixels import confusion
from unfade.settings import read_toml
from unfade.synth import (
    NucleusShapes,
    StillMovie,
    StillSettings,
    TranslocationMovie,
    TranslocationSettings,
    draw_settings,
)
from unfade.synth.fading import Deformation, TimeCourse

DIAMETER_PX = 24.0
DIAMETERS_PX = (14.0, 46.0)  # of the stills that `whole` takes
FEWEST = 3  # nuclei that such a field shows whole in its first frame, or as many as any of 200 fields does
LAST_SEEN = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("systems", nargs="+")
    parser.add_argument("--motion", choices=("whole", "paper", "slow", "fast"), default="paper")
    parser.add_argument("--part", default="test")
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--settings", type=Path, help="a settings file of `unfade run`, of which system and predict count"
    )
    parser.add_argument("--repair", nargs="*", metavar="SETTING=VALUE")
    options = parser.parse_args()
    given = read_toml(options.settings) if options.settings else {}
    chosen = {text: asked(text, given.get("system", {})) for text in options.systems}
    movies = sequences(options)
    kept = [dice([truth[LAST_SEEN]] * len(truth), truth) for _, truth, _ in movies]
    out: dict[str, object] = {"motion": options.motion, "frame 7 kept": summary(np.array(kept))}
    for name, how in chosen.items():
        cases = [
            segmented("fading", movie, Labels.of(truth), d, how, given.get("predict")) for movie, truth, d in movies
        ]
        out[name] = summary(np.array([dice(case.material.labels.frames(), case.truth.frames()) for case in cases]))
        if options.repair is not None:
            named = dict(part.split("=", 1) for part in options.repair)
            after = []
            for case, (_, _, diameter) in zip(cases, movies, strict=True):
                settings = RepairSettings.parse({"diameter_px": diameter} | named)
                with TemporaryDirectory() as place:
                    after.append(
                        dice((f.labels for f in repaired(case, settings, Path(place))[0]), case.truth.frames())
                    )
            out[f"{name}, repaired"] = summary(np.array(after))
    print(json.dumps(out, indent=2))


def asked(text: str, table: dict[str, Any]) -> SystemSettings:
    """The system of `SYSTEM[=WEIGHTS]` with what the table `[system]` of a settings file says, which must fit."""
    name, _, weights = text.partition("=")
    if table.get("name", name) != name:
        raise SystemExit(f"The settings file is for the system '{table['name']}', not '{name}'; name that one.")
    return SystemSettings.parse(table | {"name": name} | ({"weights": weights} if weights else {}))


def sequences(options: argparse.Namespace) -> list[tuple[Movie, np.ndarray, float]]:
    """Movies of the reporter, their nuclei `(T, Y, X)` and the median diameter of these in px."""
    stills = read_stills(options.stills, (options.part,))
    if options.motion == "whole":
        sizes = (s for s in stills if DIAMETERS_PX[0] <= s.diameter_px <= DIAMETERS_PX[1])
        suited = [s for s in sizes if len(clear_of_border(s.labels[0])) >= FEWEST]
        chosen = [suited[n * len(suited) // options.sequences] for n in range(options.sequences)]
        return [of_still(still, (options.seed, n), options) for n, still in enumerate(chosen)]
    shapes = NucleusShapes.from_stills([s.image[0, 0] for s in stills], [s.labels[0] for s in stills], most=500)
    jump = TimeCourse(
        ratio_before=2.0, ratio_after=1.0, after_spread=0.0, stimulus_frame=float(LAST_SEEN), export_frames=0.0
    )
    out = []
    for n in range(options.sequences):
        rng = np.random.default_rng((options.seed, n))
        drawn = fading(draw_settings(rng, options.frames, options.size, (DIAMETER_PX, DIAMETER_PX)), jump)
        settings = drawn.changed(deformation=motion(options.motion, drawn.deformation).plain())
        made = TranslocationMovie(settings, shapes).frames()
        out.append((Movie.of(made.image), made.nuclei, DIAMETER_PX))
    return out


def of_still(still: Still, seed: tuple[int, int], options: argparse.Namespace) -> tuple[Movie, np.ndarray, float]:
    """A still that moves as one, in a field that shows some nuclei whole; they fade and are gone from frame 8 on."""
    gradual = TimeCourse(ratio_before=2.0, ratio_after=1.0, after_spread=0.0, stimulus_frame=3.0, export_frames=0.8)
    rng, diameter = np.random.default_rng(seed), still.diameter_px
    size = round(options.size * diameter / DIAMETER_PX)
    drawn = fading(draw_settings(rng, options.frames, size, (diameter, diameter)), gradual)
    values = drawn.plain() | {"cytoplasm": "drawn", "deformation": Deformation().plain()}
    best: tuple[int, StillMovie | None] = (0, None)
    for _ in range(200):
        settings = StillSettings.parse(values | {"seed": int(rng.integers(2**31))})
        movie = StillMovie(still.image[0, 0], still.labels[0], settings)
        y, x = np.maximum(movie.corner, 0)
        whole = len(clear_of_border(still.labels[0, y : y + size, x : x + size]))
        if whole > best[0]:
            best = (whole, movie)
        if whole >= FEWEST:
            break
    movie = best[1]
    assert movie is not None
    made = movie.frames()
    return Movie.of(made.image), made.nuclei, diameter


def fading(drawn: TranslocationSettings, course: TimeCourse) -> TranslocationSettings:
    """The same look with another time course, no nucleus that shows without contrast, and no cell that never shone."""
    nuclei = drawn.nuclei.changed(residue=0.0, rim=0.0, division_rate=0.0)
    return drawn.changed(course=course.plain(), nuclei=nuclei.plain(), bodies=drawn.bodies.changed(silent=0.0).plain())


def motion(name: str, drawn: Deformation) -> Deformation:
    """How cells move and deform: the generator's own draw, or part of it."""
    if name == "fast":
        return drawn
    if name == "paper":
        return drawn.changed(speed_px=0.0, drift_px=0.0)
    less = {part: getattr(drawn, part) / 3 for part in ("turn_rad", "stretch", "shear")}
    return drawn.changed(speed_px=0.024 * DIAMETER_PX, persistence=0.2, drift_px=0.0, **less)


def dice(found: Iterable[np.ndarray], truth: Iterable[np.ndarray]) -> list[float]:
    """Foreground Dice of every frame; nuclei that come into the field after the last visible frame do not count."""
    out, seen = [], np.zeros(0, np.int32)
    for t, (mine, now) in enumerate(zip(found, truth, strict=True)):
        seen = np.union1d(seen, now) if t <= LAST_SEEN else seen
        counts = np.isin(now, seen) | (now == 0)
        out.append(confusion((mine > 0) & counts, (now > 0) & counts).dice())
    return out


def summary(values: np.ndarray) -> dict[str, object]:
    """Means over sequences of Dice `(N, T)`."""
    mean = np.nanmean(values, axis=0)
    return {
        "frame 2": round(float(mean[2]), 4),
        "worst frame": round(float(mean.min()), 4),
        "seen": round(float(mean[: LAST_SEEN + 1].mean()), 4),
        "invisible": round(float(mean[LAST_SEEN + 1 :].mean()), 4),
        "by frame": [round(float(v), 3) for v in mean],
    }


if __name__ == "__main__":
    main()
