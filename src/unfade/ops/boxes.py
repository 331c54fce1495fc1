"""Boxes `(N, 4)` x0 y0 x1 y1 in pixels, the end exclusive: from label images, over label images, and merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def boxes_of(labels: Tensor, least_px: int = 1) -> tuple[Tensor, Tensor]:
    """Ids `(N,)` ascending and boxes `(N, 4)` float of the objects of `(Y, X)` with at least `least_px` pixels."""
    ids, place, count = torch.unique(labels, return_inverse=True, return_counts=True)
    place, width = place.flatten(), labels.shape[1]
    at = torch.arange(labels.numel(), device=labels.device)
    y, x = at // width, at % width
    low = torch.full((2, len(ids)), labels.numel(), dtype=torch.long, device=labels.device)
    high = torch.zeros_like(low)
    for row, value in enumerate((x, y)):
        low[row].scatter_reduce_(0, place, value, "amin")
        high[row].scatter_reduce_(0, place, value + 1, "amax")
    keep = (ids > 0) & (count >= least_px)
    return ids[keep], torch.cat([low, high]).T[keep].float()


def sampled(images: Tensor, which: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Values of `images (B, Y, X)` at a grid of `side` × `side` points inside each box `(N, side, side)`.

    `which (N,)` tells the image of each box. The grid cuts the box into equal parts and takes the pixel that holds
    the middle of each part; parts outside the image take the nearest pixel.
    """
    middle = (torch.arange(side, device=boxes.device, dtype=torch.float32) + 0.5) / side
    x0, y0, x1, y1 = boxes.float().unbind(1)
    y = (y0[:, None] + middle * (y1 - y0)[:, None]).floor().long().clamp(0, images.shape[1] - 1)
    x = (x0[:, None] + middle * (x1 - x0)[:, None]).floor().long().clamp(0, images.shape[2] - 1)
    return images[which[:, None, None], y[:, :, None], x[:, None, :]]


@dataclass(frozen=True)
class Merged:
    """Boxes that several members agree on."""

    boxes: Tensor  # (N, 4) mean of the members' boxes, weighted by score
    scores: Tensor  # (N,) mean over all members; one that did not find it counts as 0
    votes: Tensor  # (N,) members that found it


def merged_boxes(boxes: Sequence[Tensor], scores: Sequence[Tensor], votes: int = 2, least_iou: float = 0.5) -> Merged:
    """One box for what several members found in the same place, best score first.

    Paper imperfect, 4: "Ensembling was performed over bounding boxes". The surest box left gathers from every other
    member the box that overlaps it most, if by `least_iou` and no other box left of its own member overlaps that more;
    found by fewer than `votes` members, it is left out.
    """
    from torchvision.ops import box_iou

    every, score = torch.cat(list(boxes)), torch.cat(list(scores))
    member = torch.cat([torch.full((len(b),), k, device=every.device) for k, b in enumerate(boxes)])
    overlap = box_iou(every, every)
    free = torch.ones(len(every), dtype=torch.bool, device=every.device)
    found: list[tuple[Tensor, Tensor, int]] = []
    for n in score.argsort(descending=True, stable=True).tolist():
        if not free[n]:
            continue
        own = free & (member == member[n])
        chosen = [n]
        for k in range(len(boxes)):
            near = torch.nonzero(free & (member == k) & (overlap[n] >= least_iou))[:, 0]
            if k != int(member[n]) and len(near):
                mine = near[overlap[n, near] >= overlap[own][:, near].amax(dim=0)]  # no other of its own fits better
                chosen += [int(mine[overlap[n, mine].argmax()])] if len(mine) else []
        free[chosen] = False
        if len(chosen) >= votes:
            weight = score[chosen, None]
            found.append(((every[chosen] * weight).sum(0) / weight.sum(), score[chosen].sum(), len(chosen)))
    if not found:
        return Merged(every[:0], score[:0], member[:0])
    out = torch.stack([f[0] for f in found]), torch.stack([f[1] for f in found]) / len(boxes)
    order = out[1].argsort(descending=True, stable=True)
    return Merged(out[0][order], out[1][order], torch.tensor([f[2] for f in found], device=every.device)[order])
