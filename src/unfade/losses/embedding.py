"""Cosine embedding loss: one direction per object, at right angles to those of its neighbours and of the background.

Paper hourglass, section 2.2, equations 1-6. Objects may be outlined in some frames and be mere dots in others: each
counts with the pixels it has. The sums over pixels only need the second moments `M_j = Σ e eᵀ` of the unit embeddings
of each object j, for `Σ_{p in j} cos(m, e_p)² = mᵀ M_j m`; so no table of objects by pixels is ever made.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unfade.ops.neighbours import Objects, find_objects, sums

__all__ = ["embedding_terms", "find_objects"]

SEGMENT = 256  # pixels of one object that are multiplied at once
SMALL = 1e-8  # norm below which a vector has no direction


def embedding_terms(embeddings: Tensor, labels: Tensor, objects: Objects) -> dict[str, Tensor]:
    """Equation 6 of embeddings `(B, L, d, Y, X)` as a sum of four terms, averaged over the batch.

    `within` and `between` are the means over objects of equations 3 and 4; `background` and `foreground` are the same
    two of the background, whose direction is fixed as (1, 0, …, 0). A term without pixels is 0.
    """
    flat = embeddings.movedim(2, -1).reshape(-1, embeddings.shape[2])
    norm = flat.norm(dim=1).clamp(min=SMALL)
    sequences, moments, mean = len(labels), *_moments(flat, norm, objects)
    area, near = objects.area.to(flat.dtype), objects.near.to(flat.dtype)
    direction = F.normalize(mean, dim=1, eps=SMALL)
    around = (near @ moments.flatten(1)).view_as(moments)
    within = 1 - _along(moments, direction) / area
    between = _along(around, direction) / (near @ area).clamp(min=1)
    share = 1 / torch.bincount(objects.batch, minlength=sequences).clamp(min=1)[objects.batch].to(flat.dtype)
    first = (flat[:, 0] / norm).square().view(labels.shape)
    empty = (labels == 0).to(flat.dtype)
    around_empty = torch.zeros(sequences, dtype=flat.dtype, device=flat.device)
    covered = around_empty.index_add(0, objects.batch, area).clamp(min=1)
    foreground = around_empty.index_add(0, objects.batch, moments[:, 0, 0]) / covered
    count = empty.sum(dim=(1, 2, 3))
    background = (count > 0).to(flat.dtype) - (empty * first).sum(dim=(1, 2, 3)) / count.clamp(min=1)
    return {
        "within": (share * within).sum() / sequences,
        "between": (share * between).sum() / sequences,
        "background": background.mean(),
        "foreground": foreground.mean(),
    }


def _moments(flat: Tensor, norm: Tensor, objects: Objects) -> tuple[Tensor, Tensor]:
    """Second moments of the unit embeddings `(N, d, d)` and means of the embeddings (equation 5) `(N, d)`.

    `flat` holds the embeddings of all pixels `(P, d)`, `norm` their lengths.
    """
    count, device = len(objects.area), flat.device
    start = torch.cumsum(objects.area, 0) - objects.area
    pieces = (objects.area + SEGMENT - 1) // SEGMENT
    owner = torch.repeat_interleave(torch.arange(count, device=device), pieces)
    before = torch.cumsum(pieces, 0) - pieces
    place = torch.arange(len(owner), device=device) - before[owner]
    row = (start[owner] + place * SEGMENT)[:, None] + torch.arange(SEGMENT, device=device)
    inside = row < (start + objects.area)[owner][:, None]
    pixel = objects.pixel[row.clamp(max=max(len(objects.pixel) - 1, 0))].flatten()
    parts = flat.index_select(0, pixel).view(*row.shape, flat.shape[1]) * inside[..., None]  # (pieces, SEGMENT, d)
    unit = parts / norm.index_select(0, pixel).view(*row.shape, 1)
    return sums(unit.transpose(1, 2) @ unit, owner, count), sums(parts.sum(dim=1), owner, count) / objects.area[:, None]


def _along(moments: Tensor, direction: Tensor) -> Tensor:
    """`mᵀ M m` of each object, `(N,)`."""
    return torch.einsum("ni,nij,nj->n", direction, moments, direction)
