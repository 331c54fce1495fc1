"""Intensity: what cameras, dyes and earlier processing do to a normalised image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Array = np.ndarray


def vary(rng: np.random.Generator, image: Array) -> Array:
    """A normalised image `(C, Y, X)` with drawn contrast, gamma, blur, noise, uneven light, clipping.

    Each part is drawn on its own, so that most images get few of them.
    """
    out = image.astype(np.float32, copy=True)
    if rng.random() < 0.5:  # gamma
        out = np.sign(out) * np.abs(out) ** np.exp(rng.uniform(-0.6, 0.6))
    if rng.random() < 0.25:  # out of focus
        sigma = rng.uniform(0.3, 1.8)
        out = ndimage.gaussian_filter(out, (0, sigma, sigma))
    if rng.random() < 0.15:  # uneven light
        out *= _slope(rng, out.shape[-2:], 0.6)
    if rng.random() < 0.15:  # haze from outside the focal plane
        wide = ndimage.gaussian_filter(out, (0, 12.0, 12.0))
        out = out + rng.uniform(0.2, 1.0) * wide
    if rng.random() < 0.35:  # camera noise, plain and fine-grained or correlated
        noise = rng.standard_normal(out.shape, np.float32)
        if rng.random() < 0.3:
            noise = ndimage.gaussian_filter(noise, (0, 0.7, 0.7)) * 2.0
        out = out + rng.uniform(0.01, 0.12) * noise
    if rng.random() < 0.2:  # shot noise
        photons = np.exp(rng.uniform(np.log(20), np.log(300)))
        out = rng.poisson(np.clip(out, 0, 4) * photons).astype(np.float32) / photons
    if rng.random() < 0.15:  # background subtracted and cut at zero
        out = np.maximum(out - rng.uniform(0.0, 0.15), 0)
    if rng.random() < 0.15:  # saturated
        out = np.minimum(out, rng.uniform(0.5, 1.0))
    out = out * np.exp(rng.uniform(-0.35, 0.35)) + rng.uniform(-0.08, 0.08)
    return np.asarray(np.clip(out, -1.0, 3.0), np.float32)


def textured(rng: np.random.Generator, image: Array, labels: Array) -> Array:
    """An image `(C, Y, X)` in which some objects of labels `(Y, X)` get patches or bright spots inside.

    Bright chromatin is not a nucleus of its own, and a dark cleft does not part two. Background stays as it is.
    """
    shape = labels.shape
    grain = np.exp(rng.uniform(np.log(1.5), np.log(6.0)))
    field = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), grain, mode="wrap")
    field /= max(float(field.std()), 1e-6)
    if rng.random() < 0.5:  # patches, brighter and darker
        factor = np.exp(rng.uniform(0.15, 0.5) * field)
    else:  # few spots, brighter alone
        factor = 1.0 + rng.uniform(0.3, 1.2) * np.maximum(field - 1.0, 0.0)
    chosen = rng.random(int(labels.max()) + 1) < rng.uniform(0.3, 1.0)
    chosen[0] = False
    inside = ndimage.gaussian_filter(chosen[labels].astype(np.float32), 0.7)
    return np.asarray(image * (1.0 + inside * (factor - 1.0)), np.float32)


def noise_only(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """A normalised frame `(C, Y, X)` with nothing in it but noise, as it looks after percentile scaling."""
    kind = rng.integers(4)
    out = rng.standard_normal(shape).astype(np.float32)
    if kind == 1:
        sigma = rng.uniform(0.5, 2.0)
        out = ndimage.gaussian_filter(out, (0, sigma, sigma))
    elif kind == 2:
        out = rng.poisson(np.exp(rng.uniform(np.log(0.05), np.log(30))), shape).astype(np.float32)
    elif kind == 3:
        out += rng.uniform(0.5, 4.0) * _slope(rng, shape[-2:], 1.0)
    low, high = np.percentile(out, (1.0, 99.8))
    return np.asarray(np.clip((out - low) / max(high - low, 1e-6), -1.0, 3.0), np.float32)


def _slope(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Array:
    """A smooth field around 1: a tilted plane with a bulge."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    a, b, c = rng.uniform(-strength, strength, 3)
    return np.asarray(np.clip(1 + 0.5 * (a * y + b * x) - 0.3 * abs(c) * (x * x + y * y), 0.1, None), np.float32)
