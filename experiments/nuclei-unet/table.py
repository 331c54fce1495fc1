"""Table I of paper nuclei-unet and what stands beside it in the text: Dice over K, boundary Dice, label-spread F1.

usage: python experiments/nuclei-unet/table.py STILLS TRAININGS [ROW ...] [--small MINUTES] [--encoder-weights W]
                                               [--print]

STILLS is a training folder with a test part. Each row is trained in TRAININGS/<row> (a stopped training goes on) and
scored on the test stills at their own size: the mean over images of Dice and boundary Dice (III.3, III.4), F1 at IoU
0.5 after spreading the true labels over the predicted mask (III.6). What comes out goes to `results/<row>.json`.
`--small MINUTES` is a short version for a processor: random start, crops of 96 px, MINUTES of training, results in
`results/small/`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.ops.device import pick_device
from unfade.pipeline.training import TrainingSettings
from unfade.predict.frames import FramePredictor
from unfade.registry import load
from unfade.score.boundaries import boundary_dice
from unfade.score.detection import Counts
from unfade.score.pixels import confusion
from unfade.score.spread import count_spread
from unfade.settings import read_toml
from unfade.weights.catalogue import load_weights

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--small", type=float, metavar="MINUTES")
    parser.add_argument("--encoder-weights")
    parser.add_argument("--print", action="store_true", dest="only_print")
    options = parser.parse_args()
    results = HERE / "results" / ("small" if options.small is not None else "")
    paths = [p for p in sorted(HERE.glob("*.toml")) if not options.rows or p.stem in options.rows]
    if not options.only_print:
        for path in paths:
            run(path, results, options)
    print("| row | Dice, paper | Dice | boundary Dice | F1@0.5, labels spread |\n| --- | --- | --- | --- | --- |")
    for path in sorted(HERE.glob("*.toml")):
        about, out = read_toml(path)["row"], results / f"{path.stem}.json"
        found = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
        cells = [about["expected"].get("Dice", ""), *(found.get(n, "not run") for n in ("Dice", "boundary Dice", "F1"))]
        print("| " + " | ".join(str(c) for c in [about["label"], *cells]) + " |")


def run(path: Path, results: Path, options: argparse.Namespace) -> None:
    """Train a row and write what came out."""
    values = read_toml(path)
    settings = TrainingSettings.parse(values["training"])
    images = len(read_stills(options.stills, ("train",)))
    steps = math.ceil(values["row"]["epochs"] * images / settings.sampler["batch"])
    train = settings.train.changed(steps=steps, check_every=max(1, steps // 50), save_every=max(1, steps // 50))
    sampler, source = settings.sampler, options.encoder_weights or settings.encoder_weights
    if options.small is not None:
        train = train.changed(minutes=options.small, steps=5000, rate=1e-3, schedule="cosine", check_every=200)
        sampler, source = {**sampler, "crop_px": 96}, "none"
    settings = settings.changed(train=train.plain(), sampler=sampler, encoder_weights=source)
    folder = options.trainings / path.stem
    api.train(options.stills, folder, settings)
    weights = load_weights("nuclei-unet", folder)
    kind = load("systems", "nuclei-unet")
    system = kind(kind.settings_type.parse(weights.settings))
    engine = FramePredictor(system, weights.into(system.network()), pick_device())
    with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    figures = score(engine, read_stills(options.stills, ("test",)))
    whole: dict[str, Any] = {"row": path.stem, **values["row"], **figures, "minutes": float(last["minutes"])}
    whole |= {"steps": int(last["step"]), "small": options.small is not None, "encoder weights": source}
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{path.stem}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def score(engine: FramePredictor, stills: list[Still]) -> dict[str, float]:
    """Dice, boundary Dice and label-spread F1 of test stills at their own size."""
    dice, border, objects = [], [], Counts()
    for still in stills:
        truth = still.labels[0]
        with torch.inference_mode():
            found = engine.maps(still.image[0])[0] > 0.5
        dice.append(confusion(found, truth).dice())
        border.append(boundary_dice(found, truth))
        objects = objects + count_spread(found, truth)
    return {
        "Dice": round(float(np.nanmean(dice)), 4),
        "boundary Dice": round(float(np.nanmean(border)), 4),
        "F1": round(objects.f1(), 4),
    }


if __name__ == "__main__":
    main()
