"""The stage that measures objects frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.errors import ChannelError, ShapeError
from unfade.measure import columns
from unfade.measure.bars import OUTLINE_PX, PLACE_PX, bars, ratio_bars
from unfade.measure.intensity import background_of, haze_reach, intensities, light, without_haze
from unfade.measure.regions import Groups, Regions
from unfade.measure.rings import rings
from unfade.measure.settings import MeasureSettings
from unfade.ops.bands import Band, bands_of
from unfade.records import Calibration, Image, Kind, LabelImage, Rows

VERSION = 5  # rises when the same settings give other values

Confidence = Mapping[int, float] | NDArray[Any] | None


class Frame(NamedTuple):
    """One frame to measure; a plain tuple will do. A huge one may come by rows, and is taken in bands either way."""

    t: int
    image: Image | Rows  # (C, Y, X)
    labels: LabelImage | Rows  # (Y, X) track ids
    confidence: Confidence = None  # by track id: a mapping, or an array that ids index; absent = unknown
    uncertainty: Mapping[int, Sequence[float]] | None = None  # by track id: total, data part, model part
    origin: Mapping[int, tuple[str, int]] | None = None  # by track id: origin and age; absent = seen in this frame


@dataclass(frozen=True)
class Tally:
    """State of the stage: what was measured so far."""

    frames: int = 0
    objects: int = 0
    empty_rings: int = 0


class ObjectMeasurer:
    """Stage: frames with labels to rows of the objects table, one row per object, in the order of ids.

    Measures nothing but the given pixels in the movie's own resolution. `channels` are pairs (index, name) of the
    channels to measure. Objects of the kind `cell` have no ring: their `ring_*` and `ratio_*` are NaN, and they do not
    count as empty. With `repaired` every value that depends on a mask has an error bar.

    Raises
    ------
    SettingsError
        If the ring is set in µm and the pixel size is unknown, or haze is still to be measured.
    """

    lag = 0

    def __init__(
        self,
        settings: MeasureSettings,
        channels: Sequence[tuple[int, str]],
        calibration: Calibration = Calibration(),
        kind: Kind = "nucleus",
        repaired: bool = False,
    ) -> None:
        self.settings = settings
        self.channels = tuple(channels)
        self.calibration = calibration
        self.kind: Kind = kind
        self.suffixes = columns.suffixes([name for _, name in self.channels])
        self._ring = settings.ring_px(calibration)
        self._inset = settings.inset_px(calibration)
        settings.haze_share()
        self.repaired = repaired and kind == "nucleus"
        self._types = columns.column_types(self.suffixes, calibration, settings.background != "none", self.repaired)

    def start(self) -> Tally:
        """The state before the first frame."""
        return Tally()

    def push(self, state: Tally, item: Frame | tuple[Any, ...]) -> tuple[Tally, list[pd.DataFrame]]:
        """Rows of one frame, given as `Frame` or a tuple `(t, image, labels, confidence)`.

        Raises
        ------
        ShapeError
            If image and labels differ in shape, or the labels are no integers of 0 and above.
        ChannelError
            If the image has fewer channels than are to be measured.
        """
        frame = Frame(*item)
        image, labels = Rows.of(frame.image), Rows.of(frame.labels)
        self._check(frame.t, image, labels)
        bands = bands_of(labels, self._reach)
        if len(bands) == 1:  # read once
            image = Rows.of(image.read(0, image.shape[1]))
        offs = [background_of(light(image, index, self.settings), self.settings) for index, _ in self.channels]
        parts = [self._band(frame.t, band, image, labels, offs) for band in bands]
        values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        values = {name: column[np.argsort(values["track"], kind="stable")] for name, column in values.items()}
        count, rings_px = len(values["track"]), values["ring_area_px"]
        values |= self._facts(frame, values["track"])
        if self.repaired:
            values |= bars(self.suffixes, values, self.settings)
        empty = int((rings_px == 0).sum()) if self.kind == "nucleus" else 0
        state = replace(
            state, frames=state.frames + 1, objects=state.objects + count, empty_rings=state.empty_rings + empty
        )
        return state, [columns.as_frame(values, self._types)]

    def finish(self, state: Tally) -> list[pd.DataFrame]:
        """Nothing: every frame's rows came with it."""
        return []

    def columns(self) -> tuple[str, ...]:
        """Columns of the table in order."""
        return tuple(self._types)

    def units(self) -> dict[str, str]:
        """Unit of each column that has one."""
        return columns.units(self._types, self.suffixes)

    def ratios(self) -> tuple[tuple[str, str], ...]:
        """Columns of nucleus/ring ratios, each with the name of its channel."""
        return tuple((f"ratio_{s}", name) for s, (_, name) in zip(self.suffixes, self.channels, strict=True))

    def empty_table(self) -> pd.DataFrame:
        """The table without rows, its columns typed."""
        none = np.zeros(0)
        words = {name: pd.Categorical([], dtype=t) for name, t in self._types.items() if not isinstance(t, np.dtype)}
        return columns.as_frame(dict.fromkeys(self._types, none) | words, self._types)

    def _check(self, t: int, image: Rows, labels: Rows) -> None:
        if len(image.shape) != 3 or image.shape[1:] != labels.shape:
            raise ShapeError(
                f"Frame {t} has an image {image.shape} but labels {labels.shape}; (C, Y, X) and (Y, X) must fit."
            )
        missing = [name for index, name in self.channels if not 0 <= index < image.shape[0]]
        if missing:
            raise ChannelError(f"Frame {t} has {image.shape[0]} channels and lacks '{missing[0]}'.")

    @property
    def _reach(self) -> int:
        """Rows beyond an object that its values depend on, but for haze."""
        more = OUTLINE_PX if self.repaired else 0
        ring = 2 * (math.floor(self._ring[1]) + more)  # another nucleus may be nearer to a pixel of the ring
        return max(ring, math.floor(self._inset) + more) + 1 + (PLACE_PX if self.repaired else 0)

    def _band(self, t: int, band: Band, image: Rows, labels: Rows, offs: Sequence[float]) -> dict[str, NDArray[Any]]:
        """Values of the objects of a band, ascending by id; a frame of usual size is one band."""
        height = labels.shape[0]
        regions = Regions.of(_checked(labels.read(band.first, band.stop), t), band.first, height)
        count = len(regions)
        ring = rings(regions.place[1:-1, 1:-1], count, *self._ring) if self.kind == "nucleus" else _nothing(count)
        core = regions.core(self._inset) if self.kind == "nucleus" else regions.groups
        values: dict[str, Any] = {"track": regions.id} | self._shape(regions, ring)
        reach = haze_reach(self.settings)
        top = max(band.first - reach, 0)
        seen = image.read(top, min(band.stop + reach, height))
        for (index, _), name, off in zip(self.channels, self.suffixes, offs, strict=True):
            channel = without_haze(seen[index], self.settings)[band.first - top : band.stop - top]
            found = self._intensity(channel, off, regions, core, ring)
            values |= {f"{part}_{name}": v for part, v in found.items()}
            if self.repaired:
                wide = ratio_bars(channel, off, regions, self.settings, self._ring, self._inset)
                values |= dict(zip((f"per_outline_{name}", f"per_place_{name}"), wide, strict=True))
        if band.own is None:
            return values
        own = np.isin(regions.id, band.own)
        return {name: column[own] for name, column in values.items()}

    def _facts(self, frame: Frame, ids: NDArray[np.int32]) -> dict[str, Any]:
        """What is known of objects beside their pixels."""
        count = len(ids)
        return {
            "frame": np.full(count, frame.t),
            "kind": columns.constant(self.kind, columns.KIND_TYPE, count),
            "time_s": np.full(count, self.calibration.seconds(frame.t), np.float64),
            **_origin(frame.origin, ids),
            "confidence": _confidence(frame.confidence, ids),
            **_uncertainty(frame.uncertainty, ids),
        }

    def _shape(self, regions: Regions, ring: Groups) -> dict[str, Any]:
        y, x = regions.centroid()
        area = regions.area()
        diameter = np.sqrt(4 / np.pi * area)
        pixels = {"y_px": y, "x_px": x, "equivalent_diameter_px": diameter, "perimeter_px": regions.perimeter()}
        pixels |= regions.ellipse()
        surface: dict[str, NDArray[Any]] = {"area_px": area, "ring_area_px": ring.count}
        values = {**pixels, **surface, "touches_border": regions.touches_border()}
        values |= dict(zip(columns.BOX, regions.box.T, strict=True))
        side = self.calibration.pixel_um
        if side is not None:
            values |= {f"{name}_um": pixels[f"{name}_px"] * side for name in columns.LENGTHS}
            values |= {f"{name}_um2": surface[f"{name}_px"] * side**2 for name in columns.AREAS}
        return values

    def _intensity(
        self, channel: NDArray[Any], off: float, regions: Regions, core: Groups, ring: Groups
    ) -> dict[str, Any]:
        inside, around = intensities(channel, regions.groups), intensities(channel, ring)
        values = {
            "mean": inside.mean - off,
            "median": inside.median - off,
            "std": inside.std,
            "max": inside.max - off,
            "integrated": inside.integrated - off * regions.groups.count,
            "ring_mean": around.mean - off,
            "ring_median": around.median - off,
            "background": np.full(len(regions), off),
        }
        part = self.settings.ratio
        middle = inside if core is regions.groups else intensities(channel, core)
        above, below = getattr(middle, part) - off, values[f"ring_{part}"]
        values["ratio"] = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
        return values


def _checked(labels: NDArray[Any], t: int) -> NDArray[Any]:
    """Labels of frame `t` as they are, if they are integers of 0 and above."""
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise ShapeError(f"Labels of frame {t} must be integers of 0 and above, got {labels.dtype}.")
    return labels


def _nothing(count: int) -> Groups:
    none = np.zeros(count, np.int64)
    return Groups(np.zeros(0, np.int64), none, none)


def _origin(given: Mapping[int, tuple[str, int]] | None, ids: NDArray[np.int32]) -> dict[str, Any]:
    known = [("seen", 0) if given is None else given.get(i, ("seen", 0)) for i in ids.tolist()]
    words = pd.Categorical([word for word, _ in known], dtype=columns.ORIGIN_TYPE)
    return {"origin": words, "age": np.array([age for _, age in known], np.int32)}


def _uncertainty(given: Mapping[int, Sequence[float]] | None, ids: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
    unknown = (np.nan,) * len(columns.DOUBTS)
    rows = [unknown if given is None else given.get(i, unknown) for i in ids.tolist()]
    values = np.array(rows, np.float64).reshape(-1, len(columns.DOUBTS))
    return dict(zip(columns.DOUBTS, values.T, strict=True))


def _confidence(given: Confidence, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    if given is None:
        return np.full(len(ids), np.nan)
    if isinstance(given, Mapping):
        return np.array([given.get(i, np.nan) for i in ids.tolist()], np.float64)
    known = ids < len(given)
    out = np.full(len(ids), np.nan)
    out[known] = given[ids[known]]
    return out
