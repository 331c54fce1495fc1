"""Sampling images and labels at real-valued positions: one grid for both, shared by synth, augment and repair."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

PLACES = 4  # per side of a pixel, whose labels are counted where labels shrink


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
    """Labels `(…, Y, X)` at another size; nothing is moved, and of labels only those near by are taken.

    Where both sides shrink, a pixel takes the label that most of 4×4 places in it have. Else it takes the one with the
    largest part in a bilinear mean of the four pixels around its middle.
    """
    shape = labels.shape[-2:]
    if shape == size:
        return labels.copy()
    way = _shrunk if size[0] < shape[0] and size[1] < shape[1] else _grown
    out = np.empty((*labels.shape[:-2], *size), labels.dtype)
    for image, into in zip(labels.reshape(-1, *shape), out.reshape(-1, *size), strict=True):
        into[:] = way(image, size)
    return out


def _shrunk(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    places = (np.arange(PLACES) + 0.5) / PLACES
    rows, columns = (_within(places, old, new) for old, new in zip(labels.shape, size, strict=True))
    each = np.stack([labels[y[:, None], x] for y in rows for x in columns])
    out: np.ndarray = each[0].copy()
    mixed = np.nonzero((each[1:] != each[0]).any(axis=0))
    out[mixed] = _most(each[:, mixed[0], mixed[1]], np.ones((len(each), 1), np.float32), (mixed[0] + mixed[1]) % 2 == 0)
    return out


def _grown(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (y, dy), (x, dx) = (_around(old, new) for old, new in zip(labels.shape, size, strict=True))
    out: np.ndarray = labels[
        y[(dy > 0.5).astype(int), np.arange(size[0])][:, None], x[(dx > 0.5).astype(int), np.arange(size[1])]
    ]
    open_ = np.maximum(dy, 1 - dy)[:, None] * np.maximum(dx, 1 - dx) <= 0.5  # elsewhere the nearest has most
    if open_.any():
        each = np.stack([labels[row[:, None], column] for row in y for column in x])
        mixed = np.nonzero(open_ & (each[1:] != each[0]).any(axis=0))
        down, right = dy[mixed[0]], dx[mixed[1]]
        part = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
        out[mixed] = _most(each[:, mixed[0], mixed[1]], part, (mixed[0] + mixed[1]) % 2 == 0)
    return out


def _most(each: np.ndarray, part: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The label with the largest sum of `part` among `each (n, P)`; of equal ones the first or the last found."""
    votes = ((each[:, None] == each[None]) * part[None]).sum(axis=1)
    best = np.where(first, votes.argmax(axis=0), len(each) - 1 - votes[::-1].argmax(axis=0))
    most: np.ndarray = np.take_along_axis(each, best[None], axis=0)[0]
    return most


def _within(places: np.ndarray, old: int, new: int) -> np.ndarray:
    """Old pixels `(n, new)` at `places` (0..1) inside the new ones."""
    at: np.ndarray = np.minimum((np.arange(new) + places[:, None]) * old / new, old - 1).astype(int)
    return at


def _around(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """The two old pixels `(2, new)` about the middle of each new one, and how far it lies towards the second, 0..1."""
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(at.astype(int), max(old - 2, 0))
    return np.stack([low, np.minimum(low + 1, old - 1)]), (at - low).astype(np.float32)
