"""Make a training folder of a Cell Tracking Challenge set in one of the two protocols of table 1.

random   all frames of both sequences with a silver mask, shuffled; 80 % to train on, of these a tenth to choose by, and
         20 % to report on (134 / 34 frames of DIC-C2DH-HeLa, 184 / 46 of PhC-C2DH-U373). Neighbours in time lie on
         both sides, so its figures say little about a new movie.
across   the silver masks of one sequence to train on (its last tenth to choose by), the gold ones of the other to
         report on: `--test 02`, and for the second fold `--test 01`.

python experiments/shape-aware/prepare.py ../shared/data OUT --set DIC-C2DH-HeLa --protocol across --test 02
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
from pathlib import Path

import numpy as np

NUMBER = re.compile(r"(\d+)\.tif$")


def frames(folder: Path, sequence: str, truth: str) -> list[tuple[Path, Path]]:
    """Pairs of frame and mask of one sequence; `truth` is ST (silver, every frame) or GT (gold, some)."""
    out = []
    for mask in sorted((folder / f"{sequence}_{truth}" / "SEG").glob("man_seg*.tif")):
        found = NUMBER.search(mask.name)
        assert found is not None
        out.append((folder / sequence / f"t{found.group(1)}.tif", mask))
    return out


def parts(folder: Path, protocol: str, test: str, seed: int) -> dict[str, list[tuple[Path, Path]]]:
    if protocol == "random":
        pairs = frames(folder, "01", "ST") + frames(folder, "02", "ST")
        order = np.random.default_rng(seed).permutation(len(pairs))
        held = round(0.2 * len(pairs))
        val = round(0.1 * (len(pairs) - held))
        cut = {"test": order[:held], "val": order[held : held + val], "train": order[held + val :]}
        return {part: [pairs[k] for k in places] for part, places in cut.items()}
    other = "01" if test == "02" else "02"
    known = frames(folder, other, "ST")
    val = max(1, round(0.1 * len(known)))
    return {"train": known[:-val], "val": known[-val:], "test": frames(folder, test, "GT")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", default="DIC-C2DH-HeLa", help="several sets, joined by a comma, make one folder")
    parser.add_argument("--protocol", choices=("random", "across"), default="random")
    parser.add_argument("--test", choices=("01", "02"), default="02")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.out / name).mkdir(parents=True, exist_ok=True)
    with (options.out / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "group", "part"])
        for name in options.set.split(","):
            split = parts(options.data / "ctc" / name, options.protocol, options.test, options.seed)
            for part, pairs in split.items():
                for image, mask in pairs:
                    own = f"{name}-{image.parent.name}-{image.name}"
                    shutil.copyfile(image, options.out / "images" / own)
                    shutil.copyfile(mask, options.out / "masks" / own)
                    writer.writerow([own, f"{name}-{image.parent.name}", part])
            print(name, {part: len(pairs) for part, pairs in split.items()})


if __name__ == "__main__":
    main()
