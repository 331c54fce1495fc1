"""How well a hourglass segments and tracks the test movies of `prepare_synthetic.py`, beside the default model.

usage: python experiments/hourglass/score_synthetic.py SYNTHETIC WEIGHTS

Runs each test movie with its true median diameter and prints, as means over the movies, the challenge's figures, IDF1
and AP at IoU 0.5 as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.pipeline.settings import RunSettings

FIGURES = ("SEG", "DET", "TRA", "LNK", "IDF1", "AP@0.50")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights")
    options = parser.parse_args()
    movies = read_stills(options.data, ("test",))
    systems = {"hourglass": {"name": "hourglass", "weights": options.weights}, "nuclei-unet": {"name": "nuclei-unet"}}
    out = {}
    for name, system in systems.items():
        rows = np.array([scores(movie, system) for movie in movies], float)
        out[name] = {key: round(float(v), 4) for key, v in zip(FIGURES, np.nanmean(rows, axis=0), strict=True)}
    print(json.dumps({"movies": len(movies), **out}, indent=2))


def scores(movie: Still, system: dict[str, str]) -> list[float | None]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "movie.tif"
        tifffile.imwrite(path, movie.image[:, 0].astype(np.uint16), photometric="minisblack")
        values = {
            "system": system,
            "input": {"read": {"axes": "TYX"}},
            "predict": {"diameter": float(movie.diameter_px)},
        }
        api.run(path, Path(place) / "run", RunSettings.parse(values))
        found = api.score(Path(place) / "run", movie.labels, draws=0).metrics
    return [found.get(name) for name in FIGURES]


if __name__ == "__main__":
    main()
