"""Ways to get masks from a nuclear marker, compared as in figure 2 of paper lexy.

usage: python benchmarks/marker_masks.py DSB2018 [--part test] [--methods threshold nuclei-unet] [--picture FILE.png]

Markers with masks drawn by people stand in for the Human Protein Atlas' DNA channel, which has none. Prints, per way,
F1 at IoU 0.5 and 0.75 over all objects, Dice of the foreground and of its boundary bands (means over stills), and
seconds per still. cellpose and stardist are compared where their libraries are installed; a way that is not there is
said to be missing. The picture shows three stills, evenly spread over the part, with the labels of every way beside the
truth.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from unfade.datasets.stills import read_stills
from unfade.errors import MissingExtraError
from unfade.pipeline.masking import masks_by
from unfade.score.boundaries import boundary_dice
from unfade.score.detection import count_objects

METHODS = ("threshold", "nuclei-unet", "cellpose", "stardist")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("--part", default="test")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    stills = [s for s in read_stills(options.stills, (options.part,)) if s.labels.any()]
    shown = [stills[k] for k in np.linspace(0, len(stills) - 1, 3).round().astype(int)]
    columns = {"image": [s.image[0, 0].astype(float) for s in shown], "truth": [colours(s.labels[0]) for s in shown]}
    out = {"part": options.part, "stills": len(stills), "ways": {}}
    for name in options.methods:
        try:
            masks = masks_by(name)
        except MissingExtraError:
            out["ways"][name] = "not installed"
            continue
        out["ways"][name] = compared(masks, stills)
        columns[name] = [colours(masks(s.image[0, 0])) for s in shown]
    if options.picture is not None:
        from unfade.report import figures

        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        figures.save(figures.pictures(rows, list(columns), "Masks from a nuclear marker"), options.picture, 200)
    print(json.dumps(out, indent=2))


def compared(masks, stills) -> dict[str, float]:
    sums, dice, band = {0.5: np.zeros(3), 0.75: np.zeros(3)}, [], []
    began = time.perf_counter()
    found = [masks(still.image[0, 0]) for still in stills]
    seconds = (time.perf_counter() - began) / len(stills)
    for labels, still in zip(found, stills, strict=True):
        truth = still.labels[0]
        for threshold in sums:
            counted = count_objects(labels, truth, threshold, strict=True)
            sums[threshold] += (counted.tp, counted.fp, counted.fn)
        dice.append(2 * ((labels > 0) & (truth > 0)).sum() / ((labels > 0).sum() + (truth > 0).sum()))
        band.append(boundary_dice(labels, truth))
    scores = {f"F1@{t}": round(float(2 * tp / (2 * tp + fp + fn)), 4) for t, (tp, fp, fn) in sums.items()}
    return {
        **scores,
        "Dice": round(float(np.mean(dice)), 4),
        "boundary Dice": round(float(np.nanmean(band)), 4),
        "seconds per still": round(seconds, 3),
    }


def colours(labels: np.ndarray) -> np.ndarray:
    """Labels as grey values that set neighbours apart."""
    return np.where(labels > 0, 0.35 + 0.65 * ((labels * 0.618) % 1), 0)


if __name__ == "__main__":
    main()
