"""The main job on a real reporter movie, scored against silver labels.

usage: python benchmarks/ktr.py MOVIE SILVER RUN

Prints, for a finished run folder of MOVIE: F1 at IoU 0.5 averaged over frames, IDF1, the median nucleus/ring ratio of
every reporter per frame, and the absolute log-ratio error of matched nuclei against the silver masks measured the
same way.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from unfade import api, data
from unfade.measure import MeasureSettings
from unfade.ops.overlap import contingency
from unfade.records import Labels
from unfade.score.detection import count_matches, match
from unfade.score.sequence import score_sequence

SMALLEST = 30  # silver objects under this many pixels are left out, as their source advises


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", type=Path)
    parser.add_argument("silver", type=Path)
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    movie = api.open_movie(options.movie)
    silver = Labels.of(np.stack([without_small(f) for f in data.open_labels(options.silver).frames()]))
    found = Labels.of(np.asarray(data.open_labels(options.run)))
    print(json.dumps(score(movie, found, silver), indent=2))


def without_small(labels: np.ndarray) -> np.ndarray:
    area = np.bincount(labels.ravel())
    return np.where(area[labels] >= SMALLEST, labels, 0).astype(np.int32)


def score(movie: api.Movie, found: Labels, silver: Labels) -> dict[str, object]:
    overlaps = [contingency(a, b) for a, b in zip(found.frames(), silver.frames(), strict=True)]
    f1 = [count_matches(o, 0.5, strict=True).f1() for o in overlaps]
    tracking = score_sequence(found.frames(), None, silver.frames(), None)
    settings = MeasureSettings()
    ours, truth = (
        api.measure(movie, labels, settings).rows.set_index(["frame", "track"]) for labels in (found, silver)
    )
    out: dict[str, object] = {
        "F1@0.5": round(float(np.mean(f1)), 4),
        "F1@0.5 worst frame": round(float(np.min(f1)), 4),
        "IDF1": round(tracking["IDF1"].value, 4),
        "TRA": round(tracking["TRA"].value, 4),
    }
    for column in [c for c in ours.columns if c.startswith("ratio_")]:
        errors = []
        for t, overlap in enumerate(overlaps):
            pairs = match(overlap, 0.5, strict=True)
            a = ours.loc[t].loc[overlap.ids_a[pairs.prediction], column].to_numpy()
            b = truth.loc[t].loc[overlap.ids_b[pairs.truth], column].to_numpy()
            known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
            errors.append(np.abs(np.log(a[known] / b[known])))
        error = np.concatenate(errors)
        if error.size == 0:
            continue  # a channel whose rings are empty or dark, as the marker's own
        median = ours.groupby("frame")[column].median()
        out[column] = {
            "median per frame": [round(float(v), 3) for v in median],
            "log-ratio error, median": round(float(np.median(error)), 4),
            "log-ratio error, 90th percentile": round(float(np.percentile(error, 90)), 4),
            "nuclei": len(error),
        }
    return out


if __name__ == "__main__":
    main()
