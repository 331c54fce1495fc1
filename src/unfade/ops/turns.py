"""Mirroring and right-angle turns of images, vectors and boxes, and their undoing."""

from __future__ import annotations

import torch
from torch import Tensor

Turn = tuple[bool, bool, bool]  # mirrored in y, mirrored in x, then axes swapped
TURNS: tuple[Turn, ...] = tuple((y, x, s) for s in (False, True) for y in (False, True) for x in (False, True))


def turned(image: Tensor, turn: Turn) -> Tensor:
    """An image `(…, Y, X)` mirrored, then its axes swapped."""
    axes = [axis for axis, mirror in zip((-2, -1), turn[:2], strict=True) if mirror]
    out = image.flip(axes) if axes else image
    return out.transpose(-2, -1) if turn[2] else out


def turned_back(maps: Tensor, turn: Turn) -> Tensor:
    """What `turned` did, undone."""
    out = maps.transpose(-2, -1) if turn[2] else maps
    axes = [axis for axis, mirror in zip((-2, -1), turn[:2], strict=True) if mirror]
    return out.flip(axes) if axes else out


def vectors_back(along_y: Tensor, along_x: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
    """Components of vectors, already `turned_back` as maps, in the directions of the image as it was."""
    if turn[2]:
        along_y, along_x = along_x, along_y
    return (-along_y if turn[0] else along_y), (-along_x if turn[1] else along_x)


def boxes_turned(boxes: Tensor, turn: Turn, height: int, width: int) -> Tensor:
    """Boxes `(N, 4)` x0 y0 x1 y1 of an image `(height, width)`, as they lie after `turned`."""
    x0, y0, x1, y1 = boxes.unbind(1)
    if turn[0]:
        y0, y1 = height - y1, height - y0
    if turn[1]:
        x0, x1 = width - x1, width - x0
    return _boxes(y0, x0, y1, x1) if turn[2] else _boxes(x0, y0, x1, y1)


def boxes_back(boxes: Tensor, turn: Turn, height: int, width: int) -> Tensor:
    """What `boxes_turned` did, undone; `height` and `width` are those of the image as it was."""
    x0, y0, x1, y1 = boxes.unbind(1)
    if turn[2]:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if turn[0]:
        y0, y1 = height - y1, height - y0
    if turn[1]:
        x0, x1 = width - x1, width - x0
    return _boxes(x0, y0, x1, y1)


def _boxes(*sides: Tensor) -> Tensor:

    return torch.stack(sides, dim=1)
