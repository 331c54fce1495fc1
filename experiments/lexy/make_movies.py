"""Synthetic reporter movies as a training folder, from nuclei of stills that are free to use.

usage: python experiments/lexy/make_movies.py STILLS FOLDER [--movies 160] [--frames 28] [--size 224] [--seed 0]

STILLS is a training folder with `images/`, `masks/` and `split.csv` (dsb2018, CC0). Training movies take the shapes and
textures of nuclei from its train part, validation movies (one in sixteen) from its val part. Movies that are there are
kept, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import read_stills
from unfade.synth import NucleusShapes, TranslocationMovie, draw_settings

DIAMETER_PX = (18.0, 30.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--movies", type=int, default=160)
    parser.add_argument("--frames", type=int, default=28)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.folder / name).mkdir(parents=True, exist_ok=True)
    parts = ["val" if n % 16 == 15 else "train" for n in range(options.movies)]
    lines = ["file,group,part", *(f"{n:04d}.tif,{n},{part}" for n, part in enumerate(parts))]
    (options.folder / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for part in ("val", "train"):
        stills = read_stills(options.stills, (part,))
        shapes = NucleusShapes.from_stills([s.image[0, 0] for s in stills], [s.labels[0] for s in stills], most=2000)
        for n in [n for n, owner in enumerate(parts) if owner == part]:
            path = options.folder / "masks" / f"{n:04d}.tif"
            if path.is_file():
                continue
            rng = np.random.default_rng((options.seed, n))
            settings = draw_settings(rng, frames=options.frames, size_px=options.size, diameter_px=DIAMETER_PX)
            found = TranslocationMovie(settings, shapes).frames()
            tifffile.imwrite(options.folder / "images" / f"{n:04d}.tif", found.image[:, 0], compression="zlib")
            part_path = path.with_name(path.name + ".part")
            tifffile.imwrite(part_path, found.nuclei.astype(np.uint16), compression="zlib")
            part_path.replace(path)
            print(n, part, len(np.unique(found.nuclei)) - 1, flush=True)


if __name__ == "__main__":
    main()
