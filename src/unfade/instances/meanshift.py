"""Mean shift with a flat kernel, all seeds at once, in torch: clusters of many vectors in bounded memory.

Comaniciu and Meer, IEEE TPAMI 24, 2002. Modes are found on a drawn part of the vectors, from one seed per occupied bin
of the kernel's size; seeds that meet go on as one. Vectors that no mode reaches seed again. Then every vector takes
the nearest mode. The draw is fixed by its seed, so that the same vectors give the same clusters.
"""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLES = 2048  # vectors that modes are found on
SEEDS = 128  # that are moved at once
ROUNDS = 4  # of seeding what no mode has reached
STEPS = 40  # of one seed at most
FEW = 0.005  # share of the vectors that may be left without a mode, or that is too few to seed again for
STILL = 1e-2  # of the radius: a seed that moves less has arrived
SAME = 1e-2  # of the radius: seeds nearer than that go on as one
CHUNK = 1 << 22  # distances in memory at once


def mean_shift(vectors: Tensor, radius: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Cluster of each vector `(N,)` and modes `(K, D)`, the densest first, of vectors `(N, D)`."""
    modes, _ = find_modes(vectors, radius, seed)
    return nearest(vectors, modes)[0], modes


def find_modes(vectors: Tensor, radius: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Modes `(K, D)` of the density of vectors `(N, D)` under a flat kernel of `radius`, and their densities `(K,)`.

    The modes that were found first come first, the denser before the others.
    """
    points = _drawn(vectors, seed)
    modes, left = points[:0], points
    for _ in range(ROUNDS if len(points) else 0):
        found, count = _shifted(_seeds(left, radius), points, radius)
        modes = distinct(torch.cat([modes, found[torch.argsort(count, descending=True, stable=True)]]), radius)
        before, left = len(left), points[nearest(points, modes)[1] > radius**2]
        if len(left) <= FEW * len(points) or before - len(left) <= FEW * len(points):
            break
    return modes, (_squared(modes, points) <= radius**2).sum(dim=1)


def distinct(modes: Tensor, radius: float) -> Tensor:
    """Modes `(K, D)` in their order, without those within `radius` of an earlier one."""
    close = _squared(modes, modes) < radius**2
    kept = torch.ones(len(modes), dtype=torch.bool)
    for k, row in enumerate(close.cpu()):
        if kept[k]:
            kept[k + 1 :] &= ~row[k + 1 :]
    return modes[kept.to(modes.device)]


def nearest(vectors: Tensor, modes: Tensor) -> tuple[Tensor, Tensor]:
    """Place of the nearest mode `(N,)` and the squared distance to it `(N,)`."""
    if len(vectors) == 0:
        return vectors.new_zeros(0, dtype=torch.long), vectors.new_zeros(0)
    each = max(1, CHUNK // max(len(modes), 1))
    parts = [torch.min(_squared(part, modes), dim=1) for part in torch.split(vectors, each)]
    return torch.cat([p.indices for p in parts]), torch.cat([p.values for p in parts])


def densest(unit: Tensor, directions: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Place `(N,)` of the first of `directions (K, D)` within `bandwidth` of 1 − cosine, of the nearest without one.

    Both are unit vectors; also gives the cosines `(N,)`.
    """
    each = max(1, CHUNK // max(len(directions), 1))
    places, cosines = [unit.new_zeros(0, dtype=torch.long)], [unit.new_zeros(0)]
    for part in torch.split(unit, each):
        cosine = part @ directions.T
        place = (cosine >= 1 - bandwidth).to(torch.uint8).argmax(dim=1)
        found = cosine.gather(1, place[:, None])[:, 0]
        lost = torch.nonzero(found < 1 - bandwidth)[:, 0]
        found[lost], place[lost] = cosine[lost].max(dim=1)
        places.append(place)
        cosines.append(found)
    return torch.cat(places), torch.cat(cosines)


def _drawn(vectors: Tensor, seed: int) -> Tensor:
    """At most `SAMPLES` of the vectors."""
    if len(vectors) <= SAMPLES:
        return vectors
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
    return vectors[order[:SAMPLES].sort().values.to(vectors.device)]


def _seeds(points: Tensor, radius: float) -> Tensor:
    """Means of the fullest bins of the kernel's size, `(at most SEEDS, D)`."""
    place, count = _binned(points, radius)
    mean = points.new_zeros(len(count), points.shape[1]).index_add(0, place, points) / count[:, None]
    return mean[torch.argsort(count, descending=True, stable=True)[:SEEDS]]


def _shifted(seeds: Tensor, points: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Where the seeds arrive, and how many points lie within the radius there."""
    there, counts, moving = [], [], seeds
    bound = 0.5 * (points.square().sum(dim=1) - radius**2)  # |a − b|² ≤ r² is a·b ≥ |a|²/2 + (|b|² − r²)/2
    for step in range(STEPS):
        inside = (moving @ points.T >= 0.5 * moving.square().sum(dim=1)[:, None] + bound).to(points.dtype)
        count = inside.sum(dim=1)
        mean = torch.where(count[:, None] > 0, inside @ points / count[:, None].clamp(min=1), moving)
        done = ((mean - moving).square().sum(dim=1) < (STILL * radius) ** 2) | (step == STEPS - 1)
        there.append(mean[done])
        counts.append(count[done])
        moving = mean[~done]
        if len(moving) == 0:
            break
        place, met = _binned(moving, SAME * radius)
        moving = moving.new_zeros(len(met), moving.shape[1]).index_add(0, place, moving) / met[:, None]
    return torch.cat(there), torch.cat(counts)


def _binned(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """Number of the bin of `size` that each point falls in `(N,)`, and the points in each `(bins,)`."""
    cell = torch.round(points / size).long()
    odd = torch.arange(1, points.shape[1] + 1, device=points.device) * 0x9E3779B97F4A7C1 | 1  # spreads cells over int64
    _, place, count = torch.unique((cell * odd).sum(dim=1), return_inverse=True, return_counts=True)
    return place, count.to(points.dtype)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances `(N, M)`."""
    return (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * (a @ b.T)).clamp_(min=0)
