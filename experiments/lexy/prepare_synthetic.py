"""Stand-ins for the paper's data, made from CC0 stills: stills, fading sequences and ten videos, all with exact truth.

usage: python experiments/lexy/prepare_synthetic.py STILLS FOLDER [--stills N N N] [--sequences N N N] [--videos N]

STILLS is a training folder with `split.csv` (dsb2018). Nuclei of its training stills make the training data, nuclei of
its held-out stills the validation and test data. FOLDER gets four training folders, each with `images/`, `masks/` (of
nuclei) and `split.csv`:

- `stills`: crops of 128 px of reporter images at any nucleus/cytoplasm contrast, not centred on a nucleus (for the
  paper's HPA crops);
- `cells`: the same images; masks of whole cells, with the nuclei marked, for a second map of the cytosol;
- `sequences`: 30 frames; the nuclei are bright, leave by frame 8 and stay invisible (for its synthetic sequences);
- `videos`: ten videos of one or few cells, 21 to 41 frames, as different from each other in brightness, noise and
  contrast as the generator allows, nuclei fading and coming back (for its ten LEXY videos).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import read_stills
from unfade.ops.relabel import NUCLEUS
from unfade.synth.appearance import draw_settings
from unfade.synth.fading import TranslocationSettings
from unfade.synth.shapes import NucleusShapes
from unfade.synth.translocation import TranslocationMovie

PARTS = ("train", "val", "test")
SIDE = 128
DIAMETER_PX = (22.0, 36.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stills", type=int, nargs=3, default=(600, 60, 120), help="train, val, test")
    parser.add_argument("--sequences", type=int, nargs=3, default=(60, 16, 32), help="train, val, test")
    parser.add_argument("--videos", type=int, default=10)
    options = parser.parse_args()
    shapes = {}
    for part in PARTS:
        found = read_stills(options.source, (part,))
        shapes[part] = NucleusShapes.from_stills([s.image[0, 0] for s in found], [s.labels[0] for s in found], 1000)
    for kind, counts in (("stills", options.stills), ("sequences", options.sequences)):
        names = []
        for number, (part, count) in enumerate(zip(PARTS, counts, strict=True)):
            for n in range(count):
                rng = np.random.default_rng([number, n, kind == "stills"])
                settings = still_settings(rng) if kind == "stills" else sequence_settings(rng)
                names.append((write(options.folder / kind, f"{part}{n:04d}", settings, shapes[part]), part))
        split(options.folder / kind, names)
        if kind == "stills":
            split(options.folder / "cells", names)
    names = []
    for n in range(options.videos):
        rng = np.random.default_rng([7, n])
        names.append((write(options.folder / "videos", f"video{n:02d}", video_settings(rng), shapes["test"]), "train"))
    split(options.folder / "videos", names)


def still_settings(rng: np.random.Generator) -> TranslocationSettings:
    """One frame of any contrast: nucleus bright, dim or like the cytoplasm."""
    return draw_settings(rng, 1, SIDE, DIAMETER_PX)


def sequence_settings(rng: np.random.Generator) -> TranslocationSettings:
    """Thirty frames whose nuclei are bright at first and invisible from frame 8 to the end."""
    drawn = draw_settings(rng, 30, SIDE, DIAMETER_PX)
    course = {
        "ratio_before": float(np.exp(rng.uniform(0.4, 1.0))),
        "ratio_after": 1.0,
        "before_spread": 0.1,
        "after_spread": 0.0,
        "stimulus_frame": 3.0,
        "export_frames": 0.8,
        "recovery_frame": "never",
        "delay_frames": 0.0,
        "responders": 1.0,
    }
    return drawn.changed(course=course, nuclei={**drawn.nuclei.plain(), "residue": 0.0, "division_rate": 0.0})


def video_settings(rng: np.random.Generator) -> TranslocationSettings:
    """A video of a few cells whose nuclei fade under light and come back in the dark."""
    frames = int(rng.integers(21, 42))
    drawn = draw_settings(rng, frames, SIDE, (30.0, 44.0))
    course = {
        "ratio_before": float(np.exp(rng.uniform(0.3, 1.0))),
        "ratio_after": float(np.exp(rng.uniform(-0.3, 0.05))),
        "stimulus_frame": 1.0,
        "export_frames": frames / 10,
        "recovery_frame": float(frames * 0.6),
        "recovery_frames": frames / 8,
    }
    return drawn.changed(course=course, nuclei={**drawn.nuclei.plain(), "coverage": 0.08, "division_rate": 0.0})


def write(folder: Path, name: str, settings: TranslocationSettings, shapes: NucleusShapes) -> str:
    """Write image, nuclei and cells of one movie; the name of its file."""
    found = TranslocationMovie(settings, shapes).frames()
    stacks = [(folder, "images", found.image[:, 0]), (folder, "masks", found.nuclei.astype(np.uint16))]
    if folder.name == "stills":
        beside = folder.with_name("cells")
        both = np.where(found.nuclei > 0, found.cells + NUCLEUS, found.cells).astype(np.uint32)
        stacks += [(beside, "images", found.image[:, 0]), (beside, "masks", both)]
    for place, kind, stack in stacks:
        (place / kind).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            place / kind / f"{name}.tif",
            stack[0] if len(stack) == 1 else stack,
            compression="zlib",
            photometric="minisblack",
        )
    return f"{name}.tif"


def split(folder: Path, names: list[tuple[str, str]]) -> None:
    """Write `split.csv`: file, group, part."""
    lines = ["file,group,part", *(f"{name},{Path(name).stem},{part}" for name, part in names)]
    (folder / "split.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
