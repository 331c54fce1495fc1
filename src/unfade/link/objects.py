"""Objects of one frame and the last objects of live tracks, as the linker needs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from unfade.records import Instances, LabelImage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDEST = 4.0  # diameters


@dataclass(frozen=True)
class Frame:
    """Objects of one label image, ascending by label."""

    labels: LabelImage  # (Y, X)
    label: Ints  # (N,)
    area: Floats  # (N,) px
    y: Floats  # (N,) centroid, px
    x: Floats  # (N,)
    runs: Ints  # (R, 2) first pixel and length, object after object
    offset: Ints  # (N + 1,) first run of each object

    @classmethod
    def of(cls, labels: LabelImage) -> Frame:
        """Measure a label image `(Y, X)`; ids may start anywhere and skip."""
        found = Instances.of(labels)
        if len(found) == 0:
            none = np.zeros(0)
            return cls(labels, np.zeros(0, np.int64), none, none, none, found.runs, found.offset)
        start, length = found.runs[:, 0], found.runs[:, 1]
        y, x = np.divmod(start, labels.shape[1])
        first = found.offset[:-1]
        area = np.add.reduceat(length, first).astype(np.float64)
        middle_y = np.add.reduceat(length * y, first) / area
        middle_x = np.add.reduceat(length * x + length * (length - 1) // 2, first) / area
        return cls(labels, found.id.astype(np.int64), area, middle_y, middle_x, found.runs, found.offset)

    def __len__(self) -> int:
        return len(self.label)

    def pixels(self, place: Ints) -> tuple[Ints, Ints]:
        """Flat indices of the pixels of the objects at `place` (K,), one after the other, and the number of each."""
        own = np.concatenate([np.arange(self.offset[n], self.offset[n + 1]) for n in place] or [np.zeros(0, np.int64)])
        start, length = self.runs[own, 0], self.runs[own, 1]
        begin = np.cumsum(length) - length
        flat = np.repeat(start - begin, length) + np.arange(int(length.sum()))
        return flat, self.area[place].astype(np.int64)


@dataclass(frozen=True)
class Lost:
    """Pixels of the last masks of tracks that miss their object, track after track; masks may overlap."""

    track: Ints  # (P,) ascending
    y: Ints  # (P,)
    x: Ints  # (P,)

    @classmethod
    def none(cls) -> Lost:
        """No track is lost."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing)

    def moved(self, shift: tuple[int, int]) -> Lost:
        """All masks moved by a drift of the stage, px."""
        return Lost(self.track, self.y + shift[0], self.x + shift[1]) if shift != (0, 0) else self

    def changed(self, kept: Ints, frame: Frame, place: Ints, track: Ints) -> Lost:
        """Only the tracks `kept`, and the objects at `place` of `frame` as masks of `track`."""
        stay = np.isin(self.track, kept)
        flat, count = frame.pixels(place)
        y, x = np.divmod(flat, frame.labels.shape[1])
        owner = np.concatenate([self.track[stay], np.repeat(track, count)])
        order = np.argsort(owner, kind="stable")
        return Lost(owner[order], np.append(self.y[stay], y)[order], np.append(self.x[stay], x)[order])


@dataclass(frozen=True)
class Front:
    """The last object of every live track: first those in the frame before, ascending by label, then the lost ones.

    Lost tracks ascend by track id.
    """

    track: Ints  # (K,)
    frame: Ints  # (K,) number of the frame in which the track was last seen
    area: Floats  # (K,) px
    y: Floats  # (K,) px
    x: Floats  # (K,) px
    before: Frame | None  # the frame before
    lost: Lost

    @classmethod
    def none(cls) -> Front:
        """No track is alive."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(whole, whole, real, real, real, None, Lost.none())

    def __len__(self) -> int:
        return len(self.track)

    @property
    def recent(self) -> int:
        """Number of tracks that were seen in the frame before."""
        return 0 if self.before is None else len(self.before)

    @cached_property
    def stride(self) -> Floats:
        """Step that each object is believed to make at most, px, `(K,)`: the usual distance to the next object.

        That distance is the median over the frame before, taken as at least one and at most `WIDEST` diameters of the
        object (its area as a disc).
        """
        diameter = np.sqrt(4 * self.area / np.pi)
        if self.recent < 2:
            return WIDEST * diameter
        points = np.stack([self.y, self.x], axis=1)[: self.recent]
        apart = np.asarray(KDTree(points).query(points, k=[2])[0], np.float64)
        return np.minimum(np.maximum(np.median(apart), diameter), WIDEST * diameter)
