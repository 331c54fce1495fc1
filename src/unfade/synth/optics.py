"""Concentrations to counts: focus, haze, illumination, bleaching, photons and the camera's own noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.synth.settings import Camera

Floats = NDArray[np.float32]


def expose(concentration: Floats, t: int, camera: Camera) -> Floats:
    """Expected photons per pixel of frame `t` from concentrations `(Y, X)`; without haze and loss the sum is kept."""
    sharp = ndimage.gaussian_filter(concentration, camera.blur_px, mode="constant", truncate=6.0)
    if camera.haze > 0:
        wide = ndimage.gaussian_filter(concentration, camera.haze_px, mode="constant")
        sharp = (1 - camera.haze) * sharp + camera.haze * wide
    alive = (1 - camera.bleaching) ** t
    photons = camera.photons * alive * sharp + camera.background
    return np.asarray(photons * illumination(concentration.shape, camera.unevenness), np.float32)


def illumination(shape: tuple[int, ...], unevenness: float) -> Floats:
    """Share of the light that reaches each pixel: 1 a little off the centre, `1 - unevenness` in the far corners."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] - np.float32(0.1)
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None] + np.float32(0.15)
    fall = (y**2 + x**2) / (1.1**2 + 1.15**2)
    return np.asarray(1 - unevenness * fall, np.float32)


def record(photons: Floats, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Counts of a camera that sees these photons: Poisson, then read noise, gain, offset, 16 bits."""
    seen: NDArray[Any] = rng.poisson(photons) + rng.normal(0, camera.read_noise, photons.shape)
    return np.clip(np.rint(camera.offset + camera.gain * seen), 0, 65535).astype(np.uint16)
