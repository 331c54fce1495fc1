"""Movies of moving, dividing cells with a nuclear marker and a reporter that leaves the nucleus, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.records import Calibration, Kind, LabelImage, Labels, Lineage, Movie, Table
from unfade.synth.kept import Kept
from unfade.synth.optics import camera_at, expose, record
from unfade.synth.painting import Painted, paint
from unfade.synth.population import Population, populate
from unfade.synth.settings import CellMovieSettings

CHANNELS = ("nuclear marker", "reporter")
_KEPT_BYTES = 2**27  # painted frames that stay in memory


@dataclass(frozen=True)
class CellFrame:
    """One frame with its truth."""

    image: NDArray[np.uint16]  # (C, Y, X) counts
    photons: NDArray[np.float32]  # (C, Y, X) expected, before any noise
    nuclei: LabelImage  # (Y, X) track ids
    cells: LabelImage  # (Y, X) the same ids, nucleus and cytoplasm
    objects: pd.DataFrame  # one row per cell in the field, see `CellMovie.truth`


class CellMovie:
    """A synthetic movie; frames are drawn when asked for, always the same for the same settings."""

    def __init__(self, settings: CellMovieSettings | None = None) -> None:
        self.settings = settings or CellMovieSettings()
        frame_bytes = 16 * self.settings.height_px * self.settings.width_px
        self._kept: Kept[Painted] = Kept(max(2, _KEPT_BYTES // frame_bytes))

    def __len__(self) -> int:
        return self.settings.frames

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(T, C, Y, X)`."""
        return self.settings.frames, len(CHANNELS), self.settings.height_px, self.settings.width_px

    @cached_property
    def population(self) -> Population:
        """Every cell of every frame, also those outside the field."""
        return populate(self.settings, np.random.default_rng([self.settings.seed, 0]))

    def frame(self, t: int) -> CellFrame:
        """Frame `t` with its truth."""
        painted = self._painted(t)
        camera = camera_at(self.settings.camera, t, self.settings.seed)
        photons = np.stack([expose(channel, t, camera) for channel in (painted.marker, painted.reporter)])
        image = record(photons, camera, np.random.default_rng([self.settings.seed, 1, t]))
        return CellFrame(image, photons, painted.nuclei, painted.cells, painted.objects)

    def movie(self) -> Movie:
        """The images, read one frame at a time."""
        return Movie(
            self.shape, np.dtype(np.uint16), CHANNELS, lambda t: self.frame(t).image, calibration=self.calibration
        )

    def labels(self, kind: Kind = "nucleus") -> Labels:
        """True masks whose values are track ids, read one frame at a time."""
        shape = (self.shape[0], *self.shape[2:])
        if kind == "nucleus":
            return Labels(shape, lambda t: self._painted(t).nuclei, kind, self.calibration)
        return Labels(shape, lambda t: self._painted(t).cells, kind, self.calibration)

    @property
    def calibration(self) -> Calibration:
        """Pixel size and frame interval of the settings."""
        return Calibration(self.settings.pixel_um, self.settings.interval_s)

    @cached_property
    def lineage(self) -> Lineage:
        """True tracks of the nuclei that have a pixel in the field; a nucleus that left and came back has a gap."""
        seen = [ids[ids > 0] for ids in (np.unique(image) for image in self.labels().frames())]
        frame = np.repeat(np.arange(len(seen), dtype=np.int32), [len(ids) for ids in seen])
        track = np.concatenate(seen).astype(np.int32)
        first = np.zeros(len(track), bool)
        first[np.unique(track, return_index=True)[1]] = True
        pairs = [p for p in self.population.parents if np.isin(p, track).all()]
        return Lineage(
            frame=frame,
            label=track,
            track=track,
            confidence=np.where(first, np.nan, 1).astype(np.float32),
            parents=np.array(pairs, np.int32).reshape(-1, 2),
        )

    def truth(self) -> Table:
        """One row per cell and frame with a pixel in the field; areas and means are of whole cells, before any optics.

        Columns: `frame, track, y_px, x_px` (middle of the nucleus), `nucleus_px, cytoplasm_px` (areas), `marker,
        nuclear, cytoplasmic` (mean concentrations), `ratio` (nuclear over cytoplasmic) and `amount` (all reporter).
        """
        rows = [self._painted(t).objects.assign(frame=t) for t in range(len(self))]
        table = pd.concat(rows, ignore_index=True)
        units = {"y_px": "px", "x_px": "px", "nucleus_px": "px²", "cytoplasm_px": "px²"}
        return Table(table[["frame", *table.columns.drop("frame")]], units)

    def _painted(self, t: int) -> Painted:
        return self._kept.get(t, self._paint)

    def _paint(self, t: int) -> Painted:
        settings = self.settings
        size = (settings.height_px, settings.width_px)
        return paint(self.population.frames[t], size, settings.growth.cell_ratio, settings.seed)
