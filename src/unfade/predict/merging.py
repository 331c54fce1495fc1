"""Objects of overlapping tiles to objects of a whole frame (paper hourglass, section 2.4 and figure 4)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.errors import SettingsError
from unfade.records import Instances, LabelImage

Corner = tuple[int, int]  # y, x of a tile's first pixel in the frame
SAME = 0.5  # share of a candidate that others cover from which on it is one of them


def starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of tiles of one side that overlap by at least `overlap`; the last tile ends with the frame.

    Raises
    ------
    SettingsError
        If tiles overlap so that some pixels are in none.
    """
    if length <= side:
        return [0]
    if not 0 <= overlap < side:
        raise SettingsError(f"Tiles of {side} px cannot overlap by {overlap} px; choose an overlap of 0 to {side - 1}.")
    return [*range(0, length - side, side - overlap), length - side]


def merged_tiles(tiles: Iterable[tuple[Corner, Instances]], size: tuple[int, int]) -> Instances:
    """Objects of k frames of `size` from those of its tiles.

    What touches a border between tiles is dropped, unless it is a border of the frame. Among candidates for the same
    object the largest one, over all k frames, is kept.
    """
    candidates: list[tuple[int, int, tuple[slice, ...], NDArray[np.bool_], float]] = []
    frames = 1
    for (y, x), found in tiles:
        labels = found.labels()
        frames = len(labels)
        cut = _cut(labels, (y, x), size)
        score = dict(zip(found.id.tolist(), found.score.tolist(), strict=True))
        for place, box in enumerate(ndimage.find_objects(labels), 1):
            if box is None or place in cut:
                continue
            mask = labels[box] == place
            where = (box[0], *(slice(b.start + at, b.stop + at) for b, at in zip(box[1:], (y, x), strict=True)))
            candidates.append((-int(mask.sum()), len(candidates), where, mask, score[place]))
    out, fit = np.zeros((frames, *size), np.int32), [float("nan")]
    for area, _, where, mask, score_of in sorted(candidates, key=lambda c: c[:2]):
        there = out[where]
        free = mask & (there == 0)
        if free.sum() > (1 - SAME) * -area:
            fit.append(score_of)
            there[free] = len(fit) - 1
    found = Instances.of(out)
    scores = np.array(fit, np.float32)[found.id]
    return Instances.of(out, scores, 1 - scores)


def _cut(labels: LabelImage, corner: Corner, size: tuple[int, int]) -> set[int]:
    """Objects of a tile `(k, Y, X)` that touch a border which is none of the frame."""
    (y, x), (_, tall, wide) = corner, labels.shape
    edges = [labels[:, :1]] if y > 0 else []
    edges += [labels[:, -1:]] if y + tall < size[0] else []
    edges += [labels[:, :, :1]] if x > 0 else []
    edges += [labels[:, :, -1:]] if x + wide < size[1] else []
    return {int(n) for edge in edges for n in np.unique(edge)} - {0}
