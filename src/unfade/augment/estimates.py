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

from unfade.ops.warp import sample_image, sample_labels

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

    def positions(self, shape: tuple[int, ...], corner: tuple[int, int] = (0, 0)) -> Floats:
        """Where each pixel of the distorted image `(Y, X)`, or of a part of it from `corner` on, comes from."""
        y, x = (np.arange(n, dtype=np.float32) + k - c for n, k, c in zip(shape[-2:], corner, self.centre, strict=True))
        (a, b), (c, d) = self.matrix()
        where = [a * y[:, None] + b * x[None] + self.centre[0], c * y[:, None] + d * x[None] + self.centre[1]]
        return np.asarray(np.stack(where), np.float32)

    def mask(self, mask: NDArray[Any]) -> Floats:
        """The distorted mask `(Y, X)`, nearest pixel; nothing comes in from outside."""
        height, width = mask.shape
        y, x = np.rint(self.positions(mask.shape)).astype(np.int64)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return np.asarray(inside & (mask[np.where(inside, y, 0), np.where(inside, x, 0)] > 0), np.float32)


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


@dataclass(frozen=True)
class Objects:
    """Objects of a field, each with a distortion about its own centre; their numbers are 1 to K."""

    labels: NDArray[np.int32]  # (Y, X)
    distortions: tuple[Distortion, ...]  # one per object

    def stronger(self, factor: float) -> Objects:
        """The same distortions, `factor` times as far from none."""
        return replace(self, distortions=tuple(d.stronger(factor) for d in self.distortions))

    def moved(self) -> NDArray[np.int32]:
        """The distorted objects `(Y, X)`, nearest pixel; where two meet, the later one is seen."""
        out = np.zeros_like(self.labels)
        boxes = ndimage.find_objects(self.labels)
        for number, (box, distortion) in enumerate(zip(boxes, self.distortions, strict=True), start=1):
            window = _window(box, distortion, self.labels.shape)
            part = out[window]
            at = distortion.positions(part.shape, (window[0].start, window[1].start))
            y, x = np.rint(at).astype(np.int64)
            height, width = self.labels.shape
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            part[inside & (self.labels[np.where(inside, y, 0), np.where(inside, x, 0)] == number)] = number
        return out

    def positions(self) -> Floats:
        """Where each pixel of a frame comes from in which the objects are distorted, `(2, Y, X)`.

        An object takes along what lies within a radius of its outline, and less and less of what lies further off;
        each pixel follows the object that is nearest to it.
        """
        here: Floats = np.asarray(np.indices(self.labels.shape), np.float32)
        if not self.distortions:
            return here
        away, nearest = ndimage.distance_transform_edt(self.labels == 0, return_indices=True)
        owner = self.labels[tuple(nearest)] - 1
        radius = np.sqrt(np.bincount(self.labels.ravel())[1:] / np.pi)
        share = np.clip(2 - away / radius[owner], 0, 1)
        turned = np.stack([d.matrix() - np.eye(2) for d in self.distortions])[owner]
        offset = here - np.moveaxis(np.array([d.centre for d in self.distortions])[owner], -1, 0)
        return np.asarray(here + share * np.einsum("yxij,jyx->iyx", turned, offset), np.float32)


def draw_objects(rng: np.random.Generator, labels: NDArray[Any], dice: float | None = None) -> Objects:
    """Objects of labels `(Y, X)`, each with a distortion as `draw_estimate` draws it.

    For fields of many nuclei, which move on their own: one turn of the whole field would carry the outer ones away.
    Parts of one label that do not touch, such as a nucleus and its mirror image at the edge, are objects of their own.
    """
    from skimage.measure import label

    parts = np.asarray(label(np.asarray(labels), background=0, connectivity=1), np.int32)
    boxes = ndimage.find_objects(parts)
    if not boxes:
        return Objects(parts, ())
    side = max(edge.stop - edge.start for box in boxes for edge in box)
    room = side // 2 + 2
    padded = np.pad(parts, room + side)
    corners = np.array([[edge.start + side for edge in box] for box in boxes])  # of the padded image, with room
    rows = corners[:, 0, None] + np.arange(side + 2 * room)
    columns = corners[:, 1, None] + np.arange(side + 2 * room)
    each = padded[rows[:, :, None], columns[:, None, :]] == np.arange(1, len(boxes) + 1)[:, None, None]
    first = corners - (room + side)  # of each patch in the image
    drawn = zip(_tuned(rng, each, dice), first, strict=True)
    return Objects(parts, tuple(replace(d, centre=(d.centre[0] + y, d.centre[1] + x)) for d, (y, x) in drawn))


def distort_objects(rng: np.random.Generator, labels: NDArray[Any], dice: float | None = None) -> Floats:
    """Mask `(Y, X)` of objects `(Y, X)`, each distorted about its own centre as `draw_estimate` does."""
    return np.asarray(draw_objects(rng, labels, dice).moved() > 0, np.float32)


def draw_estimates(
    rng: np.random.Generator, labels: NDArray[Any], image: Floats, dice: float | None = None
) -> tuple[Floats, Floats]:
    """Previous mask `(Y, X)` and reference, frame with mask `(C + 1, Y, X)`, of nuclei `(Y, X)` and their frame.

    One nucleus is distorted with everything around it, as in the paper; of several each has a distortion of its own.
    The reference is at twice the distortion of the previous mask.
    """
    objects = draw_objects(rng, labels, dice)
    if len(objects.distortions) != 1:
        return np.asarray(objects.moved() > 0, np.float32), moved_frame(image, labels, objects.stronger(2).positions())
    near = objects.distortions[0]
    return near.mask(labels), moved_frame(image, labels, near.stronger(2).positions(image.shape))


def moved_frame(image: Floats, labels: NDArray[Any], at: Floats) -> Floats:
    """A frame `(C, Y, X)`, bilinear, and its mask, nearest, at positions `(2, H, W)`; both mirrored at the edge."""
    where = torch.from_numpy(at)
    seen = sample_image(torch.from_numpy(np.ascontiguousarray(image, np.float32)), where).numpy()
    mask = sample_labels(torch.from_numpy(np.asarray(labels > 0, np.int32))[None], where).numpy()
    return np.concatenate([seen, mask.astype(np.float32)])


def _window(box: tuple[slice, ...], distortion: Distortion, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The part of an image that holds all of a box after its distortion."""
    y, x = box
    centre = np.array(distortion.centre)
    ends = np.array([[a, b] for a in (y.start - 1, y.stop) for b in (x.start - 1, x.stop)]) - centre
    reached = ends @ np.linalg.inv(distortion.matrix()).T + centre
    low, high = np.floor(reached.min(axis=0)), np.ceil(reached.max(axis=0)) + 1
    edges = [(int(max(a, 0)), int(min(b, n))) for a, b, n in zip(low, high, shape, strict=True)]
    return slice(*edges[0]), slice(*edges[1])


def _tuned(rng: np.random.Generator, parts: NDArray[np.bool_], dice: float | None) -> list[Distortion]:
    """Distortions of masks `(K, P, P)`, each to its own wanted Dice; all of them bisected together."""
    count, size = parts.shape[:2]
    area = parts.sum(axis=(1, 2))
    grid = np.arange(size)
    centre = np.stack([(parts.sum(axis=2) @ grid) / area, (parts.sum(axis=1) @ grid) / area], axis=1)
    drawn = [draw_distortion(rng, (float(y), float(x))) for y, x in centre]
    wanted = np.clip(rng.normal(DICE if dice is None else dice, SPREAD, count), 0.5, 0.98)
    offset = [(grid - centre[:, axis, None]).astype(np.float32) for axis in (0, 1)]
    each = np.arange(count)[:, None, None]
    low, high = np.zeros(count), np.full(count, STRONGEST)
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
    return [d.stronger(k) for d, k in zip(drawn, (low + high) / 2, strict=True)]
