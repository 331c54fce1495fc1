"""Stand-ins for the paper's data, made from CC0 stills: stills, fading sequences and ten videos, all with exact truth.

usage: python experiments/lexy/prepare_synthetic.py STILLS FOLDER [--stills N N N] [--sequences N N N] [--at-rest N N N]
                                                    [--videos N]

STILLS is a training folder with `split.csv` (dsb2018). Nuclei of its training stills make the training data, nuclei of
its held-out stills the validation and test data. FOLDER gets five training folders, each with `images/`, `masks/` (of
nuclei) and `split.csv`:

- `stills`: crops of 128 px of reporter images at any nucleus/cytoplasm contrast, not centred on a nucleus (for the
  paper's HPA crops);
- `cells`: the same images; masks of whole cells, with the nuclei marked, for a second map of the cytosol;
- `sequences`: 30 frames of a still that turns, stretches and shears as one, cells drawn around its nuclei, in a field
  that lies anywhere in it; the nuclei are bright, fade by frame 8 and stay invisible (for its synthetic sequences);
- `at-rest`: the same with hardly any motion, as where masks are moved along with the picture, and nuclei that fade and
  come back at any time;
- `videos`: ten videos of one or few cells, 21 to 41 frames, as different from each other in brightness, noise and
  contrast as the generator allows, nuclei fading and coming back (for its ten LEXY videos).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from unfade.datasets.stills import Still, read_stills
from unfade.ops.relabel import NUCLEUS
from unfade.synth.appearance import draw_settings
from unfade.synth.fading import Deformation, StillSettings, TranslocationSettings
from unfade.synth.shapes import NucleusShapes
from unfade.synth.still import StillMovie
from unfade.synth.translocation import TranslocationFrames, TranslocationMovie

PARTS = ("train", "val", "test")
SIDE = 128
DIAMETER_PX = (22.0, 36.0)
OF_STILLS_PX = (14.0, 46.0)  # median diameters of the stills that become sequences
LEFT = Deformation(turn_rad=0.003, stretch=0.0015, shear=0.0015, jitter=1.0, drift_px=0.25)  # of followed motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stills", type=int, nargs=3, default=(600, 60, 120), help="train, val, test")
    parser.add_argument("--sequences", type=int, nargs=3, default=(60, 16, 32), help="train, val, test")
    parser.add_argument("--at-rest", type=int, nargs=3, default=(120, 16, 0), help="train, val, test")
    parser.add_argument("--videos", type=int, default=10)
    options = parser.parse_args()
    found = {part: read_stills(options.source, (part,)) for part in PARTS}
    shapes = {
        part: NucleusShapes.from_stills([s.image[0, 0] for s in some], [s.labels[0] for s in some], 1000)
        for part, some in found.items()
    }
    suited = {p: [s for s in some if OF_STILLS_PX[0] <= s.diameter_px <= OF_STILLS_PX[1]] for p, some in found.items()}
    kinds = {"stills": options.stills, "sequences": options.sequences, "at-rest": options.at_rest}
    for kind, counts in kinds.items():
        names = []
        for number, (part, count) in enumerate(zip(PARTS, counts, strict=True)):
            for n in range(count):
                rng = np.random.default_rng([number, n, list(kinds).index(kind)])
                if kind == "stills":
                    movie = TranslocationMovie(draw_settings(rng, 1, SIDE, DIAMETER_PX), shapes[part])
                else:
                    movie = sequence(rng, suited[part][int(rng.integers(len(suited[part])))], kind == "at-rest")
                names.append((write(options.folder / kind, f"{part}{n:04d}", movie.frames()), part))
        split(options.folder / kind, names)
        if kind == "stills":
            split(options.folder / "cells", names)
    names = []
    for n in range(options.videos):
        rng = np.random.default_rng([7, n])
        made = TranslocationMovie(video_settings(rng), shapes["test"]).frames()
        names.append((write(options.folder / "videos", f"video{n:02d}", made), "train"))
    split(options.folder / "videos", names)


def sequence(rng: np.random.Generator, still: Still, at_rest: bool) -> StillMovie:
    """Thirty frames whose nuclei are bright at first and invisible from frame 8 to the end, or do so at any time."""
    drawn = draw_settings(rng, 30, SIDE, (still.diameter_px, still.diameter_px))
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
    if at_rest:
        start = float(rng.uniform(1, 14))
        course |= {"stimulus_frame": start, "export_frames": float(rng.uniform(0, 2))}
        course |= {"recovery_frame": start + float(rng.uniform(6, 14))} if rng.random() < 0.4 else {}
    nuclei = drawn.nuclei.changed(residue=0.0, division_rate=0.0).plain()
    motion = LEFT if at_rest else Deformation()
    settings = drawn.changed(course=course, nuclei=nuclei, deformation=motion.plain())
    return StillMovie(
        still.image[0, 0], still.labels[0], StillSettings.parse(settings.plain() | {"cytoplasm": "drawn"})
    )


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


def write(folder: Path, name: str, found: TranslocationFrames) -> str:
    """Write image, nuclei and cells of one movie; the name of its file."""
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
