"""Sampling images and labels at real-valued positions: one grid for both, shared by synth, augment and repair."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def sample_image(image: Tensor, at: Tensor, padding: str = "reflection") -> Tensor:
    """Bilinear values of `image (C, Y, X)` at pixel positions `at (2, H, W)` (y, x) -> `(C, H, W)`."""
    grid = _grid(at, image.shape[-2:])
    return F.grid_sample(image[None], grid, mode="bilinear", padding_mode=padding, align_corners=True)[0]


def sample_labels(labels: Tensor, at: Tensor, padding: str = "reflection") -> Tensor:
    """Nearest labels of `labels (L, Y, X)` at `at (2, H, W)` -> `(L, H, W)` int32; exact for labels below 2^24."""
    grid = _grid(at, labels.shape[-2:])
    out = F.grid_sample(labels[None].float(), grid, mode="nearest", padding_mode=padding, align_corners=True)[0]
    return out.to(torch.int32)


def _grid(at: Tensor, size: torch.Size) -> Tensor:
    height, width = size
    y = at[0] * (2.0 / max(height - 1, 1)) - 1
    x = at[1] * (2.0 / max(width - 1, 1)) - 1
    return torch.stack([x, y], dim=-1)[None]


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image `(Y, X)` at another size, bilinear, smoothed first where it shrinks."""
    if image.shape == size:
        return image
    given = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    out: np.ndarray = F.interpolate(given, size, mode="bilinear", antialias=True, align_corners=False)[0, 0].numpy()
    return out


def resized_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels `(…, Y, X)` at another size: each pixel takes the label at its middle.

    Where both sides shrink it takes the one that most of four places around its middle have, so that nothing is moved.
    """
    if size[0] < labels.shape[-2] and size[1] < labels.shape[-1]:
        four = np.sort(np.stack([_picked(labels, size, y, x) for y in (0.25, 0.75) for x in (0.25, 0.75)]), axis=0)
        low, high = four[0] == four[1], four[2] == four[3]
        even = np.add.outer(np.arange(size[0]), np.arange(size[1])) % 2 == 0  # two against two: now one, now the other
        most = np.where(low & (~high | even), four[0], np.where(high, four[2], four[1]))
        return np.ascontiguousarray(np.where(four[1] == four[2], four[1], most))
    return np.ascontiguousarray(_picked(labels, size, 0.5, 0.5))


def _picked(labels: np.ndarray, size: tuple[int, int], y: float, x: float) -> np.ndarray:
    """Labels at the places `y`, `x` (0..1) inside the pixels of another size."""
    rows, columns = (
        np.minimum((np.arange(new) + at) * old / new, old - 1).astype(int)
        for new, old, at in zip(size, labels.shape[-2:], (y, x), strict=True)
    )
    picked: np.ndarray = labels[..., rows[:, None], columns]
    return picked
