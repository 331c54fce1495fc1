"""Pseudo-labels: frames without masks become training data where a trained network is sure of them.

usage: python experiments/lexy/pseudolabels.py MOVIE ... --weights FILE --labelled FOLDER --out FOLDER
                                               [--system lexy-unet] [--channel 0] [--least 0.9] [--minutes 5]

Every MOVIE is segmented with the weights; a frame counts when its objects' mean probability is at least `--least`.
These frames join the training part of `--labelled` in OUT/data, validation and test stay as they are, and the network
is trained on from the same weights into OUT/training (paper lexy, section 4, semi-supervised learning). Prints the
validation scores before and after: kept if it helps, dropped if not.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import tifffile

from unfade import api
from unfade.datasets.stills import read_stills
from unfade.pipeline.segmenting import found_in, open_engine, open_stage
from unfade.pipeline.settings import PredictSettings
from unfade.pipeline.training import TrainingSettings, score_stills
from unfade.registry import load
from unfade.train.loop import TrainSettings
from unfade.weights.catalogue import load_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movies", type=Path, nargs="+")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--system", default="lexy-unet")
    parser.add_argument("--channel", default="0")
    parser.add_argument("--least", type=float, default=0.9)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    weights = load_weights(options.system, options.weights)
    kind = load("systems", options.system)
    system = kind(kind.settings_type.parse(weights.settings))
    network = weights.into(system.network())
    data = options.out / "data"
    shutil.copytree(options.labelled, data)
    lines = [(data / "split.csv").read_text(encoding="utf-8").rstrip("\n")]
    taken = seen = 0
    for path in options.movies:
        movie = api.open_movie(path)
        channel = movie.channel(options.channel)
        engine = open_engine(system, network, PredictSettings())
        for t, found in enumerate(found_in(movie, open_stage(engine, movie, channel, 1.0))):
            seen += 1
            if len(found) and float(np.mean(found.score)) >= options.least:
                name = f"pseudo-{path.stem}-{t:04d}.tif"
                tifffile.imwrite(
                    data / "images" / name, movie.frame(t, channel), compression="zlib", photometric="minisblack"
                )
                tifffile.imwrite(
                    data / "masks" / name,
                    found.labels()[0].astype(np.uint16),
                    compression="zlib",
                    photometric="minisblack",
                )
                lines.append(f"{name},{path.stem},train")
                taken += 1
    (data / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    held = read_stills(options.labelled, ("val",))
    before = score_stills(system, network, held)
    train = TrainSettings(minutes=options.minutes, rate=3e-4, check_every=50, save_every=50, workers=0)
    settings = TrainingSettings(system=options.system, weights=str(weights.path), draw="estimates", train=train)
    after = api.train(data, options.out / "training", settings)
    print(json.dumps({"frames": seen, "taken": taken, "before": before, "after": after}, indent=2))


if __name__ == "__main__":
    main()
