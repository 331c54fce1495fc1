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
from unfade.synth.fading import Bodies, Deformation, TimeCourse
from unfade.synth.settings import Camera

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
    little, and motion so fast that nobody could follow it.
    """
    settings = draw_settings(rng, frames=frames, size_px=size, diameter_px=DIAMETER_PX)
    hidden = rng.random() < 0.4
    settings = settings.changed(
        course=course(rng, frames, hidden).plain(),
        camera=light(rng, settings.camera).plain(),
        deformation=motion(rng, settings.nuclei.diameter_px).plain(),
    )
    if rng.random() < 0.6:
        settings = settings.changed(bodies=spread(rng).plain())
    else:
        settings = settings.changed(bodies={**settings.bodies.plain(), "offset": float(rng.uniform(0.1, 0.6))})
    rim = 0.0 if hidden or rng.random() < 0.4 else float(rng.uniform(0, 0.5))
    nuclei = {**settings.nuclei.plain(), "rim": rim, "rim_px": float(rng.uniform(0.6, 1.4))}
    if hidden:
        nuclei["residue"] = 0.0
    return settings.changed(nuclei=nuclei)


def course(rng: np.random.Generator, frames: int, hidden: bool) -> TimeCourse:
    """From bright to dim or back; `hidden` courses end with nuclei that nothing tells from their cytoplasm."""
    bright, dim = float(np.exp(rng.uniform(0.35, 1.2))), float(np.exp(rng.uniform(-0.6, 0.15)))
    back = not hidden and rng.random() < 0.2  # from dim to bright
    start = float(rng.uniform(0.05, 0.4 if hidden else 0.8) * frames)
    recovers = rng.random() < (0.15 if hidden else 0.3)
    return TimeCourse(
        ratio_before=dim if back else bright,
        before_spread=float(rng.uniform(0, 0.3)),
        ratio_after=1.0 if hidden else bright if back else dim,
        after_spread=0.0 if hidden else float(rng.uniform(0, 0.2)),
        stimulus_frame=start,
        export_frames=float(rng.uniform(0, 2 if hidden else 4)),
        recovery_frame=start + float(rng.uniform(0.2, 1)) * frames if recovers else "never",
        recovery_frames=float(rng.uniform(0.5, 6)),
        delay_frames=0.0 if hidden or rng.random() < 0.5 else float(rng.uniform(0, 3)),
        responders=1.0 if rng.random() < 0.5 else float(rng.uniform(0.6, 1)),
    )


def motion(rng: np.random.Generator, diameter: float) -> Deformation:
    """From cells that stay where they are to cells that go a diameter in twenty frames."""
    return Deformation(
        speed_px=diameter * float(rng.uniform(0, 0.04)),
        persistence=float(rng.uniform(0, 0.8)),
        turn_rad=float(rng.uniform(0, 0.06)),
        stretch=float(rng.uniform(0, 0.025)),
        shear=float(rng.uniform(0, 0.025)),
        drift_px=0.0 if rng.random() < 0.6 else float(rng.uniform(0, 0.6)),
    )


def spread(rng: np.random.Generator) -> Bodies:
    """Cells that lie flat on the ground: wide, long, with sharp ends, side by side."""
    return Bodies(
        ratio=float(rng.uniform(2.0, 3.6)),
        elongation=float(rng.uniform(0.2, 1)),
        roughness=float(rng.choice([0.7, 1.1, 1.5, 2.0])),
        doming=float(rng.uniform(0.12, 0.6)),
        offset=float(rng.uniform(0.1, 0.7)),
        exclusion=float(rng.uniform(0.6, 1)),
        grain=float(rng.uniform(0.05, 0.35)),
        grain_px=float(rng.choice([0.8, 1.2, 1.8, 2.7])),
        expression_spread=float(rng.uniform(0.15, 0.6)),
        silent=0.0 if rng.random() < 0.5 else float(rng.uniform(0, 0.15)),
    )


def light(rng: np.random.Generator, camera: Camera) -> Camera:
    """From twenty photons per pixel to plenty; most movies are background-subtracted, some saturate."""
    photons = float(np.exp(rng.uniform(np.log(20), np.log(400))))
    background = photons * float(rng.uniform(0.02, 0.3))
    level = camera.offset + camera.gain * background
    subtracted, saturation = 0.0, 65535
    if rng.random() < 0.6:
        subtracted = level + camera.gain * photons * float(rng.uniform(0, 0.2))
    if rng.random() < 0.3:
        saturation = int(np.clip(level - subtracted + camera.gain * photons * rng.uniform(1.5, 4), 64, 65535))
    return camera.changed(
        photons=photons,
        background=background,
        haze=float(rng.uniform(0, 0.3)),
        blur_px=float(rng.uniform(0.4, 1.4)),
        subtracted=subtracted,
        saturation=saturation,
    )


if __name__ == "__main__":
    main()
