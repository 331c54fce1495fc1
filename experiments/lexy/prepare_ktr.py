"""The reporter movie as a training folder: rows 0-639 to train on, 640-767 to choose, 768-1023 to report.

usage: python experiments/lexy/prepare_ktr.py MOVIE SILVER FOLDER [--channel "ERK reporter"]

MOVIE is the real reporter movie (T, C, Y, X), SILVER its labels (T, Y, X); FOLDER gets `images/`, `masks/` and
`split.csv` with one movie of a single channel per block of rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from unfade import api, data

BLOCKS = {"train": slice(0, 640), "val": slice(640, 768), "test": slice(768, 1024)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", type=Path)
    parser.add_argument("silver", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--channel", default="ERK reporter")
    options = parser.parse_args()
    movie, silver = api.open_movie(options.movie), data.open_labels(options.silver)
    frames = np.stack(list(movie.frames(movie.channel(options.channel))))
    labels = np.stack(list(silver.frames())).astype(np.uint16)
    for name in ("images", "masks"):
        (options.folder / name).mkdir(parents=True, exist_ok=True)
    lines = ["file,group,part"]
    for part, rows in BLOCKS.items():
        tifffile.imwrite(options.folder / "images" / f"{part}.tif", frames[:, rows], compression="zlib")
        tifffile.imwrite(options.folder / "masks" / f"{part}.tif", labels[:, rows], compression="zlib")
        lines.append(f"{part}.tif,{part},{part}")
    (options.folder / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
