"""Estimates of the previous frame's mask, made from the mask of a still (paper lexy, 2.2.3 and 2.2.4).

"I used a random combination of shearing, stretching, and rotation to get a Dice score of 0.80 compared to the ground
truth"; the reference frame and mask were made "by shifting the previous frame mask by a multitude of 2". So a drawn
distortion gets the strength at which its Dice with the truth is the wanted one, and twice that strength for the
reference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from unfade.ops.warp import sample_image

DICE = 0.80  # with the truth, on average
SPREAD = 0.05  # of the Dice from draw to draw
STRONGEST = 4.0  # no distortion is drawn further out than this many times its own size
HALVINGS = 7

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Distortion:
    """Rotation, shear and stretch about a point; the numbers are those of strength 1."""

    angle: float  # radians
    shear: float  # columns per row
    stretch: tuple[float, float]  # logarithms, y and x
    centre: tuple[float, float]  # y, x in pixels
    strength: float = 1.0

    def stronger(self, factor: float) -> Distortion:
        """The same distortion, `factor` times as far from none."""
        return replace(self, strength=self.strength * factor)

    def matrix(self) -> Floats:
        """Maps positions of the distorted image to those of the original, about the centre, `(2, 2)`."""
        s = self.strength
        cos, sin = np.cos(s * self.angle), np.sin(s * self.angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        lean = np.array([[1.0, 0.0], [s * self.shear, 1.0]])
        return np.asarray(turn @ lean @ np.diag(np.exp(s * np.array(self.stretch))), np.float32)

    def positions(self, shape: tuple[int, ...]) -> Floats:
        """Where each pixel of the distorted image `(Y, X)` comes from, `(2, Y, X)`."""
        y, x = (np.arange(n, dtype=np.float32) - c for n, c in zip(shape[-2:], self.centre, strict=True))
        (a, b), (c, d) = self.matrix()
        where = [a * y[:, None] + b * x[None] + self.centre[0], c * y[:, None] + d * x[None] + self.centre[1]]
        return np.asarray(np.stack(where), np.float32)

    def mask(self, mask: NDArray[Any]) -> Floats:
        """The distorted mask `(Y, X)`, nearest pixel; nothing comes in from outside."""
        height, width = mask.shape
        y, x = np.rint(self.positions(mask.shape)).astype(np.int64)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return np.asarray(inside & (mask[np.where(inside, y, 0), np.where(inside, x, 0)] > 0), np.float32)

    def image(self, image: Floats) -> Floats:
        """The distorted image `(C, Y, X)`, bilinear, mirrored at the edge."""
        at = torch.from_numpy(self.positions(image.shape))
        out = sample_image(torch.from_numpy(np.ascontiguousarray(image)), at)
        return np.asarray(out.numpy(), np.float32)


def draw_distortion(rng: np.random.Generator, centre: tuple[float, float]) -> Distortion:
    """A random combination of rotation, shear and stretch about a point."""
    angle, shear, tall, wide = rng.normal(0, (0.35, 0.3, 0.2, 0.2))
    return Distortion(float(angle), float(shear), (float(tall), float(wide)), centre)


def dice_of(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Dice of two masks; 1 for two empty ones."""
    total = float(np.sum(a) + np.sum(b))
    return 2 * float(np.sum(a * b)) / total if total else 1.0


def draw_estimate(rng: np.random.Generator, mask: NDArray[Any], dice: float | None = None) -> Distortion:
    """A distortion of the mask `(Y, X)` whose Dice with it is `dice`; unset, it is drawn around 0.80.

    The distortion turns about the mask's centre of gravity. Of an empty mask there is nothing to tune.
    """
    mask = (np.asarray(mask) > 0).astype(np.float32)
    wanted = float(np.clip(rng.normal(DICE, SPREAD), 0.5, 0.98)) if dice is None else dice
    where = np.argwhere(mask)
    centre = where.mean(axis=0) if len(where) else (np.array(mask.shape) - 1) / 2
    drawn = draw_distortion(rng, (float(centre[0]), float(centre[1])))
    low, high = 0.0, STRONGEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if dice_of(drawn.stronger(middle).mask(mask), mask) > wanted:
            low = middle
        else:
            high = middle
    return drawn.stronger((low + high) / 2)


def distort_objects(rng: np.random.Generator, labels: NDArray[Any], dice: float | None = None) -> Floats:
    """Mask `(Y, X)` of objects `(Y, X)`, each distorted about its own centre as `draw_estimate` does.

    For fields of many nuclei, which move on their own: one turn of the whole field would carry the outer ones away.
    """
    labels = np.asarray(labels).astype(np.int32)
    boxes = [(n, box) for n, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None]
    out = np.zeros(labels.shape, np.float32)
    if not boxes:
        return out
    side = max(edge.stop - edge.start for _, box in boxes for edge in box)
    room = side // 2 + 2
    padded = np.pad(labels, room + side)
    corners = np.array([[edge.start + side for edge in box] for _, box in boxes])  # of the padded image, with room
    rows = corners[:, 0, None] + np.arange(side + 2 * room)
    columns = corners[:, 1, None] + np.arange(side + 2 * room)
    parts = padded[rows[:, :, None], columns[:, None, :]] == np.array([n for n, _ in boxes])[:, None, None]
    moved = _distorted_alike(rng, parts, dice)
    canvas = np.zeros(padded.shape, bool)
    which, y, x = np.nonzero(moved)
    canvas[rows[which, y], columns[which, x]] = True
    margin = room + side
    out[:] = canvas[margin:-margin, margin:-margin]
    return out


def _distorted_alike(rng: np.random.Generator, parts: NDArray[np.bool_], dice: float | None) -> NDArray[np.bool_]:
    """Masks `(K, P, P)`, each distorted to its own wanted Dice; all of them bisected together."""
    count, size = parts.shape[:2]
    area = parts.sum(axis=(1, 2))
    grid = np.arange(size)
    centre = np.stack([(parts.sum(axis=2) @ grid) / area, (parts.sum(axis=1) @ grid) / area], axis=1)
    drawn = [draw_distortion(rng, (float(y), float(x))) for y, x in centre]
    wanted = np.clip(rng.normal(DICE if dice is None else dice, SPREAD, count), 0.5, 0.98)
    offset = [(grid - centre[:, axis, None]).astype(np.float32) for axis in (0, 1)]
    each = np.arange(count)[:, None, None]
    low, high = np.zeros(count), np.full(count, STRONGEST)
    moved = parts
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        m = np.stack([d.stronger(k).matrix() for d, k in zip(drawn, middle, strict=True)])[:, :, :, None, None]
        at = [
            np.rint(m[:, k, 0] * offset[0][:, :, None] + m[:, k, 1] * offset[1][:, None] + centre[:, k, None, None])
            for k in (0, 1)
        ]
        y, x = (np.clip(place, 0, size - 1).astype(np.intp) for place in at)
        moved = parts[each, y, x]
        found = 2 * (moved & parts).sum(axis=(1, 2)) / (moved.sum(axis=(1, 2)) + area)
        low, high = np.where(found > wanted, middle, low), np.where(found > wanted, high, middle)
    return moved
