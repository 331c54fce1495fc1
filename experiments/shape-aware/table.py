"""Table 1 of paper shape-aware: six rows, two data sets, two protocols; also one model for both sets.

Every row is trained and scored by one call; what was trained already in WORK is scored again. SEG is the challenge's
(mean IoU over true objects, 0 where no mask covers more than half), over all objects of the test part. Frames are
rescaled by the median diameter of their truth, as a user who gives `--diameter` does.

python experiments/shape-aware/table.py ../shared/data WORK                           the paper's networks (GPU)
python experiments/shape-aware/table.py ../shared/data WORK --small --minutes 15      small ones at equal budget (CPU)
python experiments/shape-aware/table.py ../shared/data WORK --rows maskrcnn-shape-aware --protocol across --test 01
python experiments/shape-aware/table.py ../shared/data WORK --sets DIC-C2DH-HeLa,PhC-C2DH-U373 --joint
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import image as pictures
from skimage.segmentation import find_boundaries

from unfade import api
from unfade.datasets.stills import Still, read_stills
from unfade.ops.overlap import contingency
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings
from unfade.predict.diameter import zoom_for

HERE = Path(__file__).resolve().parent
SMALL = {"": "default", "-bce": "bce", "-focal": "focal"}
ROWS: dict[str, tuple[str, str]] = {
    "maskrcnn-shape-aware": ("shape-aware", ""),
    "maskrcnn-bce": ("shape-aware", "-bce"),
    "maskrcnn-focal": ("shape-aware", "-focal"),
    "unet-shape-aware": ("shape-aware-unet", ""),
    "unet-bce": ("shape-aware-unet", "-bce"),
    "unet-focal": ("shape-aware-unet", "-focal"),
}
PAPER = {
    "DIC-C2DH-HeLa": dict(zip(ROWS, (0.919, 0.905, 0.918, 0.704, 0.663, 0.670), strict=True)),
    "PhC-C2DH-U373": dict(zip(ROWS, (0.949, 0.948, 0.920, 0.820, 0.566, 0.597), strict=True)),
}


def training(row: str, options: argparse.Namespace, frames: int) -> TrainingSettings:
    """Settings of a row: the paper's preset and recipe for so many frames, or the small network at a budget."""
    system, ending = ROWS[row]
    chosen: dict[str, Any] = {"system": system, "train": {"device": options.device, "seed": options.seed}}
    settings: dict[str, Any] = {}
    if options.small:
        loss = {"": "shape-aware", "-bce": "bce", "-focal": "focal"}[ending]
        settings = {"loss": loss} if system == "shape-aware-unet" else {}
        chosen |= {"preset": "default" if system == "shape-aware-unet" else SMALL[ending]}
        chosen["sampler"] = {"crop_px": 192, "batch": 4, "diameter_px": [36.0, 62.0], "native": 0.0, "empty": 0.0}
    else:
        chosen |= {"preset": f"paper{ending}"}
        settings = {} if system == "shape-aware-unet" else {"start": options.start}
        if system == "shape-aware":  # batches of two: a tenth every three epochs, validated after each
            chosen["train"] |= {"cycle": round(3 * frames / 2), "check_every": round(frames / 2), "steps": 15 * frames}
    if options.minutes is not None:
        chosen["train"] |= {"minutes": options.minutes, "steps": 100_000, "schedule": "cosine", "check_every": 300}
        chosen["train"] |= {"rate": 1e-3, "warmup": 60, "patience": 0, "average": 0.99}
    return TrainingSettings.parse({**chosen, "settings": settings, "encoder_weights": "none"})


def found_in(engine: Any, still: Still) -> np.ndarray:
    """Label image of one still."""
    return engine.instances(still.image[0], zoom_for(still.diameter_px, engine.system.view)).labels()[-1]


def seg_of(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of every true object with the mask that covers more than half of it, else 0."""
    overlap = contingency(found, truth)
    best = np.zeros(len(overlap.ids_b))
    np.maximum.at(best, overlap.j, overlap.sparse_iou() * (overlap.share_of_b() > 0.5))
    return best


def panel(still: Still, masks: list[np.ndarray]) -> np.ndarray:
    """The frame with the outlines of each label image, side by side, as figures 4 to 6."""
    grey = still.image[0, 0].astype(float)
    low, high = np.percentile(grey, (1, 99.8))
    grey = np.clip((grey - low) / max(high - low, 1e-6), 0, 1)
    parts = []
    for labels in masks:
        part = np.repeat(grey[..., None], 3, axis=2)
        part[find_boundaries(labels, mode="inner")] = (1.0, 0.8, 0.0)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def score(row: str, weights: Path, stills: list[Still], device: str) -> tuple[dict[str, Any], list[np.ndarray]]:
    """SEG by data set, and the label images."""
    name, _ = ROWS[row]
    engine = open_predictor(
        *open_system(SystemSettings(name=name, weights=str(weights))), PredictSettings(device=device)
    )
    found = [found_in(engine, still) for still in stills]
    out = {}
    for group in sorted({still.name.rsplit("-", 2)[0] for still in stills}):
        pairs = [(f, s) for f, s in zip(found, stills, strict=True) if s.name.startswith(group)]
        values = np.concatenate([seg_of(f, s.labels[0]) for f, s in pairs])
        facts = {"SEG": round(float(values.mean()), 4), "objects": len(values), "frames": len(pairs)}
        out[group] = {**facts, "paper": PAPER.get(group, {}).get(row)}
    return out, found


def prepared(options: argparse.Namespace, sets: str) -> Path:
    folder = options.work / f"{sets.replace(',', '+')}-{options.protocol}-{options.test}"
    if not (folder / "split.csv").is_file():
        command = [sys.executable, str(HERE / "prepare.py"), str(options.data), str(folder), "--set", sets]
        command += ["--protocol", options.protocol, "--test", options.test, "--seed", str(options.seed)]
        subprocess.run(command, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--sets", default="DIC-C2DH-HeLa,PhC-C2DH-U373")
    parser.add_argument("--joint", action="store_true", help="one model for all sets instead of one for each")
    parser.add_argument("--protocol", choices=("random", "across"), default="random")
    parser.add_argument("--test", choices=("01", "02"), default="02")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--start", choices=("coco", "imagenet", "none"), default="coco")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for sets in [options.sets] if options.joint else options.sets.split(","):
        folder = prepared(options, sets)
        stills, count = read_stills(folder, ("test",)), len(read_stills(folder, ("train",)))
        shown: list[list[np.ndarray]] = []
        for row in options.rows.split(","):
            size = "small" if options.small else "paper"
            out = options.work / f"{folder.name}-{row}-{size}-{options.minutes or 'full'}-{options.seed}"
            settings = training(row, options, count)
            api.train(folder, out, settings)
            figures, found = score(row, out / "best.safetensors", stills, options.device)
            shown.append(found)
            result = {
                "row": row,
                "sets": sets,
                "protocol": options.protocol + (f", test {options.test}" if options.protocol == "across" else ""),
                "network": size,
                "minutes": options.minutes,
                "scale": "median diameter of the truth of each frame",
                "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
                "test": figures,
            }
            (HERE / "results").mkdir(exist_ok=True)
            (HERE / "results" / f"{out.name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            print(json.dumps(result), flush=True)
        masks = [stills[0].labels[0], *(found[0] for found in shown)]
        pictures.imsave(options.work / f"{folder.name}-panel.png", panel(stills[0], masks))


if __name__ == "__main__":
    main()
