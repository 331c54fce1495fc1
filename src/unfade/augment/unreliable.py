"""Previous masks that cannot be relied on: what paper lexy proposes to train with (section 4).

"These models need to handle noisy or inaccurate predictions better. Training with more unreliable previous and
reference frame estimates might help." The network's own earlier output, the fourth kind, is the sampler's matter: it
tells the network at which frames to see its own output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from unfade.settings import Settings

Floats = NDArray[np.float32]


class UnreliableSettings(Settings):
    """How often an estimate is spoilt, and how; the rest is left as it is."""

    dropped: float = Field(0.0, ge=0, le=1, description="share of estimates that are empty")
    wrong: float = Field(0.0, ge=0, le=1, description="share in which objects lack, are moved away or made up")
    eroded: float = Field(0.0, ge=0, le=1, description="share that is eroded or dilated by 1 to 3 px")


def spoil(rng: np.random.Generator, mask: Floats, settings: UnreliableSettings) -> Floats:
    """The estimate `(Y, X)`, or what unreliable training makes of it; at most one kind at a time."""
    draw = rng.random()
    if draw < settings.dropped:
        return np.zeros_like(mask)
    if draw < settings.dropped + settings.wrong:
        return wrong(rng, mask)
    if draw < settings.dropped + settings.wrong + settings.eroded:
        return eroded(rng, mask)
    return mask


def eroded(rng: np.random.Generator, mask: Floats) -> Floats:
    """The mask eroded or dilated by 1 to 3 pixels."""
    steps = int(rng.integers(1, 4))
    change = ndimage.binary_erosion if rng.random() < 0.5 else ndimage.binary_dilation
    return np.asarray(change(mask > 0.5, iterations=steps), np.float32)


def wrong(rng: np.random.Generator, mask: Floats) -> Floats:
    """A mask from which a part of the objects is missing, has moved by up to its own size, or has come twice."""
    parts, count = ndimage.label(mask > 0.5)
    out = np.zeros_like(mask)
    fate: NDArray[Any] = rng.choice(4, size=count)  # missing, moved, doubled, kept
    for number, box in enumerate(ndimage.find_objects(parts)):
        part = parts[box] == number + 1
        if fate[number] >= 2:
            _paste(out, part, box[0].start, box[1].start)
        if fate[number] in (1, 2):
            size = max(part.shape)
            dy, dx = rng.integers(-size, size + 1, 2)
            _paste(out, part, box[0].start + int(dy), box[1].start + int(dx))
    return out


def _paste(into: Floats, part: NDArray[np.bool_], top: int, left: int) -> None:
    """Add a mask at a place, as far as it lies inside."""
    (height, width), (tall, wide) = part.shape, into.shape
    y0, y1, x0, x1 = max(0, top), min(tall, top + height), max(0, left), min(wide, left + width)
    if y0 < y1 and x0 < x1:
        into[y0:y1, x0:x1][part[y0 - top : y1 - top, x0 - left : x1 - left]] = 1
