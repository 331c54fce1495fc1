"""Cosine embedding loss: one direction per object, at right angles to those of its neighbours and of the background.

Paper hourglass, section 2.2, equations 1-6. Objects may be outlined in some frames and be mere dots in others: each
counts with the pixels it has. The sums over pixels only need the second moments `M_j = Σ e eᵀ` of the unit embeddings
of each object j, for `Σ_{p in j} cos(m, e_p)² = mᵀ M_j m`; so no table of objects by pixels is ever made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

UNKNOWN = -1  # label of pixels that may be background or object
SEGMENT = 256  # pixels of one object that are multiplied at once
SMALL = 1e-8  # norm below which a vector has no direction


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
    centre = _sums(centre, of_pixel, len(area)) / area[:, None]
    numbers = torch.full(flat.shape, -1, dtype=torch.long, device=flat.device)
    numbers[pixel] = of_pixel
    near = _near(numbers.view(labels.shape), batch, centre, reach_px)
    return Objects(pixel, of_pixel, area, batch, near)


def embedding_terms(embeddings: Tensor, labels: Tensor, objects: Objects) -> dict[str, Tensor]:
    """Equation 6 of embeddings `(B, L, d, Y, X)` as a sum of four terms, averaged over the batch.

    `within` and `between` are the means over objects of equations 3 and 4; `background` and `foreground` are the same
    two of the background, whose direction is fixed as (1, 0, …, 0). A term without pixels is 0.
    """
    unit = F.normalize(embeddings, dim=2, eps=SMALL)
    sequences, moments, mean = len(labels), *_moments(embeddings, unit, objects)
    area, near = objects.area.to(unit.dtype), objects.near.to(unit.dtype)
    direction = F.normalize(mean, dim=1, eps=SMALL)
    around = (near @ moments.flatten(1)).view_as(moments)
    within = 1 - _along(moments, direction) / area
    between = _along(around, direction) / (near @ area).clamp(min=1)
    share = 1 / torch.bincount(objects.batch, minlength=sequences).clamp(min=1)[objects.batch].to(unit.dtype)
    first = unit[:, :, 0].square()
    empty = (labels == 0).to(unit.dtype)
    around_empty = torch.zeros(sequences, dtype=unit.dtype, device=unit.device)
    covered = around_empty.index_add(0, objects.batch, area).clamp(min=1)
    foreground = around_empty.index_add(0, objects.batch, moments[:, 0, 0]) / covered
    count = empty.sum(dim=(1, 2, 3))
    background = (count > 0).to(unit.dtype) - (empty * first).sum(dim=(1, 2, 3)) / count.clamp(min=1)
    return {
        "within": (share * within).sum() / sequences,
        "between": (share * between).sum() / sequences,
        "background": background.mean(),
        "foreground": foreground.mean(),
    }


def _moments(embeddings: Tensor, unit: Tensor, objects: Objects) -> tuple[Tensor, Tensor]:
    """Second moments of the unit embeddings `(N, d, d)` and means of the embeddings (equation 5) `(N, d)`."""
    count, dimensions = len(objects.area), embeddings.shape[2]
    flat = unit.movedim(2, -1).reshape(-1, dimensions)[objects.pixel]
    mean = _sums(embeddings.movedim(2, -1).reshape(-1, dimensions)[objects.pixel], objects.of_pixel, count)
    start = torch.cumsum(objects.area, 0) - objects.area
    pieces = (objects.area + SEGMENT - 1) // SEGMENT
    owner = torch.repeat_interleave(torch.arange(count, device=flat.device), pieces)
    before = torch.cumsum(pieces, 0) - pieces
    place = torch.arange(len(owner), device=flat.device) - before[owner]
    row = (start[owner] + place * SEGMENT)[:, None] + torch.arange(SEGMENT, device=flat.device)
    inside = row < (start + objects.area)[owner][:, None]
    parts = flat[row.clamp(max=max(len(flat) - 1, 0))] * inside[..., None]
    return _sums(parts.transpose(1, 2) @ parts, owner, count), mean / objects.area[:, None]


def _along(moments: Tensor, direction: Tensor) -> Tensor:
    """`mᵀ M m` of each object, `(N,)`."""
    return torch.einsum("ni,nij,nj->n", direction, moments, direction)


def _sums(values: Tensor, owner: Tensor, count: int) -> Tensor:
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
