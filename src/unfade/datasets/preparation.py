"""Preparation of stills for paper lexy, section 2.1.2: which images are kept, and crops centred on their nuclei.

Steps: small objects are taken out of the masks; images without a nucleus, or with more than eight that do not touch the
border, are dropped; every nucleus that does not touch the border becomes the middle of a crop; small objects are taken
out of the crop's mask. For sequences, crops with a nucleus at their border, or whose nuclei are much brighter or darker
than the cytosol around them, are dropped whole.

Choices where the paper says nothing: "a quarter of its original size" is a quarter of the area (half of each side); a
crop that would reach beyond the image is moved inside; small is below 0.05 % of the image's pixels; the cytosol is a
ring around the nuclei and "relatively similar" is a mean intensity within a factor of 1.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from unfade.datasets.stills import Still, require_single
from unfade.ops.relabel import areas, drop_small
from unfade.settings import Settings


class PreparationSettings(Settings):
    """Which stills are kept and how they are cropped."""

    most_nuclei: int = Field(8, ge=1, description="images with more nuclei clear of the border are dropped")
    least_share: float = Field(5e-4, ge=0, lt=1, description="smaller objects are removed, as a share of the image")
    crop_share: float = Field(0.5, gt=0, le=1, description="side of a crop over the side of its image")
    ring_px: int = Field(12, ge=1, description="width of the ring that stands for the cytosol, px")
    gap_px: int = Field(2, ge=0, description="distance left free around nuclei, px")
    most_contrast: float = Field(1.5, gt=1, description="largest ratio of nuclear and cytosolic intensity in sequences")


@dataclass
class Tally:
    """What became of the images and crops; counted while they are made."""

    images: int = 0
    empty: int = 0  # images without a nucleus
    crowded: int = 0  # images with too many
    crops: int = 0  # around nuclei, before any is dropped as below
    cut: int = 0  # crops with a nucleus at their border
    dissimilar: int = 0  # crops whose nuclei stand out too much


def prepare(
    stills: Iterable[Still],
    settings: PreparationSettings | None = None,
    tally: Tally | None = None,
) -> Iterator[Still]:
    """Crops centred on nuclei, in the order of the images and of their labels; `tally` is filled along the way.

    Raises
    ------
    ShapeError
        If a still is a movie or has several channels.
    """
    s, count = settings or PreparationSettings(), tally if tally is not None else Tally()
    for still in stills:
        require_single(still)
        count.images += 1
        least = s.least_share * still.labels[0].size
        labels = drop_small(still.labels[0], least)
        whole = clear_of_border(labels)
        if not labels.any():
            count.empty += 1
        elif len(whole) > s.most_nuclei:
            count.crowded += 1
        else:
            for crop in _crops(replace(still, labels=labels[None]), whole, s.crop_share, least):
                count.crops += 1
                yield crop


def for_sequences(
    crops: Iterable[Still],
    settings: PreparationSettings | None = None,
    tally: Tally | None = None,
) -> Iterator[Still]:
    """Those crops from which synthetic sequences are made."""
    s, count = settings or PreparationSettings(), tally if tally is not None else Tally()
    for crop in crops:
        labels = crop.labels[0]
        if len(clear_of_border(labels)) < len(areas(labels)[0]):
            count.cut += 1
        elif not 1 / s.most_contrast <= contrast(crop, s.ring_px, s.gap_px) <= s.most_contrast:
            count.dissimilar += 1
        else:
            yield crop


def clear_of_border(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Labels of the objects of an image `(Y, X)` that do not touch its border, ascending."""
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.setdiff1d(areas(labels)[0], rim).astype(np.int64)


def contrast(still: Still, ring_px: int = 12, gap_px: int = 2) -> float:
    """Mean intensity of the nuclei over that of a ring around them, in the first channel; NaN without a ring.

    The background, the 1st percentile of the image, is subtracted.
    """
    image, inside = still.image[0, 0].astype(float), still.labels[0] > 0
    far = ndimage.distance_transform_edt(~inside)
    ring = (far > gap_px) & (far <= gap_px + ring_px)
    if not inside.any() or not ring.any():
        return float("nan")
    background = np.percentile(image, 1)
    below = image[ring].mean() - background
    return float((image[inside].mean() - background) / below) if below > 0 else float("inf")


def _crops(still: Still, whole: NDArray[np.int64], share: float, least: float) -> Iterator[Still]:
    labels = still.labels[0]
    size = [max(1, round(n * share)) for n in labels.shape]
    middles = ndimage.center_of_mass(labels > 0, labels, whole)
    for n, middle in zip(whole.tolist(), np.asarray(middles), strict=True):
        y, x = np.clip(np.rint(middle - np.array(size) / 2), 0, np.array(labels.shape) - size).astype(int).tolist()
        at = (slice(y, y + size[0]), slice(x, x + size[1]))
        cut = drop_small(labels[at], least)
        yield replace(still, name=f"{still.name}@{n}", image=still.image[..., at[0], at[1]], labels=cut[None])
