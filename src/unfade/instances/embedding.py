"""Embeddings of pixels to objects by clustering, and objects to ideal embeddings.

Paper hourglass, section 2.3: pixels whose squared cosine with the background's direction (1, 0, …, 0) is over 0.5 are
background; the others are clustered by their direction and their place times a factor; objects below a least area are
dropped. On unit vectors |a − b|² = 2 (1 − cos), so that a bandwidth h in cosine is a flat kernel of radius √(2h) on the
vectors [unit embedding, c·y, c·x].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from skimage.measure import label as components
from torch import Tensor
from torch.nn import functional as F

from unfade.errors import MissingExtraError, ShapeError
from unfade.instances.meanshift import densest, distinct, find_modes
from unfade.ops.neighbours import find_objects, sums
from unfade.ops.overlap import contingency
from unfade.ops.relabel import areas, remap
from unfade.records import Instances, LabelImage
from unfade.settings import Settings

WINDOW_PX = 256  # frames are searched for clusters in windows of this side


class ClusterSettings(Settings):
    """How embeddings become objects."""

    method: Literal["meanshift", "hdbscan"] = Field("meanshift", description="meanshift, or hdbscan of scikit-learn")
    bandwidth: float = Field(0.1, gt=0, le=1, description="h of the paper: 1 − cosine within which directions are one")
    coordinate: float = Field(0.005, gt=0, description="c of the paper: weight of a pixel's place, per px")
    background: float = Field(0.5, gt=0, lt=1, description="squared cosine above which a pixel is background")
    min_area_px: float = Field(
        50.0, ge=0, description="t_size of the paper: smaller objects of a frame are dropped, px"
    )
    edge_share: float = Field(0.2, ge=0, le=1, description="share of that area that suffices where the border cuts")
    reach_px: float = Field(
        50.0, gt=0, description="r_N of the paper: objects nearer than this have other directions, px"
    )
    fill_px: float = Field(3.0, ge=0, description="pixels of pieces left out go to an object within this distance, px")
    min_cluster: int = Field(100, ge=2, description="least pixels of a cluster (hdbscan)")
    most_pixels: int = Field(20_000, ge=100, description="pixels that hdbscan sees at most; others take the nearest")


def cluster(maps: NDArray[np.float32] | Tensor, settings: ClusterSettings = ClusterSettings()) -> Instances:
    """Objects of embeddings `(k, d, Y, X)`: equal ids in the k frames are the same object.

    An object's score is the mean squared cosine of its pixels with its cluster's direction.
    """
    given = torch.as_tensor(maps).float()
    unit = given * given.square().sum(dim=1, keepdim=True).clamp(min=1e-16).rsqrt()
    inside = unit[:, 0].square() <= settings.background
    frame, y, x = torch.nonzero(inside, as_tuple=True)
    vectors = unit[frame, :, y, x]
    here = inside.cpu().numpy()
    labels, fit = np.zeros(here.shape, np.int32), np.zeros(here.shape, np.float32)
    if len(vectors):
        solve = _by_hdbscan if settings.method == "hdbscan" else _by_mean_shift
        directions = solve(vectors, torch.stack([y, x], dim=1).to(unit.dtype), settings)
        number, cosine = densest(vectors, directions, settings.bandwidth)
        labels[here] = (number + 1).cpu().numpy()
        fit[here] = cosine.square().cpu().numpy()
    return scored(apart(labels, settings), fit)


def apart(labels: LabelImage, settings: ClusterSettings) -> LabelImage:
    """Objects of clusters `(k, Y, X)`: connected pieces, which keep their id from frame to frame.

    Objects that are not neighbours may have the same direction, as they are "spatially distinguishable" (2.2). So every
    piece of at least `min_area_px` is an object of its own, and takes pixels of lesser pieces beside it. Pieces of the
    same cluster in successive frames are one object if they overlap or their centres are nearer than `reach_px`, those
    first that overlap most.
    """
    pieces = np.stack([_pieces(image, settings) for image in labels])
    out = np.zeros_like(labels)
    out[0] = pieces[0]
    last, count = pieces[0], int(pieces[0].max())
    for t in range(1, len(labels)):
        pairs = _same(labels[t - 1 : t + 1], np.stack([last, pieces[t]]), settings.reach_px)
        ids = np.arange(int(pieces[t].max()) + 1)
        new = np.setdiff1d(ids[1:], pairs[:, 1])
        ids[pairs[:, 1]] = pairs[:, 0]
        ids[new] = count + 1 + np.arange(len(new))
        count += len(new)
        last = out[t] = ids[pieces[t]]
    return out


def _pieces(labels: LabelImage, settings: ClusterSettings) -> LabelImage:
    """8-connected pieces of each label of a frame, numbered from 1; pixels of small pieces go to one near by."""
    parts = components(labels, connectivity=2)
    ids, area = areas(parts)
    edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    least = np.where(np.isin(ids, edge), settings.edge_share, 1.0) * settings.min_area_px
    kept = ids[area >= np.maximum(least, 1)]
    large = remap(parts, kept, np.arange(1, len(kept) + 1))
    lost = (labels > 0) & (large == 0)
    if settings.fill_px == 0 or not lost.any() or not large.any():
        return large
    far, (y, x) = ndimage.distance_transform_edt(large == 0, return_indices=True)
    return np.where(lost & (far <= settings.fill_px), large[y, x], large)


def _same(clusters: LabelImage, pieces: LabelImage, reach_px: float) -> NDArray[np.int64]:
    """Pairs `(P, 2)` of pieces of two frames that are one object; of each at most one pair."""
    shared = contingency(pieces[0], pieces[1])
    iou = shared.iou()
    if iou.size == 0:
        return np.zeros((0, 2), np.int64)
    (y0, x0, cluster0), (y1, x1, cluster1) = (_centres(p, c) for p, c in zip(pieces, clusters, strict=True))
    near = (np.hypot(y0[:, None] - y1, x0[:, None] - x1) < reach_px) | (iou > 0)
    one = near & (cluster0[:, None] == cluster1)
    row, column = np.nonzero(one)
    pairs = []
    for k in np.argsort(-iou[row, column], kind="stable"):
        if one[row[k], column[k]]:
            pairs.append((shared.ids_a[row[k]], shared.ids_b[column[k]]))
            one[row[k], :] = one[:, column[k]] = False
    return np.array(pairs, np.int64).reshape(-1, 2)


def _centres(pieces: LabelImage, clusters: LabelImage) -> tuple[NDArray[Any], ...]:
    """Centre (y, x) and cluster of each piece of a frame, ascending by id."""
    y, x = np.nonzero(pieces)
    owner = pieces[y, x]
    ids, first, area = np.unique(owner, return_index=True, return_counts=True)
    total = [np.bincount(owner, weight)[ids] / area for weight in (y, x)]
    return total[0], total[1], clusters[y, x][first]


def scored(labels: LabelImage, fit: NDArray[np.float32]) -> Instances:
    """Objects of labels `(k, Y, X)` with the mean of `fit (k, Y, X)`, 0..1, over each."""
    scores = []
    for image, value in zip(labels, fit, strict=True):
        ids, area = areas(image)
        owner = image.ravel()
        total = np.bincount(owner, value.ravel(), int(owner.max(initial=0)) + 1)
        scores.append(total[ids] / area)
    score = np.clip(np.concatenate(scores), 0, 1).astype(np.float32)
    return Instances.of(labels, score, 1 - score)


def ideal(labels: LabelImage, dimensions: int, reach_px: float) -> NDArray[np.float32]:
    """Unit embeddings `(k, d, Y, X)` of labels `(k, Y, X)` as the loss wants them: neighbours at right angles.

    Neighbours are those of the loss. Objects take, in the order of their ids, the first direction that no neighbour
    has; pixels of unknown label (below 0) are like background.

    Raises
    ------
    ShapeError
        If an object has neighbours in all directions there are.
    """
    objects = find_objects(torch.from_numpy(np.maximum(labels, 0).astype(np.int64))[None], reach_px)
    near = (objects.near | objects.near.T).numpy()
    colour = np.zeros(len(near), np.int64)
    for k, row in enumerate(near):
        free = np.setdiff1d(np.arange(1, dimensions), colour[row])
        if len(free) == 0:
            raise ShapeError(f"An object has neighbours in all {dimensions - 1} directions; use more dimensions.")
        colour[k] = free[0]
    of_pixel = np.zeros(labels.shape, np.int64)
    of_pixel.ravel()[objects.pixel.numpy()] = colour[objects.of_pixel.numpy()]
    return np.ascontiguousarray(np.moveaxis(np.eye(dimensions, dtype=np.float32)[of_pixel], -1, 1))


def _by_mean_shift(vectors: Tensor, place: Tensor, settings: ClusterSettings) -> Tensor:
    """Directions of the clusters, the densest first; windows see as far beyond their side as a kernel reaches."""
    radius = math.sqrt(2 * settings.bandwidth)
    halo = radius / settings.coordinate
    both = torch.cat([vectors, settings.coordinate * place], dim=1)
    found = [both[:0]]
    counts = [both[:0, 0]]
    for low in _windows(place):
        around = ((place >= low - halo) & (place < low + WINDOW_PX + halo)).all(dim=1)
        modes, count = find_modes(both[around], radius)
        middle = modes[:, -2:] / settings.coordinate
        mine = ((middle >= low) & (middle < low + WINDOW_PX)).all(dim=1)
        found.append(modes[mine])
        counts.append(count[mine])
    order = torch.argsort(torch.cat(counts), descending=True, stable=True)
    return distinct(F.normalize(torch.cat(found)[order, :-2], dim=1), radius)


def _windows(place: Tensor) -> Iterator[Tensor]:
    """Lower corners of the windows up to the last pixel."""
    if len(place) == 0:
        return
    top = (place.amax(dim=0) // WINDOW_PX).int().tolist()
    for row, column in product(range(top[0] + 1), range(top[1] + 1)):
        yield place.new_tensor([row * WINDOW_PX, column * WINDOW_PX])


def _by_hdbscan(vectors: Tensor, place: Tensor, settings: ClusterSettings) -> Tensor:
    """Mean directions of the clusters of HDBSCAN (Campello et al. 2015) on an even part of the pixels."""
    try:
        from sklearn.cluster import HDBSCAN  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("Clustering by hdbscan needs scikit-learn; install it or use meanshift.") from None
    step = max(1, -(-len(vectors) // settings.most_pixels))
    part = torch.cat([vectors, settings.coordinate * place], dim=1)[::step]
    least = max(2, settings.min_cluster // step)
    if len(part) <= least:
        return F.normalize(vectors.mean(dim=0, keepdim=True), dim=1)
    found = torch.from_numpy(HDBSCAN(min_cluster_size=least, copy=True).fit_predict(part.cpu().numpy())).to(part.device)
    found = found if int(found.max()) >= 0 else torch.zeros_like(found)
    count = torch.bincount(found[found >= 0])
    total = sums(part[found >= 0], found[found >= 0], len(count))[torch.argsort(count, descending=True)]
    return F.normalize(total[:, :-2], dim=1)
