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
        height, width = image.shape[-2:]
        image = padded(image, view.stride)
        tall, wide = image.shape[-2:]
        reach = -(-view.reach_px // view.stride) * view.stride
        side = max(self.tile_px // view.stride * view.stride, 2 * reach + view.stride)
        parts = []
        for (y0, y1, *_), (x0, x1, *_) in product(cuts(tall, side, reach), cuts(wide, side, reach)):
            parts.append(self._tile(image[..., y0:y1, x0:x1], (y0, x0), (height, width)))
        return Regions.joined(parts)

    def _tile(self, tile: Tensor, corner: tuple[int, int], size: tuple[int, int]) -> Regions:
        tile = tile.contiguous(memory_format=torch.channels_last)
        finders: Sequence[Any] = self.members or (self.network,)
        with autocast(self.device, self.precision):
            sights = [finder.look(tile) for finder in finders]
            found = [finder.detect(sight) for finder, sight in zip(finders, sights, strict=True)]
            boxes, scores = found[0]
            if len(found) > 1:
                merged = merged_boxes([f[0] for f in found], [f[1] for f in found], VOTES, BOX_IOU)
                boxes, scores = merged.boxes, merged.scores
            answers = [finder.masks(sight, boxes) for finder, sight in zip(finders, sights, strict=True)]
        chances, parts = (told.float().cpu().numpy() for told in self.boxes.told(answers))
        y0, x0 = corner
        at = boxes.float().cpu().numpy()
        bottom, right = tile.shape[-2], tile.shape[-1]
        inner = [(x0 > 0, at[:, 0] < 1), (y0 > 0, at[:, 1] < 1)]
        inner += [(x0 + right < size[1], at[:, 2] > right - 1), (y0 + bottom < size[0], at[:, 3] > bottom - 1)]
        cut = np.zeros(len(at), bool)
        for applies, touches in inner:
            cut |= applies & touches
        there = at + np.array([x0, y0, x0, y0], np.float32)
        return Regions(there, scores.float().cpu().numpy(), chances, parts, ~cut)


def _shrink(size: tuple[int, int], zoom: float) -> NDArray[np.float32]:
    """What brings boxes of the enlarged frame back: its sides were rounded to whole pixels."""
    y, x = (n / max(1, round(n * zoom)) if zoom != 1.0 else 1.0 for n in size)
    return np.array([x, y, x, y], np.float32)
