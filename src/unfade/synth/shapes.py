"""Shapes: nuclei cut from stills or drawn, cell bodies and textures, each as a small patch in its own coordinates.

A nucleus is a signed distance and a texture on a grid that reaches `NUCLEUS_REACH` times its equivalent radius to each
side; the outline is where the distance is 0, so a patch can be turned, stretched and sheared below a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import ShapeError

Floats = NDArray[np.float32]

NUCLEUS_SIDE = 48
NUCLEUS_REACH = 1.9
BODY_REACH = 1.6
TILE_SIDE = 256
_BODIES = 24  # outlines of cells that a movie chooses from
_LEAST_PX = 60  # smaller nuclei of a still are too coarse to be enlarged


@dataclass(frozen=True)
class NucleusShapes:
    """K nuclei in units of their equivalent radius."""

    depth: Floats  # (K, S, S) signed distance to the outline, negative inside
    grain: Floats  # (K, S, S) texture, mean 1 inside

    def __len__(self) -> int:
        return len(self.depth)

    @classmethod
    def from_stills(
        cls, images: Iterable[NDArray[Any]], labels: Iterable[NDArray[Any]], most: int = 2000, seed: int = 0
    ) -> NucleusShapes:
        """Nuclei of stills `(Y, X)` with masks `(Y, X)`; those at the border, small or oddly shaped are left out.

        Of more than `most` nuclei, that many are drawn, evenly over all of them.

        Raises
        ------
        ShapeError
            If an image and its mask differ in size, or no nucleus can be used.
        """
        cuts = [cut for pair in zip(images, labels, strict=True) for cut in _cut(*pair)]
        order = np.random.default_rng(seed).permutation(len(cuts))[: 2 * most]
        found = [patch for patch in (_resampled(*cuts[n]) for n in order) if patch is not None][:most]
        if not found:
            raise ShapeError("None of the stills has a nucleus of 60 px or more that lies clear of the border.")
        return cls(np.stack([f[0] for f in found]), np.stack([f[1] for f in found]))

    @classmethod
    def drawn(cls, count: int = 64, seed: int = 0, roughness: float = 1.0) -> NucleusShapes:
        """Ovals with lobes, a wavy texture and nucleoli, for where no stills are at hand."""
        rng = np.random.default_rng(seed)
        axis = np.linspace(-NUCLEUS_REACH, NUCLEUS_REACH, NUCLEUS_SIDE, dtype=np.float32)
        y, x = np.meshgrid(axis, axis, indexing="ij")
        depth, grain = [], []
        for _ in range(count):
            radius = _outline(rng, y, x, roughness * np.array([0.13, 0.04, 0.025, 0.012]))
            shape = _unit_area(np.hypot(y, x) - radius)
            texture = 1 + 0.25 * _waves(rng, y, x)
            for spot in rng.uniform(-0.5, 0.5, (int(rng.integers(1, 4)), 2)):
                texture *= 1 - 0.6 * np.exp(-((y - spot[0]) ** 2 + (x - spot[1]) ** 2) / (2 * 0.17**2))
            depth.append(shape)
            grain.append(texture / texture[shape < 0].mean())
        return cls(np.stack(depth).astype(np.float32), np.stack(grain).astype(np.float32))


def _cut(image: NDArray[Any], labels: NDArray[Any]) -> list[tuple[Floats, NDArray[np.bool_]]]:
    if image.shape != labels.shape:
        raise ShapeError(f"A still of {image.shape} pixels cannot have a mask of {labels.shape} pixels.")
    light = image.astype(np.float32)
    light -= np.median(light[labels == 0]) if (labels == 0).any() else 0.0
    out = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True)):
            continue
        around = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in box)
        mask = ndimage.binary_fill_holes(labels[around] == label)
        if mask.sum() < _LEAST_PX:
            continue
        out.append((light[around], mask))
    return out


def _resampled(light: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats] | None:
    """One nucleus on the grid of its own radius, or None where it is no compact, lit object."""
    radius, middle = np.sqrt(mask.sum() / np.pi), ndimage.center_of_mass(mask)
    axis = np.linspace(-NUCLEUS_REACH, NUCLEUS_REACH, NUCLEUS_SIDE) * radius
    at = np.meshgrid(middle[0] + axis, middle[1] + axis, indexing="ij")
    inside = ndimage.map_coordinates(mask.astype(np.float32), at, order=1)
    inside = ndimage.gaussian_filter(inside, 1.0)
    soft = ndimage.distance_transform_edt(inside < 0.5) - ndimage.distance_transform_edt(inside >= 0.5)
    pitch = 2 * NUCLEUS_REACH / (NUCLEUS_SIDE - 1)
    depth = _unit_area(ndimage.gaussian_filter(soft.astype(np.float32), 1.0) * pitch)
    if depth.min() > -0.55 or (depth[[0, -1]] < 0.05).any() or (depth[:, [0, -1]] < 0.05).any():
        return None
    grain = ndimage.map_coordinates(light, at, order=1, mode="nearest")
    mean = float(grain[depth < 0].mean())
    if mean <= 0:
        return None
    grain = np.clip(grain / mean, 0.3, 2.5)
    return depth, np.asarray(grain / grain[depth < 0].mean(), np.float32)


def _unit_area(depth: NDArray[Any]) -> Floats:
    """Move the outline in or out until the patch covers the area of a circle of radius 1."""
    share = np.pi / (2 * NUCLEUS_REACH * NUCLEUS_SIDE / (NUCLEUS_SIDE - 1)) ** 2
    return np.asarray(depth - np.quantile(depth, share), np.float32)


def _outline(rng: np.random.Generator, y: Floats, x: Floats, size: NDArray[Any]) -> NDArray[Any]:
    """Radius of an irregular outline in the direction of each point; harmonics 2, 3, ... of the given sizes."""
    angle, radius = np.arctan2(y, x), np.ones_like(y)
    for k, spread in enumerate(size, start=2):
        radius += spread * rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return np.clip(radius, 0.5, 1.5)


def _waves(rng: np.random.Generator, y: Floats, x: Floats, count: int = 12) -> NDArray[Any]:
    out = np.zeros_like(y)
    for _ in range(count):
        ky, kx = rng.normal(0, 5.0, 2)
        out += np.cos(ky * y + kx * x + rng.uniform(0, 2 * np.pi))
    return np.asarray(out * np.sqrt(2 / count))


@lru_cache(maxsize=24)
def body_outlines(roughness: float, side: int) -> Floats:
    """Cells `(K, side, side)`: distance from the middle over the outline's radius there; half are spindles."""
    rng = np.random.default_rng(7)
    axis = np.linspace(-BODY_REACH, BODY_REACH, side, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    out = []
    for n in range(_BODIES):
        radius = _outline(rng, y, x, roughness * np.array([0.0, 0.12, 0.08, 0.05, 0.03]))
        if n % 2:  # points to both sides
            radius *= 0.82 + 0.45 * np.abs(np.cos(np.arctan2(y, x))) ** rng.uniform(3, 8)
        out.append(np.hypot(y, x) / np.clip(radius, 0.5, BODY_REACH))
    return np.stack(out).astype(np.float32)


@lru_cache(maxsize=64)
def grain_tile(seed: int, size_px: float) -> Floats:
    """A texture `(256, 256)` that repeats without a seam: mean 0, standard deviation 1, two sizes of grain."""
    rng = np.random.default_rng([11, seed])
    noise = rng.normal(size=(2, TILE_SIDE, TILE_SIDE)).astype(np.float32)
    fine = ndimage.gaussian_filter(noise[0], size_px * rng.uniform(0.6, 1.6, 2), mode="wrap")
    wide = ndimage.gaussian_filter(noise[1], 4 * size_px, mode="wrap")
    tile = fine / fine.std() + 0.8 * wide / wide.std()
    tile -= tile.mean()
    return np.asarray(tile / tile.std(), np.float32)
