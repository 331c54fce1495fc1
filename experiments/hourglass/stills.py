"""Rows of table 2 of paper hourglass on stills, in three folds: cosine embedding, weighted softmax, and no learning.

usage: python experiments/hourglass/stills.py STILLS OUT [--rows embedding softmax classical] [--small]
                                              [--folds 1 2 3] [--minutes M] [--device cuda]

STILLS is a folder of stills with groups in its split.csv (DSB2018, since the paper's muscle fibres are not public). All
stills are dealt into three folds, group by group; a fold is scored with what was learnt from the other two, of which a
tenth chooses the weights. SEG is the mean over all objects of the IoU with the mask that covers more than half of them,
0 without one, with its standard deviation as in the paper (0.911 ± 0.148 embedding, 0.886 ± 0.152 softmax, 0.780 ±
0.245 classical, there on muscle fibres). `classical` is Otsu's threshold and a watershed of the depth, its settings
chosen on the stills that the others learn from. True median diameters are given to all. `--small` is the preset for
CPUs. Prints JSON per row; figures of folds lie in OUT/ROW/fold-N.json, so that a stopped table goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.instances.threshold import ThresholdSettings, by_threshold
from unfade.ops.overlap import contingency
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings
from unfade.predict.diameter import zoom_for
from unfade.settings import read_toml

FOLDS, SEED, HELD = 3, 0, 10
Find = Callable[[Still], np.ndarray]


def deal(stills: Path, out: Path, fold: int) -> Path:
    """A folder of the same stills whose test part is this fold (1 to 3)."""
    with (stills / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups = sorted({row["group"] for row in rows})
    order = np.random.default_rng(SEED).permutation(len(groups))
    sizes, home = [0] * FOLDS, {}
    for k in order:
        place = int(np.argmin(sizes))
        home[groups[k]] = place
        sizes[place] += sum(row["group"] == groups[k] for row in rows)
    learnt = [row for row in rows if home[row["group"]] != fold - 1]
    held = {row["file"] for k, row in enumerate(learnt) if k % HELD == 0}
    folder = out / f"fold-{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("images", "masks"):
        if not (folder / name).exists():
            (folder / name).symlink_to((stills / name).resolve(), target_is_directory=True)
    with (folder / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "group", "part"))
        for row in rows:
            part = "test" if home[row["group"]] == fold - 1 else "val" if row["file"] in held else "train"
            writer.writerow((row["file"], row["group"], part))
    return folder


def overlaps(find: Find, stills: Sequence[Still]) -> list[float]:
    """IoU of every true object with the mask that covers more than half of it, 0 without one."""
    out: list[float] = []
    for still in stills:
        shared = contingency(still.labels[0], find(still))
        best = np.zeros(len(shared.ids_a))
        covering = shared.share_of_a() > 0.5
        best[shared.i[covering]] = shared.sparse_iou()[covering]
        out += best.tolist()
    return out


def classical(folder: Path) -> Find:
    """Threshold and watershed with the settings that do best on a part of what the others learn from."""
    known = read_stills(folder, ("val",))
    best = max(
        product((0.6, 0.8, 1.0), (0.2, 0.35, 0.5)),
        key=lambda pair: np.mean(overlaps(lambda still: thresholded(still, *pair), known)),
    )
    return lambda still: thresholded(still, *best)


def thresholded(still: Still, factor: float, apart: float) -> np.ndarray:
    """Objects of a still; `apart` is the least distance of two middles in diameters."""
    diameter = still.diameter_px
    settings = ThresholdSettings(factor=factor, apart_px=max(1.0, apart * diameter))
    image = still.image[0, 0].astype(np.float32)
    return by_threshold(image, settings)


def learnt(folder: Path, training: Path, settings: TrainingSettings) -> Find:
    """A network trained on a fold."""
    api.train(folder, training, settings)
    how = PredictSettings(device=settings.train.device)
    system, weights = open_system(SystemSettings(name="hourglass", weights=str(training)))
    engine = open_predictor(system, weights, how)
    return lambda still: engine.instances(still.image[0], zoom_for(still.diameter_px, system.view)).labels()[0]


def of_fold(row: str, fold: int, options: argparse.Namespace) -> list[float]:
    """Overlaps of a fold, from an earlier call if there was one."""
    name = row if row == "classical" else f"{row}-small" if options.small else row
    path = options.out / name / f"fold-{fold}.json"
    if path.is_file():
        return list(json.loads(path.read_text(encoding="utf-8")))
    folder = deal(options.stills, options.out, fold)
    if row == "classical":
        find = classical(folder)
    else:
        values: dict[str, Any] = read_toml(Path(__file__).with_name(f"stills-{name}.toml"))
        train = {**values.get("train", {}), "device": options.device}
        if options.minutes is not None:
            train["minutes"] = options.minutes
        settings = TrainingSettings.parse({**values, "train": train})
        find = learnt(folder, options.out / name / f"training-{fold}", settings)
    found = overlaps(find, read_stills(folder, ("test",)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", nargs="+", choices=("embedding", "softmax", "classical"), required=True)
    parser.add_argument("--folds", type=int, nargs="+", default=(1, 2, 3))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--minutes", type=float, help="stop each training after this long")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    for row in options.rows:
        values = np.array([value for fold in options.folds for value in of_fold(row, fold, options)])
        figures = {"SEG": round(float(values.mean()), 4), "stddev": round(float(values.std()), 4)}
        found = {"missed": round(float((values == 0).mean()), 4), "objects": len(values)}
        about = {"row": row, "small": options.small and row != "classical", "folds": list(options.folds)}
        print(json.dumps({**about, **figures, **found}), flush=True)


if __name__ == "__main__":
    main()
