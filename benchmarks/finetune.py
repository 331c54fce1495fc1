"""Fine-tuning on five frames of a movie: what it gains there, and what it costs on the stills the model came from.

usage: python benchmarks/finetune.py MOVIE SILVER DSB2018 [--steps 300] [--rate 1e-4]

Trains on rows 0–639 of five frames of MOVIE's first channel with SILVER labels, and prints F1 at IoU 0.5 before and
after: over all frames of rows 768–1023, and pooled over the test part of the stills, with their diameters given.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from unfade import api, data
from unfade.datasets.stills import read_stills
from unfade.ops.overlap import contingency
from unfade.ops.relabel import drop_small
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings
from unfade.predict.diameter import measure_diameter, zoom_for
from unfade.score.detection import Counts, count_matches

TRAIN, TEST = slice(0, 640), slice(768, 1024)
SMALLEST = 30  # silver objects under this many pixels are left out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("silver", type=Path)
    parser.add_argument("stills", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1e-4)
    options = parser.parse_args()
    movie, silver = api.open_movie(options.movie), data.open_labels(options.silver)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("images", "masks"):
            (folder / "data" / name).mkdir(parents=True)
        for t in np.linspace(0, len(movie) - 1, 5).astype(int).tolist():
            tifffile.imwrite(folder / "data" / "images" / f"t{t:03d}.tif", movie.frame(t, 0)[TRAIN])
            tifffile.imwrite(folder / "data" / "masks" / f"t{t:03d}.tif", drop_small(silver.frame(t)[TRAIN], SMALLEST))
        settings = TrainingSettings.parse(
            {
                "weights": "nuclei-unet-dsb2018",
                "train": {"steps": options.steps, "rate": options.rate, "warmup": 20, "check_every": options.steps},
            }
        )
        api.train(folder / "data", folder / "tuned", settings)
        out = {"steps": options.steps, "rate": options.rate}
        for name, weights in (("before", None), ("after", str(folder / "tuned"))):
            predictor = open_predictor(*open_system(SystemSettings(weights=weights)), PredictSettings())
            out[name] = {
                "movie F1@0.5": on_movie(predictor, movie, silver),
                "stills F1@0.5": on_stills(predictor, options),
            }
    print(json.dumps(out, indent=2))


def on_movie(predictor, movie, silver) -> float:
    zoom, scores = None, []
    for t in range(len(movie)):
        image = movie.frame(t)[:1, TEST]
        zoom = zoom or measure_diameter(predictor, image).zoom
        found = predictor.instances(image, zoom).labels()[0]
        truth = drop_small(silver.frame(t)[TEST], SMALLEST)
        scores.append(count_matches(contingency(found, truth), 0.5, strict=True).f1())
    return round(float(np.mean(scores)), 4)


def on_stills(predictor, options: argparse.Namespace) -> float:
    counts = Counts()
    for still in read_stills(options.stills, ("test",)):
        zoom = zoom_for(still.diameter_px, predictor.system.view)
        found = predictor.instances(still.image[0], zoom).labels()[0]
        counts += count_matches(contingency(found, still.labels[0]), 0.5, strict=True)
    return round(counts.f1(), 4)


if __name__ == "__main__":
    main()
