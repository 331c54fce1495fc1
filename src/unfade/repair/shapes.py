"""Masks of single objects and smooth outlines that can be moved by parts of a pixel without wearing off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unfade.records import LabelImage

MARGIN = 4  # px of depth kept around a mask
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Mask(NamedTuple):
    """Pixels of one object: `inside[i, j]` belongs to pixel (y0 + i, x0 + j)."""

    y0: int
    x0: int
    inside: NDArray[np.bool_]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.inside))

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean pixel position (y, x)."""
        y, x = _middle(self.inside)
        return y + self.y0, x + self.x0


def masks(labels: LabelImage) -> dict[int, Mask]:
    """Mask of every object of a label image `(Y, X)`."""
    out = {}
    for below, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            out[below + 1] = Mask(box[0].start, box[1].start, labels[box] == below + 1)
    return out


def shared(a: Mask, b: Mask, dy: int = 0, dx: int = 0) -> int:
    """Pixels that `a`, moved by whole pixels (dy, dx), shares with `b`."""
    ay, ax = a.y0 + dy, a.x0 + dx
    y0, x0 = max(ay, b.y0), max(ax, b.x0)
    y1 = min(ay + a.inside.shape[0], b.y0 + b.inside.shape[0])
    x1 = min(ax + a.inside.shape[1], b.x0 + b.inside.shape[1])
    if y1 <= y0 or x1 <= x0:
        return 0
    left = a.inside[y0 - ay : y1 - ay, x0 - ax : x1 - ax]
    return int(np.count_nonzero(left & b.inside[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]))


def iou(a: Mask, b: Mask, dy: int = 0, dx: int = 0) -> float:
    """Intersection over union of `a`, moved by whole pixels, and `b`."""
    both = shared(a, b, dy, dx)
    return both / max(a.area + b.area - both, 1)


def touched(mask: Mask, labels: LabelImage) -> dict[int, int]:
    """Objects of a label image that a mask within it touches, with the number of pixels that they share."""
    h, w = mask.inside.shape
    count = np.bincount(labels[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w][mask.inside])
    return {k: int(count[k]) for k in np.flatnonzero(count).tolist() if k}


class Outline:
    """A shape as signed distance from its outline: `depth[i, j]` px at (y0 + i, x0 + j), negative inside.

    The place is real-valued, so that steps of a fraction of a pixel add up.
    """

    def __init__(self, y0: float, x0: float, depth: Floats | None = None, mask: Mask | None = None) -> None:
        self.y0, self.x0 = y0, x0
        self._depth, self._mask = depth, mask
        self._pixels: tuple[Ints, Ints] | None = None

    @classmethod
    def of(cls, mask: Mask) -> Outline:
        """The outline of a mask; distances are found when first asked for."""
        return cls(mask.y0 - MARGIN, mask.x0 - MARGIN, mask=mask)

    @property
    def depth(self) -> Floats:
        """Signed distances `(h, w)`, px."""
        if self._depth is None:
            inside = np.zeros((0, 0), bool) if self._mask is None else self._mask.inside
            self._depth = signed_distance(np.pad(inside, MARGIN))
        return self._depth

    @property
    def pixels(self) -> tuple[Ints, Ints]:
        """Rows and columns of the pixels inside, from the corner on."""
        if self._pixels is None:
            rows, columns = np.nonzero(self.depth < 0)
            self._pixels = rows, columns
        return self._pixels

    @property
    def area(self) -> int:
        """Pixels inside."""
        return len(self.pixels[0])

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean position (y, x) of what is inside; the middle of the box if nothing is."""
        y, x = self.pixels
        if len(y) == 0:
            return self.y0 + (self.depth.shape[0] - 1) / 2, self.x0 + (self.depth.shape[1] - 1) / 2
        return float(y.mean()) + self.y0, float(x.mean()) + self.x0

    def shifted(self, dy: float, dx: float) -> Outline:
        """The same shape elsewhere."""
        out = Outline(self.y0 + dy, self.x0 + dx, self.depth)
        out._pixels = self._pixels
        return out

    def scaled(self, factor: float) -> Outline:
        """Enlarged about its centroid by a factor of its diameter."""
        cy, cx = self.centroid
        height, width = (int(np.ceil(n * factor)) + 2 for n in self.depth.shape)
        y0, x0 = cy - (height - 1) / 2, cx - (width - 1) / 2
        y, x = np.arange(height) + y0, np.arange(width) + x0
        rows, columns = cy + (y - cy) / factor, cx + (x - cx) / factor
        return Outline(y0, x0, self.at(*np.meshgrid(rows, columns, indexing="ij")) * np.float32(factor))

    def warped(self, flow: Floats) -> Outline:
        """The shape at p where `flow (2, Y, X)` says that p + flow(p) lies in this shape."""
        height, width = flow.shape[1:]
        dy, dx = mean_flow(self, flow)
        y0 = int(np.clip(np.floor(self.y0 - dy), -MARGIN, height))
        x0 = int(np.clip(np.floor(self.x0 - dx), -MARGIN, width))
        h, w = self.depth.shape[0] + 1, self.depth.shape[1] + 1
        y, x = np.clip(np.arange(y0, y0 + h), 0, height - 1), np.clip(np.arange(x0, x0 + w), 0, width - 1)
        rows = np.arange(y0, y0 + h)[:, None] + flow[0][np.ix_(y, x)]
        columns = np.arange(x0, x0 + w)[None] + flow[1][np.ix_(y, x)]
        return trimmed(Outline(y0, x0, self.at(rows, columns)))

    def at(self, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> Floats:
        """Depth at real positions, bilinear; beyond the box the depth at its edge."""
        height, width = self.depth.shape
        y = np.clip(rows - self.y0, 0, height - 1)
        x = np.clip(columns - self.x0, 0, width - 1)
        i, j = np.minimum(y.astype(np.int64), height - 2), np.minimum(x.astype(np.int64), width - 2)
        fy, fx = (y - i).astype(np.float32), (x - j).astype(np.float32)
        d = self.depth
        top = d[i, j] * (1 - fx) + d[i, j + 1] * fx
        low = d[i + 1, j] * (1 - fx) + d[i + 1, j + 1] * fx
        return np.asarray(top * (1 - fy) + low * fy, np.float32)

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Pixels inside that lie within an image of this shape."""
        y0, x0 = max(int(np.floor(self.y0)), 0), max(int(np.floor(self.x0)), 0)
        y1 = max(min(int(np.ceil(self.y0)) + self.depth.shape[0], shape[0]), y0)
        x1 = max(min(int(np.ceil(self.x0)) + self.depth.shape[1], shape[1]), x0)
        depth = _between(self.depth, y0 - self.y0, y1 - y0)
        return Mask(y0, x0, _between(depth.T, x0 - self.x0, x1 - x0).T < 0)


def _middle(inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean position (y, x) of the pixels inside."""
    rows, columns = (np.count_nonzero(inside, axis=k) for k in (1, 0))
    count = max(int(rows.sum()), 1)
    return float(rows @ np.arange(len(rows))) / count, float(columns @ np.arange(len(columns))) / count


def _between(rows: Floats, first: float, count: int) -> Floats:
    """Rows at the real positions first, first + 1, …, linear in between; beyond the ends the last ones."""
    whole = int(np.floor(first))
    part = np.float32(first - whole)
    at = np.clip(np.arange(whole, whole + count + 1), 0, len(rows) - 1)
    taken = rows[at]
    return taken[:-1] * (1 - part) + taken[1:] * part


def trimmed(outline: Outline) -> Outline:
    """With as much room around the shape as `MARGIN`, cut away or added."""
    inside = outline.depth < 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows) == 0:
        return outline
    top, left = rows[0] - MARGIN, columns[0] - MARGIN
    bottom, right = rows[-1] + MARGIN + 1, columns[-1] + MARGIN + 1
    height, width = outline.depth.shape
    y, x = np.arange(top, bottom), np.arange(left, right)
    beyond = np.hypot(np.maximum(np.maximum(-y, y - height + 1), 0)[:, None], np.maximum(-x, x - width + 1).clip(0))
    depth = outline.depth[np.ix_(np.clip(y, 0, height - 1), np.clip(x, 0, width - 1))] + beyond
    return Outline(outline.y0 + top, outline.x0 + left, depth.astype(np.float32))


def mean_flow(outline: Outline, flow: Floats) -> tuple[float, float]:
    """Mean flow over the shape where it lies after the motion, found in two steps; 0 where it is out of view."""
    rows, columns = outline.pixels
    height, width = flow.shape[1:]
    dy = dx = 0.0
    for _ in range(2):
        y, x = rows + round(outline.y0 - dy), columns + round(outline.x0 - dx)
        seen = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        if not seen.any():
            break
        y, x = y[seen], x[seen]
        dy, dx = (float(part[y, x].mean()) for part in flow)
    return dy, dx


def united(a: Outline, b: Outline) -> Outline:
    """The union of two shapes, at the first one's fraction of a pixel."""
    y0, x0, grid = _common(a, b)
    return trimmed(Outline(y0, x0, np.minimum(_outside(a, *grid), _outside(b, *grid))))


def averaged(a: Outline, b: Outline, sure_a: float, sure_b: float) -> Outline:
    """Average of two masks in place, each pixel weighted with `sure` times its distance to the outline up to 2 px."""
    y0, x0, grid = _common(a, b)
    sides = ((a, max(sure_a, 1e-6)), (b, max(sure_b, 1e-6)))
    depth = sum(sure * np.clip(_outside(o, *grid) / 2, -1, 1) for o, sure in sides) / sum(s for _, s in sides)
    inside = np.asarray(depth) < 0
    if not inside.any():
        return Outline(y0, x0, np.asarray(depth, np.float32))
    return trimmed(Outline(y0, x0, signed_distance(inside)))


def signed_distance(inside: NDArray[np.bool_]) -> Floats:
    """Distance of every pixel to the outline, px, negative inside; far outside everywhere for an empty mask."""
    if not inside.any():
        return np.full(inside.shape, MARGIN, np.float32)
    far = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    return np.asarray(far + np.where(inside, 0.5, -0.5), np.float32)


def blended(a: Outline, b: Outline, weight: float) -> Outline:
    """Between two shapes in place and form: `weight` 0 is the first, 1 the second."""
    (ay, ax), (by, bx) = a.centroid, b.centroid
    cy, cx = ay + weight * (by - ay), ax + weight * (bx - ax)
    a, b = a.shifted(cy - ay, cx - ax), b.shifted(cy - by, cx - bx)
    y0, x0, grid = _common(a, b)
    depth = (1 - weight) * _outside(a, *grid) + weight * _outside(b, *grid)
    return trimmed(Outline(y0, x0, depth.astype(np.float32)))


def _common(a: Outline, b: Outline) -> tuple[float, float, list[NDArray[np.float64]]]:
    """Corner and positions of a box around both, at the first one's fraction of a pixel."""
    corner, ends = [], []
    for first, second, n, m in zip((a.y0, a.x0), (b.y0, b.x0), a.depth.shape, b.depth.shape, strict=True):
        low = first + min(0.0, float(np.floor(second - first)))
        corner.append(low)
        ends.append(low + np.arange(int(np.ceil(max(first + n, second + m) - low))))
    return corner[0], corner[1], list(np.meshgrid(*ends, indexing="ij"))


def _outside(outline: Outline, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> Floats:
    """Depth that goes on rising beyond the box."""
    height, width = outline.depth.shape
    y, x = rows - outline.y0, columns - outline.x0
    beyond = np.hypot(np.maximum(np.maximum(-y, y - height + 1), 0), np.maximum(np.maximum(-x, x - width + 1), 0))
    return np.asarray(outline.at(rows, columns) + beyond, np.float32)
