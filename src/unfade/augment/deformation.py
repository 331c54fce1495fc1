"""Smooth random deformations with a known flow, for pairs of images that differ by nothing but motion.

Paper imperfect, section 3.3: image t + 1 is warped backward by a random smooth deformation and so becomes image t; the
deformation is then the true flow from t to t + 1. Ronneberger et al., "U-Net", section 3.1, for the deformations:
random displacements of a coarse grid of control points, interpolated smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unfade.ops.warp import sample_image, sample_labels


@dataclass(frozen=True)
class Deformation:
    """A drawn flow `(2, Y, X)` (y, x) in px: pixel p of the new image shows what lies at p + flow(p) in the old."""

    flow: Tensor

    def positions(self) -> Tensor:
        """Old positions of every new pixel, `(2, Y, X)`."""
        height, width = self.flow.shape[-2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return torch.stack([rows, columns]) + self.flow

    def image(self, image: np.ndarray) -> np.ndarray:
        """The earlier image `(C, Y, X)` of the later one."""
        return sample_image(torch.from_numpy(np.ascontiguousarray(image, np.float32)), self.positions()).numpy()

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """The earlier labels `(L, Y, X)`; nearest neighbour."""
        return sample_labels(torch.from_numpy(np.ascontiguousarray(labels, np.int32)), self.positions()).numpy()


def draw_deformation(
    rng: np.random.Generator, shape: tuple[int, int], points: int, magnitude_px: float, shift_px: float = 0.0
) -> Deformation:
    """Normal displacements of `points` × `points` control points, cubic in between, and a shift of the whole image.

    `magnitude_px` and `shift_px` are standard deviations per axis.
    """
    grid = rng.normal(0, magnitude_px, (1, 2, points, points)) + rng.normal(0, shift_px, (1, 2, 1, 1))
    coarse = torch.from_numpy(grid.astype(np.float32))
    return Deformation(F.interpolate(coarse, shape, mode="bicubic", align_corners=True)[0])
