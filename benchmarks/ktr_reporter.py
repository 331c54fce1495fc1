"""Nuclei of a real movie from its translocation reporter alone, scored per frame against silver labels.

usage: python benchmarks/ktr_reporter.py MOVIE SILVER [--system lexy] [--weights FILE] [--rows 768:1024] [--repair]

Only the rows asked for are seen by the system, as a movie of their own. Objects under 30 px are left out on both sides.
Prints F1 at IoU 0.5 per frame with mean and worst frame, the mean IoU and Dice of the foreground, and the error of the
nucleus/ring ratio of matched nuclei: |log(ratio) - log(ratio with the silver mask)|.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from unfade import api, data
from unfade.ops.overlap import contingency
from unfade.records import Labels, Movie
from unfade.score.detection import count_matches, match

SMALLEST = 30  # silver objects under this many pixels are left out, as their source advises
CHANNEL = "ERK reporter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("silver", type=Path)
    parser.add_argument("--channel", default=CHANNEL)
    parser.add_argument("--rows", default="768:1024")
    parser.add_argument("--system", default="lexy")
    parser.add_argument("--weights")
    parser.add_argument("--diameter", default="auto")
    options = parser.parse_args()
    movie, silver = block(options.movie, options.silver, options.channel, options.rows)
    diameter = options.diameter if options.diameter == "auto" else float(options.diameter)
    found = api.segment(movie, 0, system=options.system, weights=options.weights, diameter=diameter)
    print(json.dumps(score(movie, found, silver), indent=2))


def block(movie: Path, silver: Path, channel: str | int = CHANNEL, rows: str = "768:1024") -> tuple[Movie, Labels]:
    """One channel of a band of rows, and its silver labels, both `(T, …, Y, X)`."""
    first, last = (int(n) for n in rows.split(":"))
    whole, truth = api.open_movie(movie), data.open_labels(silver)
    frames = np.stack([f[first:last] for f in whole.frames(whole.channel(channel))])
    labels = np.stack([without_small(f[first:last]) for f in truth.frames()])
    return Movie.of(frames, [str(channel)]), Labels.of(labels)


def without_small(labels: np.ndarray) -> np.ndarray:
    """Labels `(Y, X)` without objects under 30 px."""
    area = np.bincount(labels.ravel())
    return np.where(area[labels] >= SMALLEST, labels, 0).astype(np.int32)


def score(movie: Movie, found: Labels, silver: Labels) -> dict[str, Any]:
    """Figures of labels `(T, Y, X)` of a movie against silver labels."""
    found = Labels.of(np.stack([without_small(f) for f in found.frames()]))
    overlaps = [contingency(a, b) for a, b in zip(found.frames(), silver.frames(), strict=True)]
    f1 = [count_matches(o, 0.5, strict=True).f1() for o in overlaps]
    inside = np.array(
        [
            [np.logical_and(a > 0, b > 0).sum(), (a > 0).sum(), (b > 0).sum()]
            for a, b in zip(found.frames(), silver.frames(), strict=True)
        ]
    )
    ours, truth = (api.measure(movie, side).rows.set_index(["frame", "track"]) for side in (found, silver))
    column = next(c for c in truth.columns if c.startswith("ratio_"))
    errors = []
    for t, overlap in enumerate(overlaps):
        pairs = match(overlap, 0.5, strict=True)
        if len(pairs.prediction) == 0:
            continue
        a = ours.loc[t].loc[overlap.ids_a[pairs.prediction], column].to_numpy()
        b = truth.loc[t].loc[overlap.ids_b[pairs.truth], column].to_numpy()
        known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
        errors.append(np.abs(np.log(a[known] / b[known])))
    error = np.concatenate(errors) if errors else np.zeros(0)
    return {
        "F1@0.5": round(float(np.mean(f1)), 4),
        "F1@0.5 worst frame": round(float(np.min(f1)), 4),
        "F1@0.5 per frame": [round(float(v), 3) for v in f1],
        "Dice": round(float((2 * inside[:, 0] / inside[:, 1:].sum(1).clip(1)).mean()), 4),
        "log-ratio error, median": round(float(np.median(error)), 4) if error.size else None,
        "log-ratio error, 90th percentile": round(float(np.percentile(error, 90)), 4) if error.size else None,
        "nuclei compared": len(error),
        "silver nuclei": int(sum(len(o.ids_b) for o in overlaps)),
    }


if __name__ == "__main__":
    main()
