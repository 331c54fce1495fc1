"""Named tiny label movies with their true lineage: what any segmenter, linker, measure or format may meet.

Every case is a function that gives a `Case`; `BESTIARY` holds them by name, and the manual draws them. Labels are track
ids, so the label of a node is its track.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfade.records import Labels, Lineage, Movie

SIZE = (24, 32)  # height and width of every case, in pixels
_DARK, _BRIGHT = 100, 1000


@dataclass(frozen=True)
class Case:
    """A label movie, its lineage and a picture of it."""

    labels: NDArray[np.int32]  # (T, Y, X)
    lineage: Lineage
    image: NDArray[np.uint16]  # (T, Y, X)
    parents: tuple[tuple[int, int], ...]  # (child, parent)

    def as_labels(self) -> Labels:
        return Labels.of(self.labels)

    def as_movie(self) -> Movie:
        return Movie.of(self.image)


def touching() -> Case:
    """Two cells share a straight border all the time."""
    out = _empty(4)
    for t in range(4):
        out[t, 6:16, 4 + t : 12 + t] = 1
        out[t, 6:16, 12 + t : 20 + t] = 2
    return _case(out)


def touching_at_a_corner() -> Case:
    """Two cells meet at a corner: one object with eight neighbours, two with four."""
    out = _empty(3)
    out[:, 4:10, 6:12] = 1
    out[:, 10:16, 12:18] = 2
    return _case(out)


def blinking() -> Case:
    """A cell is missing in frames 2 and 3 and goes on as the same track."""
    out = _empty(6)
    for t in (0, 1, 4, 5):
        _disc(out[t], 1, 12, 10 + t, 4)
    return _case(out)


def fading() -> Case:
    """A cell stays where it is while its contrast goes through zero and comes back inverted; the masks go on."""
    out = _empty(7)
    for t in range(7):
        _disc(out[t], 1, 11, 12 + t, 5)
        _disc(out[t], 2, 18, 26, 3)
    image = _picture(out)
    for t, contrast in enumerate((900, 600, 300, 0, 0, -40, -80)):
        image[t][out[t] == 1] = _DARK + contrast
    return _case(out, image=image)


def dividing() -> Case:
    """One cell becomes two of half its area, one to each side."""
    out = _empty(6)
    for t in range(3):
        _disc(out[t], 1, 12, 16, 5)
    for t in range(3, 6):
        _disc(out[t], 2, 12, 12 - (t - 3), 3.5)
        _disc(out[t], 3, 12, 20 + (t - 3), 3.5)
    return _case(out, ((2, 1), (3, 1)))


def dividing_in_three() -> Case:
    """One cell becomes three."""
    out = _empty(4)
    for t in range(2):
        _disc(out[t], 1, 12, 16, 5)
        for place, label in enumerate((2, 3, 4)):
            _disc(out[t + 2], label, 12, 8 + 8 * place, 3)
    return _case(out, ((2, 1), (3, 1), (4, 1)))


def merging() -> Case:
    """Three cells become one: their tracks end and one with three parents begins."""
    out = _empty(4)
    for t in range(2):
        for place, label in enumerate((1, 2, 3)):
            _disc(out[t], label, 12, 8 + t + (8 - t) * place, 3)
    out[2:, 9:16, 6:27] = 4
    return _case(out, ((4, 1), (4, 2), (4, 3)))


def leaving() -> Case:
    """A cell walks out of the field, cut by the border on its way."""
    out = _empty(6)
    for t in range(6):
        _disc(out[t], 1, 12, 20 + 3 * t, 4)
    return _case(out)


def entering() -> Case:
    """A cell comes in over the top border after the movie has begun."""
    out = _empty(5)
    for t in range(5):
        _disc(out[t], 1, -8 + 4 * t, 9, 4)
        _disc(out[t], 2, 14, 24, 4)
    return _case(out)


def one_pixel() -> Case:
    """An object of a single pixel beside one of ordinary size, and one pixel in the corner of the field."""
    out = _empty(3)
    for t in range(3):
        out[t, 5, 5 + t] = 1
        _disc(out[t], 2, 14, 20, 5)
        out[t, 23, 31] = 3
    return _case(out)


def empty_frame() -> Case:
    """The middle frame holds nothing: an exposure was lost."""
    out = _empty(5)
    for t in (0, 1, 3, 4):
        _disc(out[t], 1, 8, 8 + t, 4)
        _disc(out[t], 2, 16, 22 - t, 4)
    return _case(out)


def nothing() -> Case:
    """No object in any frame."""
    return _case(_empty(3))


def one_frame() -> Case:
    """A movie of a single frame: there is nothing to link."""
    out = _empty(1)
    _disc(out[0], 1, 8, 8, 4)
    _disc(out[0], 2, 15, 22, 5)
    return _case(out)


def skipping_ids() -> Case:
    """Ids start at 7, skip, and do not follow the order of place or birth."""
    out = _empty(4)
    for t in range(4):
        _disc(out[t], 40, 7, 7 + t, 4)
        if t > 0:
            _disc(out[t], 7, 16, 12, 4)
        if t < 3:
            _disc(out[t], 1000, 10, 25, 4)
    return _case(out)


def two_pieces() -> Case:
    """One object consists of two pieces that do not touch."""
    out = _empty(3)
    out[:, 6:12, 6:11] = 1
    out[:, 6:12, 14:19] = 1
    _disc(out[0], 2, 18, 26, 3)
    return _case(out)


def ring() -> Case:
    """An object lies in the hole of another one."""
    out = _empty(3)
    for t in range(3):
        _disc(out[t], 1, 12, 14 + t, 9)
        _disc(out[t], 0, 12, 14 + t, 5)
        _disc(out[t], 2, 12, 14 + t, 3)
    return _case(out)


def filling() -> Case:
    """One object is the whole field: there is no background."""
    out = _empty(2)
    out[:] = 3
    return _case(out)


def crossing() -> Case:
    """Two cells pass each other within one step, so overlap alone takes each for the other."""
    out = _empty(4)
    for t in range(4):
        _disc(out[t], 1, 11, 6 + 6 * t, 3)
        _disc(out[t], 2, 14, 24 - 6 * t, 3)
    return _case(out)


def leaping() -> Case:
    """The stage jumps by more than a cell between frames 1 and 2; nothing overlaps its former place."""
    out = _empty(4)
    for t in range(4):
        shift = 0 if t < 2 else 11
        for label, (y, x) in enumerate(((6, 5), (16, 7), (11, 16)), start=1):
            _disc(out[t], label, y, x + shift, 3)
    return _case(out)


CASES: tuple[Callable[[], Case], ...] = (
    touching,
    touching_at_a_corner,
    blinking,
    fading,
    dividing,
    dividing_in_three,
    merging,
    leaving,
    entering,
    one_pixel,
    empty_frame,
    nothing,
    one_frame,
    skipping_ids,
    two_pieces,
    ring,
    filling,
    crossing,
    leaping,
)
BESTIARY: dict[str, Callable[[], Case]] = {make.__name__.replace("_", " "): make for make in CASES}


def _empty(frames: int) -> NDArray[np.int32]:
    return np.zeros((frames, *SIZE), np.int32)


def _disc(image: NDArray[np.int32], label: int, y: float, x: float, radius: float) -> None:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label


def _picture(labels: NDArray[np.int32]) -> NDArray[np.uint16]:
    return np.where(labels > 0, _BRIGHT, _DARK).astype(np.uint16)


def _case(
    labels: NDArray[np.int32],
    parents: Iterable[tuple[int, int]] = (),
    image: NDArray[np.uint16] | None = None,
) -> Case:
    pairs = tuple(parents)
    seen = [ids[ids > 0] for ids in (np.unique(frame) for frame in labels)]
    track = np.concatenate(seen).astype(np.int32)
    frame = np.repeat(np.arange(len(seen), dtype=np.int32), [len(ids) for ids in seen])
    first = np.isin(np.arange(len(track)), np.unique(track, return_index=True)[1])
    confidence = np.where(first, np.nan, 1).astype(np.float32)
    lineage = Lineage(frame, track, track, confidence, np.array(pairs, np.int32).reshape(-1, 2))
    return Case(labels, lineage, _picture(labels) if image is None else image, pairs)
