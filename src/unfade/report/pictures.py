"""Pictures of the page: grey images as PNG, outlines of objects as vector paths, thumbnails."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.ops.bands import bands_of, rows_of
from unfade.ops.normalise import levels
from unfade.records import Rows
from unfade.report.content import LISTED, Crop, Outline, Sketch, Snapshot, listed

LONGEST_PX = 1280  # longer images are shown smaller by a whole factor; their outlines keep all detail
CROP_PX = 48
QUARTER = 4  # outlines are drawn on a grid of quarter pixels
EAST, SOUTH, WEST, NORTH = range(4)
STEP = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])  # x, y of one edge of a pixel, clockwise around it

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A frame ready for the page."""

    frame: int
    width: int
    height: int
    png: str  # data address
    outlines: tuple[Outline, ...]


def spread(frames: int, count: int = 4) -> list[int]:
    """Up to `count` frames, evenly spaced from the first to the last."""
    return sorted({round(float(t)) for t in np.linspace(0, frames - 1, min(count, frames))}) if frames > 0 else []


def contrast(images: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Intensities shown black and white: the same for all images, so that fading stays visible.

    They are the lowest 0.5th and the highest 99.8th percentile of the images; pixels that are not finite are left out.
    """
    return common([levels(_finite(image), 0.5, 99.8) for image in images if image.size])


def common(ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The lowest and the highest of several intensities for black and white."""
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 1.0)


def sketch(shot: Snapshot) -> Sketch:
    """What the page needs of a snapshot; a huge one that comes by rows is never in memory as a whole."""
    image = Rows.of(shot.image)
    height, width = image.shape
    if not isinstance(shot.image, Rows) or height <= rows_of(image.shape):
        whole = image.read(0, height)
        small, ends = _thinned(whole, LONGEST_PX), levels(_finite(whole), 0.5, 99.8)
    else:
        small, ends = _thinned_rows(image, LONGEST_PX), levels(image, 0.5, 99.8)
    return Sketch(int(shot.frame), height, width, small, ends, tuple(outlines(shot.labels)))


def picture(shot: Snapshot | Sketch, ends: tuple[float, float]) -> Picture:
    """A frame with the intensities `ends` as black and white."""
    known = shot if isinstance(shot, Sketch) else sketch(shot)
    png = data_address(grey(known.small, ends))
    return Picture(known.frame, known.width, known.height, png, known.outlines)


def grey(image: NDArray[Any], ends: tuple[float, float]) -> Bytes:
    """An image `(Y, X)` with `ends` stretched over 0..255; what lies outside is cut, what is not finite is black."""
    low, high = ends
    out = np.nan_to_num(np.asarray(image, np.float32), nan=low, posinf=high, neginf=low)
    out = np.subtract(out, np.float32(low), out=out)
    out *= np.float32(255.0 / (high - low) if high > low else 0.0)
    out += np.float32(0.5)
    return np.clip(out, 0, 255, out=out).astype(np.uint8)


def png(pixels: Bytes) -> bytes:
    """An 8-bit grey image `(Y, X)` as PNG; every pixel is stored as the difference to the one on its left."""
    height, width = pixels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = 1  # filter type "sub"
    rows[:, 1] = pixels[:, 0]
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=rows[:, 2:])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    squeeze = zlib.compressobj(4, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # for differences: quicker and smaller than 6
    body = squeeze.compress(rows.data) + squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_address(pixels: Bytes) -> str:
    """A grey image as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def outlines(labels: NDArray[Any] | Rows) -> list[Outline]:
    """The border of every object of a label image `(Y, X)`, ascending by id; a huge one is taken in bands.

    A path runs through the middles of the pixel edges between object and outside, a quarter of a pixel inside the
    object, so that touching neighbours keep two lines; points on straight stretches are left out. Holes and separate
    pieces are further loops of the same path; pixels that meet at a corner only are separate pieces.
    """
    image, found = Rows.of(labels), list[Outline]()
    for band in bands_of(image, 1):
        part = image.read(band.first, band.stop)
        found += _outlines(part if band.own is None else np.where(np.isin(part, band.own), part, 0), band.first)
    return sorted(found, key=lambda line: line.track)


def _outlines(labels: NDArray[Any], top: int) -> list[Outline]:
    """The same for the rows of an image from `top` on."""
    edges = _edges(labels)
    if len(edges.owner) == 0:
        return []
    order, loop = _walk(edges.successor)
    point = edges.middle[order] + np.array([0, top * QUARTER])
    corner, loop = _corners(point, loop)
    point, owner = point[corner], edges.owner[order][corner]
    return _paths(point, loop, owner)


def cut(
    attention: pd.DataFrame,
    image: Callable[[int], NDArray[Any] | Rows],
    labels: Callable[[int], NDArray[Any] | Rows],
    most: int = LISTED,
) -> tuple[Crop | None, ...]:
    """Thumbnails of the rows of the attention table that the page lists; each frame needed is read once.

    `image(frame)` and `labels(frame)` give `(Y, X)`. There is one entry per row, None for a row that is not listed,
    has no `y_px` and `x_px`, or whose object is not in its frame.
    """
    found: list[Crop | None] = [None] * len(attention)
    if not {"y_px", "x_px"} <= set(attention):
        return tuple(found)
    rows = attention.reset_index(drop=True).iloc[listed(attention, most)]
    for frame, places in rows.groupby("frame"):
        pixels, objects = image(int(str(frame))), labels(int(str(frame)))
        for row in places.itertuples():
            place = (float(str(row.y_px)), float(str(row.x_px)))
            if np.isfinite(place).all():
                found[int(str(row.Index))] = crop(pixels, objects, int(str(row.track)), place)
    return tuple(found)


def crop(
    image: NDArray[Any] | Rows,
    labels: NDArray[Any] | Rows,
    track: int,
    place: tuple[float, float],
    side: int = CROP_PX,
) -> Crop | None:
    """A square of `side` pixels around `place` (y, x), moved inside the frame; None if the object is not in it."""
    height, width = image.shape
    top = int(np.clip(round(place[0]) - side // 2, 0, max(height - side, 0)))
    left = int(np.clip(round(place[1]) - side // 2, 0, max(width - side, 0)))
    pixels, mask = (Rows.of(each).read(top, min(top + side, height))[:, left : left + side] for each in (image, labels))
    return Crop(pixels.copy(), mask == track) if (mask == track).any() else None


@dataclass(frozen=True)
class _Edges:
    """Pixel edges between an object and what is not that object, each directed clockwise around its pixel."""

    owner: NDArray[Any]  # (E,) id of the object
    successor: NDArray[np.int64]  # (E,) the edge that follows along the border
    middle: NDArray[np.int64]  # (E, 2) x, y in quarters of a pixel, a quarter inside the object


def _edges(labels: NDArray[Any]) -> _Edges:
    padded = np.zeros((labels.shape[0] + 2, labels.shape[1] + 2), labels.dtype)
    padded[1:-1, 1:-1] = labels
    width = padded.shape[1]
    flat = padded.ravel()
    outward = (-width, 1, width, -1)  # from a pixel across its top, right, bottom, left edge
    inside = np.flatnonzero(flat)
    pixels = [inside[flat[inside + away] != flat[inside]] for away in outward]
    number = np.zeros((4, flat.size), np.int32)
    start = np.cumsum([0, *(len(p) for p in pixels)])
    for side in range(4):
        number[side, pixels[side]] = np.arange(start[side], start[side + 1])
    follow = []
    for side, pixel in enumerate(pixels):
        ahead = pixel + outward[(side + 1) % 4]  # the next pixel along the edge
        same = flat[ahead] == flat[pixel]
        across = ahead + outward[side]
        left = same & (flat[across] == flat[pixel])
        turn_left = number[(side + 3) % 4, across]
        turn_right = number[(side + 1) % 4, pixel]
        follow.append(np.where(left, turn_left, np.where(same, number[side, ahead], turn_right)))
    sides = np.repeat(np.arange(4), np.diff(start))
    every = np.concatenate(pixels)
    centre = np.stack([every % width - 1, every // width - 1], axis=1) * QUARTER + QUARTER // 2
    return _Edges(flat[every], np.concatenate(follow).astype(np.int64), centre + STEP[(sides + 3) % 4])


def _walk(successor: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges in walking order, loop after loop, and the number of each one's loop."""
    following = successor.tolist()
    waiting = bytearray(b"\x01") * len(following)
    order: list[int] = []
    sizes: list[int] = []
    at = waiting.find(1)
    while at >= 0:
        before = len(order)
        edge = at
        while waiting[edge]:
            waiting[edge] = 0
            order.append(edge)
            edge = following[edge]
        sizes.append(len(order) - before)
        at = waiting.find(1, at)
    return np.array(order, np.int64), np.repeat(np.arange(len(sizes)), sizes)


def _corners(point: NDArray[np.int64], loop: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Where the direction changes, and the loops of the points kept."""
    first = np.flatnonzero(np.diff(loop, prepend=-1))
    last = np.append(first[1:], len(loop)) - 1
    ahead, behind = np.arange(len(loop)) + 1, np.arange(len(loop)) - 1
    ahead[last], behind[first] = first, last
    to, came = point[ahead] - point, point - point[behind]
    corner = to[:, 0] * came[:, 1] != to[:, 1] * came[:, 0]
    return corner, loop[corner]


def _paths(point: NDArray[np.int64], loop: NDArray[np.int64], owner: NDArray[Any]) -> list[Outline]:
    """Relative path commands, the loops of an object joined."""
    first = np.flatnonzero(np.diff(loop, prepend=-1))
    steps = np.diff(point, axis=0, prepend=point[:1])
    texts = [f"{x}{y:+d}" if y < 0 else f"{x} {y}" for x, y in steps.tolist()]
    ends = [*first[1:].tolist(), len(loop)]
    pieces: dict[int, list[str]] = {}
    for start, end in zip(first.tolist(), ends, strict=True):
        x, y = point[start].tolist()
        text = f"M{x} {y}l{' '.join(texts[start + 1 : end])}z"
        pieces.setdefault(int(owner[start]), []).append(text)
    return [Outline(track, "".join(pieces[track])) for track in sorted(pieces)]


def _thinned(image: NDArray[Any], longest: int = LONGEST_PX, factor: int = 0) -> NDArray[Any]:
    """Means over squares of pixels, as large as it takes for the longest side where no factor is given."""
    factor = factor or -(-max(image.shape) // longest)
    if factor <= 1:
        return image
    height, width = (max(side // factor, 1) * factor for side in image.shape)
    whole = np.pad(image, [(0, max(0, n - s)) for n, s in zip((height, width), image.shape, strict=True)], "edge")
    squares = whole[:height, :width].reshape(height // factor, factor, width // factor, factor)
    means: NDArray[np.float32] = squares.mean(axis=(1, 3), dtype=np.float32)
    return means


def _thinned_rows(image: Rows, longest: int) -> NDArray[Any]:
    """The same of an image that is read by rows."""
    factor = -(-max(image.shape) // longest)
    step = max(rows_of(image.shape) // factor, 1) * factor
    bands = [(first, stop) for first, stop in image.ranges(step) if stop - first >= factor]
    parts = [
        _thinned(image.read(first, stop)[: (stop - first) // factor * factor], factor=factor) for first, stop in bands
    ]
    return np.concatenate(parts)


def _finite(image: NDArray[Any]) -> NDArray[Any]:
    if image.dtype.kind != "f":
        return image
    good = np.isfinite(image)
    return image if good.all() else np.append(image[good], np.zeros(0 if good.any() else 1))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
