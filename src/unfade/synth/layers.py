"""A still taken apart: light of the cytoplasm also where nuclei lie over it, their own texture, nuclei and cells.

With the light under a nucleus known, the nucleus can be made as bright as its surroundings, and then it is gone. In a
picture of a reporter that light has to be filled in; beside a picture of a nuclear stain a cytoplasm is drawn, whose
bodies know of a nucleus no more than its place and size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import ShapeError
from unfade.synth.deformation import Paths
from unfade.synth.fading import TimeCourse, TranslocationSettings
from unfade.synth.scene import cast, paint
from unfade.synth.shapes import NucleusShapes

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]

_GAP_PX = 2  # around a nucleus, where its own blurred light lies over the cytoplasm
_RING_PX = 12  # beyond that, whose light says how bright cytoplasm is
_NEAR = (0.25, 0.5)  # the part of it nearest to nuclei, in radii: where halos have ended and most cells have not
_SHOWN = 0.35  # share of the light of nuclei below which the light there is no cytoplasm
_FAINT = 0.25  # share of the cytoplasm's usual light below which no cell is


@dataclass(frozen=True)
class Layers:
    """A still as a scene without optics; all `(Y, X)`."""

    cytoplasm: Floats  # light of the reporter if it were in nucleus and cytoplasm alike, near 1 in a cell
    grain: Floats  # texture of the nuclei, mean 1 in each, 1 outside
    nuclei: Ids
    cells: Ids  # the same ids, nucleus and cytoplasm


def require_pair(image: NDArray[Any], labels: NDArray[Any]) -> None:
    """Refuse an image and labels that are no still.

    Raises
    ------
    ShapeError
        If either is not `(Y, X)`, they differ in size, or there is no nucleus.
    """
    if image.ndim != 2 or image.shape != labels.shape:
        raise ShapeError(f"A still is an image (Y, X) and labels of its size, not {image.shape} and {labels.shape}.")
    if not (labels > 0).any():
        raise ShapeError("There is no nucleus in this still; choose another one.")


def require_cytoplasm(image: NDArray[Any], labels: Ids) -> None:
    """Refuse a picture `(Y, X)` of a nuclear stain where one of a reporter is wanted.

    A picture shows cytoplasm if the upper quartile of the light just beyond the outlines of nuclei is at least 0.35 of
    the median light within; light counts from the 1st percentile of the picture on.

    Raises
    ------
    ShapeError
        If it shows none.
    """
    far = ndimage.distance_transform_edt(labels == 0)
    radius = float(np.median(np.sqrt(np.unique(labels[labels > 0], return_counts=True)[1] / np.pi)))
    low, high = max(_GAP_PX, _NEAR[0] * radius), max(2 * _GAP_PX, _NEAR[1] * radius)
    around, dark = image[(far > low) & (far <= high)], float(np.percentile(image, 1))
    light = float(np.percentile(around, 75)) - dark if around.size else 0.0
    if light <= _SHOWN * (float(np.median(image[labels > 0])) - dark):
        raise ShapeError(
            "There is hardly any cytoplasm around the nuclei of this still, which may show a nuclear stain; "
            "have cytoplasm drawn (--cytoplasm drawn)."
        )


def mirrored(image: NDArray[Any], labels: NDArray[Any], rim: tuple[int, int]) -> tuple[Floats, Ids]:
    """The still with its mirror image around it, `rim` px wide; nuclei in the mirror have ids of their own.

    A nucleus that the border cuts is one with its mirror image and keeps its id.
    """
    from skimage.measure import label

    pad = [(n, n) for n in rim]
    wide = np.pad(labels, pad, mode="symmetric")
    parts = label(wide, connectivity=1)
    inner = parts[tuple(slice(n, n + size) for n, size in zip(rim, labels.shape, strict=True))]
    own = np.zeros(int(parts.max()) + 1, np.int32)
    own[inner] = labels
    own[0] = 0
    new = np.flatnonzero(own[1:] == 0) + 1
    own[new] = int(labels.max()) + 1 + np.arange(len(new))
    return np.pad(image, pad, mode="symmetric").astype(np.float32), own[parts]


def from_reporter(image: NDArray[Any], labels: Ids) -> Layers:
    """Layers of a picture of a reporter that is in the cytoplasm as well.

    The light under a nucleus, and of the blurred rim around it, is that beyond its outline, mirrored at it: texture and
    brightness go on without an edge. Cells are what is lit around each nucleus, the background is the 1st percentile.

    Raises
    ------
    ShapeError
        If it is no still, or nothing but background lies around its nuclei.
    """
    require_pair(image, labels)
    light = np.maximum(image.astype(np.float32) - np.float32(np.percentile(image, 1)), 0)
    far, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    ring = (far > _GAP_PX) & (far <= _GAP_PX + _RING_PX)
    usual = float(np.median(light[ring])) if ring.any() else 0.0
    if usual <= 0:
        raise ShapeError("There is no cytoplasm around the nuclei of this still; have it drawn (--cytoplasm drawn).")
    light /= np.float32(usual)
    filled = _filled(light, far <= _GAP_PX)
    lit = (ndimage.gaussian_filter(filled, 2.0) > _FAINT) | (labels > 0)
    patch, _ = ndimage.label(lit)
    joined = lit & (patch == patch[tuple(nearest)])  # no other light lies between
    cells = np.where(joined, labels[tuple(nearest)], 0)
    return Layers(filled, _grain(light, labels), labels, cells.astype(np.int32))


def with_drawn_cells(image: NDArray[Any], labels: Ids, settings: TranslocationSettings) -> Layers:
    """Layers of a picture of a nuclear stain, with drawn cells around its nuclei, as `settings.bodies` says."""
    require_pair(image, labels)
    ids, first = np.unique(labels[labels > 0], return_inverse=True)
    count = len(ids)
    area = np.bincount(first, minlength=count)
    centre = np.array(ndimage.center_of_mass(labels > 0, labels, ids), float).reshape(-1, 2)
    plain = TranslocationSettings(
        frames=1,
        height_px=labels.shape[0],
        width_px=labels.shape[1],
        course=TimeCourse(ratio_before=1.0, before_spread=0.0, stimulus_frame="never"),
        nuclei=settings.nuclei.changed(residue=0.0, rim=0.0, division_rate=0.0),
        bodies=settings.bodies,
    )
    way = Paths(
        centre[None],
        np.broadcast_to(np.eye(2), (1, count, 2, 2)),
        np.sqrt(area / np.pi)[None],
        np.zeros((1, count)),
        np.ones((1, count), bool),
        np.full(count, -1),
        np.zeros((1, 2)),
    )
    rng = np.random.default_rng([settings.seed, 5])
    bodies = cast(plain, way, NucleusShapes.drawn(1, roughness=0.0), rng)
    bodies = replace(bodies, amount=bodies.amount * area / np.median(area))  # a small cell is no brighter than others
    drawn = paint(plain, way, bodies, 0, 1)
    inner = (slice(1, -1), slice(1, -1))
    cells = np.concatenate([[0], ids])[drawn.cells[inner]]
    light = np.maximum(image.astype(np.float32) - np.float32(np.median(image[labels == 0])), 0)
    return Layers(
        np.ascontiguousarray(drawn.reporter[inner]),
        _grain(light, labels),
        labels,
        np.where(labels > 0, labels, cells).astype(np.int32),
    )


def _filled(light: Floats, hole: NDArray[np.bool_]) -> Floats:
    """Light with the holes filled by what lies as far beyond their outline as a pixel lies within it."""
    nearest = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    here = np.indices(light.shape)
    out = light.copy()
    for reach in (2, 1, 0):  # nearer where the mirrored place lies in a hole itself
        at = tuple(np.clip(h + reach * (n - h), 0, s - 1) for h, n, s in zip(here, nearest, light.shape, strict=True))
        good = hole & ~hole[at]
        out[good] = light[at][good]
        hole = hole & ~good
    return out


def _grain(light: Floats, labels: Ids) -> Floats:
    """Texture of each nucleus: its light over its mean."""
    ids = np.unique(labels[labels > 0])
    mean = np.ones(int(labels.max()) + 1, np.float32)
    mean[ids] = np.maximum(ndimage.mean(light, labels, ids), 1e-6)
    grain = np.where(labels > 0, np.clip(light / mean[labels], 0.3, 2.5), np.float32(1))
    mean[ids] = ndimage.mean(grain, labels, ids)
    return np.asarray(grain / np.where(labels > 0, mean[labels], 1), np.float32)
