"""Objects of label sequences in torch: whose each pixel is, and which objects lie near which."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objects:
    """The objects of a batch of label sequences: which pixels are whose, and who is near whom."""

    pixel: Tensor  # (P,) flat places of all object pixels in (B, L, Y, X), sorted by object
    of_pixel: Tensor  # (P,) object of each, 0..N-1
    area: Tensor  # (N,) pixels over all frames
    batch: Tensor  # (N,) sequence in the batch
    near: Tensor  # (N, N) bool: column is a neighbour of row


def find_objects(labels: Tensor, reach_px: float) -> Objects:
    """Objects of label sequences `(B, L, Y, X)`; 0 is background, negative is unknown, ids persist within a sequence.

    j is a neighbour of i if in any frame of the sequence a pixel of j lies less than `reach_px` from the centre of
    gravity of all pixels of i.
    """
    frames, height, width = labels.shape[1:]
    flat = labels.reshape(-1)
    pixel = torch.nonzero(flat > 0)[:, 0]
    sequence = pixel // (frames * height * width)
    span = int(flat.max().clamp(min=0)) + 1
    key, of_pixel, area = torch.unique(sequence * span + flat[pixel], return_inverse=True, return_counts=True)
    order = torch.argsort(of_pixel, stable=True)
    pixel, of_pixel = pixel[order], of_pixel[order]
    batch = key // span
    centre = torch.stack([(pixel // width) % height, pixel % width], dim=1).double()
    centre = sums(centre, of_pixel, len(area)) / area[:, None]
    numbers = torch.full(flat.shape, -1, dtype=torch.long, device=flat.device)
    numbers[pixel] = of_pixel
    near = _near(numbers.view(labels.shape), batch, centre, reach_px)
    return Objects(pixel, of_pixel, area, batch, near)


def sums(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Sum of `values (P, …)` per owner 0..count-1, `(count, …)`."""
    return torch.zeros(count, *values.shape[1:], dtype=values.dtype, device=values.device).index_add(0, owner, values)


def _near(numbers: Tensor, batch: Tensor, centre: Tensor, reach_px: float) -> Tensor:
    """Who has a pixel in the disk around whose centre, `(N, N)`; frame by frame over the disks of all objects."""
    count, device = len(batch), numbers.device
    height, width = numbers.shape[-2:]
    side = torch.arange(-math.ceil(reach_px), math.ceil(reach_px) + 1, device=device)
    dy, dx = side.repeat_interleave(len(side)), side.repeat(len(side))
    middle = centre.round().long()
    y, x = middle[:, :1] + dy, middle[:, 1:] + dx
    inside = (y - centre[:, :1]) ** 2 + (x - centre[:, 1:]) ** 2 < reach_px**2
    inside &= (y >= 0) & (y < height) & (x >= 0) & (x < width)
    who, spot = torch.nonzero(inside, as_tuple=True)
    place = y[who, spot] * width + x[who, spot]
    near = torch.zeros(count * (count + 1), dtype=torch.bool, device=device)
    for t in range(numbers.shape[1]):
        other = numbers[:, t].flatten(1)[batch[who], place]
        near[who * (count + 1) + torch.where(other < 0, count, other)] = True
    near = near.view(count, count + 1)[:, :count]
    return near & ~torch.eye(count, dtype=torch.bool, device=device)
