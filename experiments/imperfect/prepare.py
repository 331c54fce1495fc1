"""Make a training folder of cells with their nuclei from synthetic translocation movies, both with exact truth.

Mask images hold the id of the cell, plus 2^20 on the pixels of its nucleus. Each movie is one group: the last ones are
`val` and `test`.

python experiments/imperfect/prepare.py OUT --movies 12 --every 4
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import tifffile

from unfade.instances.boxes import compartments
from unfade.synth.fading import TranslocationSettings
from unfade.synth.translocation import TranslocationMovie


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--movies", type=int, default=12)
    parser.add_argument("--every", type=int, default=4, help="take every n-th frame")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.out / name).mkdir(parents=True, exist_ok=True)
    with (options.out / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "group", "part"])
        for number in range(options.movies):
            movie = TranslocationMovie(TranslocationSettings(seed=options.seed + number))
            nuclei, cells = movie.labels("nucleus"), movie.labels("cell")
            part = {options.movies - 1: "test", options.movies - 2: "val"}.get(number, "train")
            for t in range(0, len(movie), options.every):
                own = f"{number:03d}-{t:04d}.tif"
                labels = compartments(cells.frame(t), nuclei.frame(t))
                tifffile.imwrite(options.out / "images" / own, movie.movie().frame(t)[0], compression="zlib")
                tifffile.imwrite(options.out / "masks" / own, labels.astype(np.int32), compression="zlib")
                writer.writerow([own, str(number), part])


if __name__ == "__main__":
    main()
