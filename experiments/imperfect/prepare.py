"""Make a training folder of cells with their nuclei from synthetic translocation movies, both with exact truth.

Mask images hold the id of the cell, plus 2^20 on the pixels of its nucleus. Each movie is one group; of every twelve
the last two are `val` and `test`. With `--stills`, a training folder of nuclei with `split.csv`, each movie has a look
of its own (`draw_settings`) and nuclei of the same part of that folder, their shapes and textures.

python experiments/imperfect/prepare.py OUT --movies 12 --every 4
python experiments/imperfect/prepare.py OUT --movies 120 --frames 12 --every 5 --stills ../shared/data/dsb2018
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import read_stills
from unfade.instances.boxes import compartments
from unfade.synth import NucleusShapes, TranslocationMovie, TranslocationSettings, draw_settings

DIAMETER_PX = (14.0, 26.0)  # of nuclei; their cells are about twice as wide


def shapes_of(stills: Path, part: str) -> NucleusShapes:
    """Nuclei of a part of a training folder."""
    found = read_stills(stills, (part,))
    return NucleusShapes.from_stills([s.image[0, 0] for s in found], [s.labels[0] for s in found], most=2000)


def look(number: int, options: argparse.Namespace) -> TranslocationSettings:
    """The usual look, or with stills one of its own, every second movie through the usual camera."""
    if options.stills is None:
        return TranslocationSettings(seed=options.seed + number, frames=options.frames)
    rng = np.random.default_rng((options.seed, number))
    drawn = draw_settings(rng, frames=options.frames, size_px=256, diameter_px=DIAMETER_PX)
    return drawn.changed(camera=TranslocationSettings().camera.plain()) if number % 2 else drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--movies", type=int, default=12)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--stills", type=Path, help="a training folder of nuclei, as dsb2018")
    parser.add_argument("--every", type=int, default=4, help="take every n-th frame")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.out / name).mkdir(parents=True, exist_ok=True)
    shapes = {p: shapes_of(options.stills, p) for p in ("train", "val", "test")} if options.stills else {}
    with (options.out / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "group", "part"])
        for number in range(options.movies):
            part = {11: "test", 10: "val"}.get(number % 12, "train")
            movie = TranslocationMovie(look(number, options), shapes.get(part))
            nuclei, cells = movie.labels("nucleus"), movie.labels("cell")
            for t in range(0, len(movie), options.every):
                own = f"{number:03d}-{t:04d}.tif"
                labels = compartments(cells.frame(t), nuclei.frame(t))
                tifffile.imwrite(options.out / "images" / own, movie.movie().frame(t)[0], compression="zlib")
                tifffile.imwrite(options.out / "masks" / own, labels.astype(np.int32), compression="zlib")
                writer.writerow([own, str(number), part])


if __name__ == "__main__":
    main()
