"""How large the objects are, and by how much a frame is rescaled before the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.predict.engine import Engine
from unfade.records import View

LADDER = (1.0, 0.5, 2.0, 0.25)  # zooms tried, in this order, when nothing is known
PROBE_PX = 1024  # the probed part of a frame has at most this side as the network sees it
MOST = 3.0  # frames are never enlarged more than this
TOLERANCE = 0.08  # zooms this near to 1 are not worth the resampling


@dataclass(frozen=True)
class Diameter:
    """A diameter and what follows from it."""

    px: float | None  # median object diameter in the movie; None if no object was found
    zoom: float  # how often frames are enlarged for the network
    origin: str  # "given", "measured" or "none found"


def zoom_for(diameter_px: float, view: View) -> float:
    """The zoom that brings objects of this diameter into the range the network was trained for; 1 inside it."""
    low, high = view.diameter_px
    zoom = min(float(np.clip(diameter_px, low, high) / diameter_px), MOST)
    return 1.0 if abs(zoom - 1) < TOLERANCE else zoom


def measure_diameter(predictor: Engine, image: NDArray[Any]) -> Diameter:
    """Median object diameter of one frame from its context `(…, Y, X)`, measured by the network itself.

    The frame is segmented at a few zooms. At the zoom that suits the objects the network is surest of the largest
    area of objects of the size it knows; from their diameter follows the zoom to use, which is measured once more.
    """
    view = predictor.system.view
    best: tuple[float, float] | None = None  # support, diameter
    for zoom in LADDER:
        found = _probe(predictor, image, zoom)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    if best is None:
        return Diameter(None, 1.0, "none found")
    zoom = zoom_for(best[1], view)
    again = _probe(predictor, image, zoom)
    diameter = again[1] if again is not None else best[1]
    return Diameter(diameter, zoom_for(diameter, view), "measured")


def _probe(predictor: Engine, image: NDArray[Any], zoom: float) -> tuple[float, float] | None:
    """Support (share of the frame that is surely object of a known size) and diameter found at one zoom."""
    low, high = predictor.system.view.diameter_px
    part = _middle(image, int(PROBE_PX / zoom))
    found = predictor.instances(part, zoom)
    if len(found) == 0:
        return None
    height, width = part.shape[-2:]
    y0, x0, y1, x1 = found.box.T
    inner = (y0 > 0) & (x0 > 0) & (y1 < height) & (x1 < width)  # what the edge cuts says little of its size
    inner &= found.kind == found.kind[0]  # of cells with their nuclei, cells
    if not inner.any():
        return None
    area = found.areas()[inner].astype(float)
    seen = 2 * np.sqrt(area / np.pi) * zoom  # diameters as the network saw them
    sure = np.clip(1 - 2 * found.u_total[inner], 1e-6, 1)
    known = np.exp(-0.5 * (np.log(seen / np.sqrt(low * high)) / 0.5) ** 2)
    support = float((area * sure * known).sum() / (height * width))
    order = np.argsort(seen)
    weight = np.cumsum((area * sure)[order])
    median = float(seen[order][np.searchsorted(weight, weight[-1] / 2)]) / zoom
    return support, median


def _middle(image: NDArray[Any], side: int) -> NDArray[Any]:
    y, x = (max(0, (n - side) // 2) for n in image.shape[-2:])
    return image[..., y : y + side, x : x + side]
