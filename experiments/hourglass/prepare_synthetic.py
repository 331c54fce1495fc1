"""Synthetic movies of dividing nuclei with exact tracks as a training folder for `unfade train --system hourglass`.

usage: python experiments/hourglass/prepare_synthetic.py FOLDER [--movies 30 3 4] [--frames 6 6 16] [--seed 0]

FOLDER gets `images/`, `masks/` (values are track ids) and `split.csv`; fields from sparse to crowded, sharp to blurred,
bright to noisy. Seeds of the three parts never meet.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from unfade.synth import CellMovie, CellMovieSettings


def settings(seed: int, frames: int, side: int) -> CellMovieSettings:
    """One drawn kind of movie."""
    rng = np.random.default_rng([7, seed])
    diameter = rng.uniform(14, 30)
    crowd = rng.uniform(0.15, 1.0)
    return CellMovieSettings.parse(
        {
            "frames": frames,
            "height_px": side,
            "width_px": side,
            "seed": seed,
            "motion": {"speed_px": rng.uniform(0.3, 3.0), "drift_px": rng.choice([0.0, 0.5])},
            "growth": {
                "cells": int(crowd * 2.0 * side**2 / (1.7 * diameter) ** 2),
                "diameter_px": diameter,
                "diameter_spread": rng.uniform(0.08, 0.3),
                "roughness": rng.uniform(0.3, 1.4),
                "spacing": rng.uniform(0.95, 1.2),
                "division_rate": 0.02,
            },
            "camera": {
                "photons": float(np.exp(rng.uniform(np.log(25), np.log(500)))),
                "blur_px": rng.uniform(0.5, 2.0),
                "haze": rng.uniform(0.0, 0.3),
                "unevenness": rng.uniform(0.0, 0.5),
                "flicker": rng.choice([0.0, 0.05]),
            },
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--movies", type=int, nargs=3, default=(30, 3, 4), help="of parts train, val, test")
    parser.add_argument("--frames", type=int, nargs=3, default=(6, 6, 16), help="of a movie of these parts")
    parser.add_argument("--side", type=int, default=208)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.folder / name).mkdir(parents=True, exist_ok=True)
    lines = ["file,group,part"]
    parts = zip(("train", "val", "test"), options.movies, options.frames, strict=True)
    for place, (part, count, length) in enumerate(parts):
        for number in range(count):
            movie = CellMovie(settings(options.seed + 1000 * place + number, length, options.side))
            name = f"{part}-{number:03d}.tif"
            frames = [movie.frame(t) for t in range(length)]
            image = np.stack([frame.image[0] for frame in frames])
            labels = np.stack([frame.nuclei for frame in frames]).astype(np.uint16)
            tifffile.imwrite(options.folder / "images" / name, image, compression="zlib")
            tifffile.imwrite(options.folder / "masks" / name, labels, compression="zlib")
            lines.append(f"{name},{part}-{number},{part}")
    (options.folder / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
