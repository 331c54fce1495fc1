"""Random appearances of reporter movies: one draw is one microscope, one cell line and one experiment."""

from __future__ import annotations

import numpy as np

from unfade.synth.fading import (
    Bodies,
    Debris,
    Deformation,
    Nuclei,
    TimeCourse,
    TranslocationSettings,
    When,
)
from unfade.synth.settings import Camera


def draw_settings(
    rng: np.random.Generator,
    frames: int = 9,
    size_px: int = 128,
    diameter_px: tuple[float, float] = (14.0, 24.0),
) -> TranslocationSettings:
    """Settings of one movie of a square field; nuclei have a median diameter in the given range."""
    diameter = float(np.exp(rng.uniform(*np.log(diameter_px))))
    coverage = rng.uniform(0.05, 0.32)
    return TranslocationSettings(
        frames=frames,
        height_px=size_px,
        width_px=size_px,
        seed=int(rng.integers(2**31)),
        course=_course(rng, frames),
        nuclei=Nuclei(
            coverage=coverage,
            diameter_px=diameter,
            diameter_spread=rng.uniform(0.05, 0.22),
            spacing=rng.uniform(0.9, 1.3),
            texture=rng.uniform(0, 0.9),
            residue=0.0 if rng.random() < 0.5 else rng.uniform(0, 0.5),
            division_rate=0.0 if rng.random() < 0.7 else rng.uniform(0, 0.02),
        ),
        bodies=_bodies(rng, coverage),
        deformation=_deformation(rng, diameter),
        debris=Debris(density=0.0 if rng.random() < 0.5 else rng.uniform(0, 2), diameter_px=rng.uniform(3, diameter)),
        camera=_camera(rng),
    )


def _course(rng: np.random.Generator, frames: int) -> TimeCourse:
    """Bright to dim, dim to bright, through the point of invisibility, at it all along, or at rest."""
    bright, dim = np.exp(rng.uniform(0.1, 1.1)), np.exp(rng.uniform(-0.6, 0.2))
    before, after = (bright, dim) if rng.random() < 0.85 else (dim, bright)
    start = float(rng.uniform(-0.5 * frames, frames))
    stimulus: When = "never" if rng.random() < 0.1 else start
    recovery: When = start + float(rng.uniform(1, frames)) if rng.random() < 0.35 else "never"
    return TimeCourse(
        ratio_before=before,
        before_spread=rng.uniform(0, 0.3),
        ratio_after=after,
        after_spread=rng.uniform(0, 0.2),
        stimulus_frame=stimulus,
        export_frames=rng.uniform(0, 4),
        recovery_frame=recovery,
        recovery_frames=rng.uniform(0.5, 6),
        delay_frames=0.0 if rng.random() < 0.5 else rng.uniform(0, 3),
        responders=1.0 if rng.random() < 0.5 else rng.uniform(0.6, 1),
    )


def _bodies(rng: np.random.Generator, coverage: float) -> Bodies:
    """Cells that lie apart up to cells that fill the field more than twice over."""
    filled = np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
    return Bodies(
        ratio=float(np.clip(np.sqrt(filled / coverage), 1.5, 2.8)),
        elongation=rng.uniform(0, 0.5),
        roughness=float(rng.choice([0.3, 0.7, 1.1, 1.5])),  # few, so that outlines are kept for reuse
        doming=rng.uniform(0.15, 1.2),
        offset=rng.uniform(0.2, 1),
        exclusion=rng.uniform(0, 1),
        grain=rng.uniform(0, 0.4),
        grain_px=float(rng.choice([0.8, 1.2, 1.8, 2.7, 4.0])),
        expression_spread=rng.uniform(0.1, 0.7),
        silent=0.0 if rng.random() < 0.6 else rng.uniform(0, 0.1),
    )


def _deformation(rng: np.random.Generator, diameter: float) -> Deformation:
    return Deformation(
        speed_px=diameter * rng.uniform(0, 0.08),
        persistence=rng.uniform(0.2, 0.9),
        turn_rad=rng.uniform(0, 0.08),
        stretch=rng.uniform(0, 0.04),
        shear=rng.uniform(0, 0.04),
        drift_px=0.0 if rng.random() < 0.5 else rng.uniform(0, 1),
    )


def _camera(rng: np.random.Generator) -> Camera:
    """From a handful of photons per pixel to plenty; half of the movies are background-subtracted and cut at 0."""
    photons = float(np.exp(rng.uniform(np.log(6), np.log(400))))
    background = photons * rng.uniform(0.02, 0.5)
    gain, offset = float(np.exp(rng.uniform(np.log(1), np.log(60)))), rng.uniform(0, 200)
    subtracted, saturation = 0.0, 65535
    if rng.random() < 0.5:
        subtracted = offset + gain * (background + photons * rng.uniform(0, 0.3))
    if rng.random() < 0.3:
        saturation = int(min(offset + gain * (background + photons * rng.uniform(1.5, 5)), 65535))
    return Camera(
        photons=photons,
        background=background,
        blur_px=rng.uniform(0.4, 2.0),
        haze=rng.uniform(0, 0.6),
        haze_px=rng.uniform(5, 25),
        unevenness=rng.uniform(0, 0.4),
        bleaching=0.0 if rng.random() < 0.3 else rng.uniform(0, 0.03),
        read_noise=rng.uniform(0, 4),
        flicker=0.0 if rng.random() < 0.5 else rng.uniform(0, 0.1),
        refocus_px=0.0 if rng.random() < 0.6 else rng.uniform(0, 0.6),
        smoothed_px=0.0 if rng.random() < 0.6 else rng.uniform(0.2, 0.8),
        offset=offset,
        gain=gain,
        subtracted=subtracted,
        saturation=max(saturation, 64),
    )
