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


def camera_at(camera: Camera, t: int, seed: int) -> Camera:
    """The camera of frame `t`: light that flickers and a focus that wanders, both 0 unless asked for."""
    if camera.flicker == 0 and camera.refocus_px == 0:
        return camera
    light, focus = np.random.default_rng([seed, 4, t]).normal(size=2)
    return camera.changed(
        photons=camera.photons * float(np.exp(camera.flicker * light)),
        blur_px=camera.blur_px + camera.refocus_px * float(abs(focus)),
    )


def illumination(shape: tuple[int, ...], unevenness: float) -> Floats:
    """Share of the light that reaches each pixel: 1 a little off the centre, `1 - unevenness` in the far corners."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] - np.float32(0.1)
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None] + np.float32(0.15)
    fall = (y**2 + x**2) / (1.1**2 + 1.15**2)
    return np.asarray(1 - unevenness * fall, np.float32)


def record(photons: Floats, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Counts of a camera that sees these photons: Poisson, read noise, gain, offset; smoothed, subtracted, cut."""
    seen: NDArray[Any] = rng.poisson(photons) + rng.normal(0, camera.read_noise, photons.shape)
    if camera.smoothed_px > 0:
        seen = ndimage.gaussian_filter(seen, (0, *[camera.smoothed_px] * 2), mode="nearest")
    counts = np.minimum(np.rint(camera.offset + camera.gain * seen), camera.saturation)
    return np.maximum(np.rint(counts - camera.subtracted), 0).astype(np.uint16)


def expose_canvas(canvas: Floats, t: int, camera: Camera, margin: int) -> Floats:
    """As `expose`, of a canvas that reaches `margin` px beyond the field; haze is made on every fourth pixel."""
    field = (canvas.shape[0] - 2 * margin, canvas.shape[1] - 2 * margin)
    rim = min(int(np.ceil(4 * camera.blur_px)) + 1, margin)
    near = slice(margin - rim, -(margin - rim) or None)
    sharp = ndimage.gaussian_filter(canvas[near, near], camera.blur_px, mode="nearest")[rim:-rim, rim:-rim]
    if camera.haze > 0:
        sharp = (1 - camera.haze) * sharp + camera.haze * _haze(canvas, camera.haze_px, margin)
    alive = (1 - camera.bleaching) ** t
    photons = camera.photons * alive * sharp + camera.background
    return np.asarray(photons * illumination(field, camera.unevenness), np.float32)


def _haze(canvas: Floats, spread_px: float, margin: int) -> Floats:
    """Light out of focus over the field; the canvas goes on beyond its rim as it ends."""
    coarse = 4
    padded = np.pad(canvas, [(0, -n % coarse) for n in canvas.shape], mode="edge")
    blocks = padded.reshape(padded.shape[0] // coarse, coarse, padded.shape[1] // coarse, coarse).mean((1, 3))
    wide = ndimage.gaussian_filter(blocks, spread_px / coarse, mode="nearest")
    lines = [(np.arange(margin, n - margin) - (coarse - 1) / 2) / coarse for n in canvas.shape]
    for axis, line in enumerate(lines):  # linear between the blocks' middles
        first = np.clip(np.floor(line).astype(int), 0, wide.shape[axis] - 2)
        share = np.clip(line - first, 0, 1).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        low, high = wide.take(first, axis), wide.take(first + 1, axis)
        wide = low + (high - low) * share
    return np.asarray(wide, np.float32)
