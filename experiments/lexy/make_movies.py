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
from unfade.synth import NucleusShapes, TranslocationMovie, TranslocationSettings, draw_settings

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
            settings = drawn(rng, options.frames, options.size)
            found = TranslocationMovie(settings, shapes).frames()
            tifffile.imwrite(options.folder / "images" / f"{n:04d}.tif", found.image[:, 0], compression="zlib")
            part_path = path.with_name(path.name + ".part")
            tifffile.imwrite(part_path, found.nuclei.astype(np.uint16), compression="zlib")
            part_path.replace(path)
            print(n, part, len(np.unique(found.nuclei)) - 1, flush=True)


def drawn(rng: np.random.Generator, frames: int, size: int) -> TranslocationSettings:
    """One movie as reporters are filmed: plainly seen in some frames, faded or reversed in others, in decent light.

    The generator's own range is wider; it holds movies in which no frame shows a nucleus to anybody, which teach
    little.
    """
    settings = draw_settings(rng, frames=frames, size_px=size, diameter_px=DIAMETER_PX)
    bright, dim = float(np.exp(rng.uniform(0.35, 1.2))), float(np.exp(rng.uniform(-0.6, 0.15)))
    back = rng.random() < 0.2  # from dim to bright
    start = float(rng.uniform(0.05, 0.8) * frames)
    course = {
        **settings.course.plain(),
        "ratio_before": dim if back else bright,
        "ratio_after": bright if back else dim,
        "stimulus_frame": start,
        "recovery_frame": start + float(rng.uniform(0.2, 1)) * frames if rng.random() < 0.3 else "never",
    }
    camera = settings.camera
    light = {
        **camera.plain(),
        "photons": float(np.exp(rng.uniform(np.log(20), np.log(400)))),
        "haze": min(camera.haze, 0.3),
        "blur_px": min(camera.blur_px, 1.4),
    }
    light["background"] = light["photons"] * float(rng.uniform(0.02, 0.3))
    light["subtracted"], light["saturation"] = 0.0, 65535
    level = light["offset"] + light["gain"] * light["background"]
    if rng.random() < 0.6:
        light["subtracted"] = level + light["gain"] * light["photons"] * float(rng.uniform(0, 0.2))
    if rng.random() < 0.3:
        bright_end = light["gain"] * light["photons"] * float(rng.uniform(1.5, 4))
        light["saturation"] = int(np.clip(level - light["subtracted"] + bright_end, 64, 65535))
    bodies = {**settings.bodies.plain(), "offset": float(rng.uniform(0.1, 0.6))}
    return settings.changed(course=course, camera=light, bodies=bodies)


if __name__ == "__main__":
    main()
