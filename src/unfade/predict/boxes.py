"""Frames of any size through a network that finds boxes and masks: tile by tile, joined as objects.

Tiles overlap by more than an object, so that every object is whole in some tile. What two tiles both found is
recognised by the overlap of its masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unfade.instances.boxes import Regions, numbered, uncertainty_map, without_doubles
from unfade.ops.boxes import merged_boxes
from unfade.ops.device import autocast
from unfade.predict.engine import Ends
from unfade.predict.frames import FramePredictor
from unfade.predict.tiled import cuts, padded
from unfade.records import Instances

VOTES, BOX_IOU = 2, 0.5  # members that must agree on a box, and by how much
DOUBLE_IOU = 0.5  # masks that overlap more are one object
AT_ONCE = 256  # boxes whose masks are made together: memory does not grow with their number
SEAM_PX, SEAM_SHARE = 1.0, 0.1  # from a seam, px and share of its side: a box so near may be a piece


class Finder(Protocol):
    """A network, or a member of it, that finds boxes first and masks for given boxes afterwards."""

    def look(self, image: Tensor) -> Any:
        """What the backbone makes of an image `(1, C, Y, X)`."""
        ...

    def detect(self, sight: Any) -> tuple[Tensor, Tensor]:
        """Boxes `(N, 4)` and scores `(N,)`."""
        ...

    def masks(self, sight: Any, boxes: Tensor) -> dict[str, Tensor]:
        """Answers of the mask branch for boxes `(N, 4)`."""
        ...


class BoxSystem(Protocol):
    """The part of a system that this engine needs beside what every engine does."""

    def told(self, answers: Sequence[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Class probabilities `(N, K, m, m)` and parts of the uncertainty `(N, 3, m, m)` from answers of members."""
        ...

    def painted(self, regions: Regions, shape: tuple[int, int]) -> Instances:
        """Objects of regions in a frame `(Y, X)`."""
        ...


class BoxPredictor(FramePredictor):
    """Objects of single frames, masks that may overlap.

    With members, boxes of all are merged: what at least two of them found is kept, and every member gives its mask in
    the merged box (paper imperfect, 4), so that uncertainty compares like with like.
    """

    @property
    def boxes(self) -> BoxSystem:
        """The system as one of boxes."""
        system: Any = self.system
        return cast(BoxSystem, system)

    def instances(self, image: NDArray[Any], zoom: float = 1.0, ends: Ends | None = None) -> Instances:
        """Objects of a frame `(C, Y, X)`; a very large one is taken in parts, unless cells come with their nuclei."""
        if len(self.system.view.kinds) > 1:
            return self.piece(image, zoom, ends)
        return super().instances(image, zoom, ends)

    def piece(self, image: NDArray[Any], zoom: float, ends: Ends | None) -> Instances:
        """Objects of a frame, or of a part of one, in one piece."""
        size = (image.shape[-2], image.shape[-1])
        with torch.inference_mode():
            regions = self.regions(self.seen(image, zoom, ends))
        found = replace(regions, boxes=regions.boxes * _shrink(size, zoom))
        kept = without_doubles(self.boxes.painted(found, size), found.whole, DOUBLE_IOU)
        if not self.members:
            return numbered(kept)
        shown = uncertainty_map(found.at(np.unique(kept.id) - 1), size)
        return replace(numbered(kept), uncertainty=shown[None])

    def regions(self, image: Tensor) -> Regions:
        """What is found in an image `(1, C, Y, X)` at its own scale, doubles of overlapping tiles included."""
        view = self.system.view
        image = padded(image, view.stride)
        tall, wide = image.shape[-2:]
        reach = -(-view.reach_px // view.stride) * view.stride
        side = max(self.tile_px // view.stride * view.stride, 2 * reach + view.stride)
        parts = []
        for y, x in product(cuts(tall, side, reach), cuts(wide, side, reach)):
            found = self._tile(image[..., y[0] : y[1], x[0] : x[1]], (y[0], x[0]))
            spans = ((found.boxes[:, 1::2], y), (found.boxes[:, ::2], x))
            found = replace(found, whole=~(_cut(*spans[0]) | _cut(*spans[1])))
            parts.append(found.at(np.flatnonzero(_own(*spans[0]) & _own(*spans[1]))))
        return Regions.joined(parts)

    def _tile(self, tile: Tensor, corner: tuple[int, int]) -> Regions:
        """What is found in a tile whose first pixel is `corner`."""
        tile = tile.contiguous(memory_format=torch.channels_last)
        finders: Sequence[Any] = self.members or (self.network,)
        with autocast(self.device, self.precision):
            sights = [finder.look(tile) for finder in finders]
            found = [finder.detect(sight) for finder, sight in zip(finders, sights, strict=True)]
            boxes, scores = found[0]
            if len(found) > 1:
                merged = merged_boxes([f[0] for f in found], [f[1] for f in found], VOTES, BOX_IOU)
                boxes, scores = merged.boxes, merged.scores
            told = [self._told(finders, sights, part) for part in boxes.split(AT_ONCE)]
        chances, parts = (np.concatenate(each) for each in zip(*told, strict=True))
        y0, x0 = corner
        there = boxes.float().cpu().numpy() + np.array([x0, y0, x0, y0], np.float32)
        return Regions(there, scores.float().cpu().numpy(), chances, parts, np.ones(len(there), bool))

    def _told(
        self, finders: Sequence[Finder], sights: Sequence[Any], boxes: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Class probabilities and parts of the uncertainty of some boxes."""
        answers = [finder.masks(sight, boxes) for finder, sight in zip(finders, sights, strict=True)]
        chances, parts = self.boxes.told(answers)
        return chances.float().cpu().numpy(), parts.float().cpu().numpy()


def _cut(spans: NDArray[np.float32], tile: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which spans `(N, 2)` along an axis the seams of a tile (from, to, kept from, kept to) may have cut.

    They reach a seam as nearly as boxes are exact. Where the tile's end is the frame's there is no seam.
    """
    first, stop, low, high = tile
    near = SEAM_PX + SEAM_SHARE * (spans[:, 1] - spans[:, 0])
    left = (spans[:, 0] < first + near) & (low > first)
    right = (spans[:, 1] > stop - near) & (high < stop)
    return np.asarray(left | right, np.bool_)


def _own(spans: NDArray[np.float32], tile: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which spans along an axis the tile is to tell: not those that lie well in what another tile keeps."""
    _, _, low, high = tile
    middle, quarter = spans.mean(axis=1), 0.25 * (spans[:, 1] - spans[:, 0])
    return np.asarray((middle >= low - quarter) & (middle <= high + quarter), np.bool_)


def _shrink(size: tuple[int, int], zoom: float) -> NDArray[np.float32]:
    """What brings boxes of the enlarged frame back: its sides were rounded to whole pixels."""
    y, x = (n / max(1, round(n * zoom)) if zoom != 1.0 else 1.0 for n in size)
    return np.array([x, y, x, y], np.float32)
