"""Leave one video out, with and without pre-training on stills: table 7 of paper lexy.

usage: python experiments/lexy/crossvalidate.py DATA TRAININGS [ROW ...] [--twice] [--small MINUTES]
                                                [--encoder-weights W] [--videos FOLDER] [--print]

FOLDER (DATA/videos by default) is a training folder with one movie per video: one's own videos in `images/` and
`masks/` will do. Each video is held out once, a network is trained on the others (a tenth of their frames to choose
the checkpoint) and scored on the video left out; figures are means and standard deviations over videos. A row with
`pretrained` starts from the weights of that row of `table.py` in TRAININGS, and trains them itself where they are
missing. `--twice` runs everything with a second seed and averages, as the paper did. `--small MINUTES` as in table.py.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rows as files
import table
from evaluate import NAMES, cell, on_sequences
from rows import HERE, Row, read_result, read_row, rows_of, write_result

from unfade import api
from unfade.datasets.stills import Still, read_stills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("trainings", type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--small", type=float, metavar="MINUTES")
    parser.add_argument("--encoder-weights")
    parser.add_argument("--print", action="store_true", dest="only_print")
    options = parser.parse_args()
    if options.small is not None:
        files.RESULTS = files.RESULTS / "small"
    chosen = [row for row in rows_of("7") if not options.rows or row.name in options.rows]
    if not options.only_print:
        for row in chosen:
            run(row, options)
    print("| row | of | sensitivity | specificity | Dice | Hausdorff, px |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows_of("7"):
        print(f"| {row.about['label']} | paper | {cell(row.about['expected']['videos'])} |")
        found = read_result(row.name)
        print(f"| {row.about['label']} | here | {cell(found['videos']) if found else 'not run | | |'} |")


def run(row: Row, options: argparse.Namespace) -> None:
    """Every fold of a row."""
    folder = options.videos or options.data / "videos"
    videos = read_stills(folder)
    start = pretrained(row, options)
    seeds = (0, 1) if options.twice else (0,)
    folds = {
        f"{held.name}, seed {seed}": fold(row, options, folder, held, start, seed) for seed in seeds for held in videos
    }
    write_result(row, {**joined(folds), "small": options.small is not None, "twice": options.twice})


def joined(folds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over the folds' means, and every fold by its name."""
    means = np.array([[one[name][0] if name in one else np.nan for name in NAMES] for one in folds.values()])
    figures = {
        name: [round(float(np.nanmean(column)), 4), round(float(np.nanstd(column)), 4)]
        for name, column in zip(NAMES, means.T, strict=True)
        if np.isfinite(column).any()
    }
    empty = [sum(one["empty"][k] for one in folds.values()) for k in (0, 1)]
    return {"videos": {**figures, "empty": empty}, "folds": folds}


def fold(
    row: Row, options: argparse.Namespace, folder: Path, held: Still, start: Path | None, seed: int
) -> dict[str, Any]:
    """Train without one video and score on it."""
    assert row.training is not None
    others = [s for s in read_stills(folder) if s.name != held.name]
    settings = table.with_steps(row.training, row.about["epochs"] * table.frames_of(others))
    if options.small is not None:
        settings = table.small(settings, options.small)
    if options.encoder_weights is not None:
        settings = settings.changed(encoder_weights=options.encoder_weights)
    settings = settings.changed(train=settings.train.changed(seed=seed).plain())
    if start is not None:
        settings = settings.changed(weights=str(start), encoder_weights="none")
    out = options.trainings / f"{row.name}-without-{held.name}-{seed}"
    with tempfile.TemporaryDirectory() as place:
        without(folder, held.name, Path(place))
        api.train(Path(place), out, settings)
    system, network, _ = table.trained(settings.system, out)
    figures: dict[str, Any] = on_sequences(system, network, [held])["figures"]
    return figures


def without(folder: Path, name: str, place: Path) -> None:
    """A training folder of all videos but one; of each, every tenth frame is for validation."""
    import tifffile

    lines = ["file,group,part"]
    for kind in ("images", "masks"):
        (place / kind).mkdir()
        for path in sorted((folder / kind).iterdir()):
            if path.stem == name:
                continue
            frames = tifffile.imread(path)
            held = np.arange(len(frames)) % 10 == min(9, len(frames) - 1)
            for part, which in (("train", ~held), ("val", held)):
                tifffile.imwrite(place / kind / f"{path.stem}-{part}.tif", frames[which], photometric="minisblack")
                if kind == "images":
                    lines.append(f"{path.stem}-{part}.tif,{path.stem},{part}")
    (place / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def pretrained(row: Row, options: argparse.Namespace) -> Path | None:
    """Weights of the row to start from, trained on stills now where they are missing; None for a fresh start."""
    name = row.about.get("pretrained")
    if name is None:
        return None
    path: Path = options.trainings / name / "best.safetensors"
    if not path.is_file():
        table.run(read_row(HERE / f"{name}.toml"), options)
    kept = options.trainings / f"{name}-pretrained.safetensors"
    shutil.copyfile(path, kept)
    return kept


if __name__ == "__main__":
    main()
