"""Geometry: one drawn map serves image and labels alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from unfade.ops.warp import sample_image, sample_labels


@dataclass(frozen=True)
class Affine:
    """A drawn map from crop pixels to source pixels: source = matrix · (crop − crop centre) + centre."""

    matrix: tuple[tuple[float, float], tuple[float, float]]
    centre: tuple[float, float]  # y, x in the source
    size: tuple[int, int]  # height, width of the crop

    def positions(self) -> Tensor:
        """Source positions (y, x) of every crop pixel, `(2, H, W)`."""
        height, width = self.size
        y = torch.arange(height, dtype=torch.float32) - (height - 1) / 2
        x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
        (a, b), (c, d) = self.matrix
        return torch.stack(
            [
                a * y[:, None] + b * x[None, :] + self.centre[0],
                c * y[:, None] + d * x[None, :] + self.centre[1],
            ]
        )

    @property
    def zoom(self) -> float:
        """Crop pixels per source pixel."""
        (a, b), (c, d) = self.matrix
        return float(1.0 / np.sqrt(abs(a * d - b * c)))

    def image(self, image: np.ndarray) -> np.ndarray:
        """The crop `(C, H, W)` of an image `(C, Y, X)`, smoothed first where it shrinks."""
        image = smoothed(image, self.zoom)
        return sample_image(torch.from_numpy(np.ascontiguousarray(image)), self.positions()).numpy()

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """The crop `(L, H, W)` of labels `(L, Y, X)`, nearest neighbour; both are mirrored at the source's edge."""
        return sample_labels(torch.from_numpy(np.ascontiguousarray(labels, np.int32)), self.positions()).numpy()


def smoothed(image: np.ndarray, zoom: float) -> np.ndarray:
    """An image `(C, Y, X)` without the detail that one of `zoom` times its size cannot hold; as it is above 0.8."""
    if zoom >= 0.8:
        return image
    sigma = 0.45 * np.sqrt(1 / zoom**2 - 1)
    return ndimage.gaussian_filter(image, (0, sigma, sigma), mode="reflect")


def draw_affine(
    rng: np.random.Generator,
    shape: tuple[int, int],
    size: tuple[int, int],
    zoom: float,
    stretch: float = 0.1,
    turns: bool = True,
) -> Affine:
    """Rotation by any angle, a flip with probability 1/2, `zoom` with a stretch of up to ±`stretch`, a random place.

    Without `turns` there is no rotation, and the flip is horizontal.

    The crop's centre is drawn so that as much of the crop as possible lies within an image of `shape`.
    """
    angle = rng.uniform(0, 2 * np.pi) if turns else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    ratio = np.exp(rng.uniform(-stretch, stretch))
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix = ((cos * ratio, -sin * flip / ratio), (sin * ratio, cos * flip / ratio))
    centre = []
    for length, side in zip(shape, size, strict=True):
        half = side / zoom / 2
        low, high = min(half, length / 2), max(length - half, length / 2)
        centre.append(float(rng.uniform(low, high)))
    return Affine(matrix, (centre[0], centre[1]), size)
