"""Translocation movies: fields of cells whose nuclei fade and come back, with exact truth, fast enough to train on.

After paper lexy, section 2.1.2 (synthetic sequences: progressive rotation, stretch and shear, nuclear intensity moved
over the frames), widened to many cells, cytoplasm that takes up what leaves the nucleus, and a camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.records import Calibration, Kind, LabelImage, Labels, Lineage, Movie, Table
from unfade.synth.deformation import Paths, paths
from unfade.synth.fading import TranslocationSettings
from unfade.synth.kept import Kept
from unfade.synth.optics import camera_at, expose_canvas, record
from unfade.synth.scene import Cast, Scene, cast, paint
from unfade.synth.shapes import NucleusShapes

Floats = NDArray[np.float32]

CHANNELS = ("reporter", "nuclear marker")
_KEPT = 4  # painted frames that stay in memory


@dataclass(frozen=True)
class TranslocationFrame:
    """One frame with its truth."""

    image: NDArray[np.uint16]  # (C, Y, X) counts
    photons: Floats  # (C, Y, X) expected, before any noise
    nuclei: LabelImage  # (Y, X) track ids
    cells: LabelImage  # (Y, X) the same ids, nucleus and cytoplasm
    objects: pd.DataFrame  # one row per cell with a pixel in the field, see `TranslocationMovie.truth`


@dataclass(frozen=True)
class TranslocationFrames:
    """All frames as arrays, for training; no table is made."""

    image: NDArray[np.uint16]  # (T, C, Y, X) counts
    nuclei: LabelImage  # (T, Y, X) track ids
    cells: LabelImage  # (T, Y, X)


class TranslocationMovie:
    """A synthetic movie; frames are drawn when asked for, always the same for the same settings and shapes."""

    def __init__(self, settings: TranslocationSettings | None = None, stills: NucleusShapes | None = None) -> None:
        self.settings = settings or TranslocationSettings()
        self.shapes = _drawn() if stills is None else stills
        nuclei, bodies = self.settings.nuclei, self.settings.bodies
        largest = nuclei.diameter_px / 2 * np.exp(2 * nuclei.diameter_spread)
        self.reach_px = largest * bodies.ratio * np.exp(0.6 * bodies.elongation)
        camera = self.settings.camera
        blurred = camera.blur_px + 3 * camera.refocus_px
        self.margin_px = int(np.ceil(4 * blurred)) + 8  # light from beyond the field
        self._kept: Kept[Scene] = Kept(_KEPT)

    def __len__(self) -> int:
        return self.settings.frames

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(T, C, Y, X)`."""
        return self.settings.frames, len(CHANNELS), self.settings.height_px, self.settings.width_px

    @property
    def calibration(self) -> Calibration:
        """Pixel size and frame interval of the settings."""
        return Calibration(self.settings.pixel_um, self.settings.interval_s)

    def frame(self, t: int) -> TranslocationFrame:
        """Frame `t` with its truth."""
        scene = self._painted(t)
        photons = np.stack([self._expose(scene.reporter, t), self._expose(scene.marker, t)])
        nuclei, cells = self._field(scene.nuclei), self._field(scene.cells)
        return TranslocationFrame(self._record(photons, t), photons, nuclei, cells, self._objects(t, scene))

    def frames(self, marker: bool = False) -> TranslocationFrames:
        """The whole movie as arrays; one channel, the reporter, unless the marker is asked for as a second one."""
        images, nuclei, cells = [], [], []
        for t in range(len(self)):
            scene = self._paint(t)
            light = (scene.reporter, scene.marker) if marker else (scene.reporter,)
            images.append(self._record(np.stack([self._expose(c, t) for c in light]), t))
            nuclei.append(self._field(scene.nuclei))
            cells.append(self._field(scene.cells))
        return TranslocationFrames(np.stack(images), np.stack(nuclei), np.stack(cells))

    def movie(self) -> Movie:
        """The images, read one frame at a time."""
        return Movie(
            self.shape, np.dtype(np.uint16), CHANNELS, lambda t: self.frame(t).image, calibration=self.calibration
        )

    def labels(self, kind: Kind = "nucleus") -> Labels:
        """True masks whose values are track ids, read one frame at a time."""
        shape = (self.shape[0], *self.shape[2:])
        if kind == "nucleus":
            return Labels(shape, lambda t: self._field(self._painted(t).nuclei), kind, self.calibration)
        return Labels(shape, lambda t: self._field(self._painted(t).cells), kind, self.calibration)

    @cached_property
    def lineage(self) -> Lineage:
        """True tracks of the nuclei that have a pixel in the field; one that left and came back has a gap."""
        seen = [ids[ids > 0] for ids in (np.unique(image) for image in self.labels().frames())]
        frame = np.repeat(np.arange(len(seen), dtype=np.int32), [len(ids) for ids in seen])
        track = np.concatenate(seen).astype(np.int32)
        confidence = np.ones(len(track), np.float32)
        confidence[np.unique(track, return_index=True)[1]] = np.nan
        mother = self.paths.parents
        pairs = [(n + 1, m + 1) for n, m in enumerate(mother.tolist()) if m >= 0]
        pairs = [p for p in pairs if np.isin(p, track).all()]
        return Lineage(frame, track, track, confidence, np.array(pairs, np.int32).reshape(-1, 2))

    def truth(self) -> Table:
        """One row per cell and frame with a pixel in the field; areas and means are of whole cells, before any optics.

        Columns: `frame, track, y_px, x_px` (middle of the nucleus' shape), `nucleus_px, cytoplasm_px` (areas weighted
        by thickness), `nuclear, cytoplasmic` (mean concentrations), `ratio` (nuclear over cytoplasmic), `amount`.
        """
        rows = [self._objects(t, self._painted(t)).assign(frame=t) for t in range(len(self))]
        table = pd.concat(rows, ignore_index=True)
        units = {"y_px": "px", "x_px": "px", "nucleus_px": "px²", "cytoplasm_px": "px²"}
        return Table(table[["frame", *table.columns.drop("frame")]], units)

    @cached_property
    def paths(self) -> Paths:
        """Where every cell is in every frame, also those outside the field."""
        return paths(self.settings, self.reach_px, np.random.default_rng([self.settings.seed, 0]))

    @cached_property
    def cells(self) -> Cast:
        """What each cell looks like and how it answers."""
        rng = np.random.default_rng([self.settings.seed, 1])
        return cast(self.settings, self.paths, self.shapes, rng)

    @property
    def contrast(self) -> NDArray[np.float64]:
        """Logarithm of nuclear over cytoplasmic concentration `(T, N)`."""
        return self.cells.contrast

    def _painted(self, t: int) -> Scene:
        return self._kept.get(t, self._paint)

    def _paint(self, t: int) -> Scene:
        scene = paint(self.settings, self.paths, self.cells, t, self.margin_px)
        self._litter(scene.reporter, (self.margin_px, self.margin_px))
        return scene

    def _litter(self, canvas: Floats, low: tuple[int, int]) -> None:
        """Add bright round spots that are no nuclei to a canvas on which the field begins at `low`."""
        debris, rng = self.settings.debris, np.random.default_rng([self.settings.seed, 3])
        size = np.array([self.settings.height_px, self.settings.width_px])
        count = rng.poisson(debris.density * size.prod() / 1e4)
        for place, radius, light in zip(
            low + rng.uniform(0, 1, (count, 2)) * size,
            debris.diameter_px / 2 * np.exp(rng.normal(0, 0.3, count)),
            debris.brightness * np.exp(rng.normal(0, 0.5, count)),
            strict=True,
        ):
            reach = int(np.ceil(1.5 * radius)) + 1
            y, x = (np.arange(int(p) - reach, int(p) + reach + 1) for p in place)
            y, x = (v[(v >= 0) & (v < n)] for v, n in zip((y, x), canvas.shape, strict=True))
            far = np.hypot(y[:, None] - place[0], x[None] - place[1])
            canvas[y[0] : y[-1] + 1, x[0] : x[-1] + 1] += light * np.clip(radius - far + 0.5, 0, 1)

    def _expose(self, canvas: Floats, t: int) -> Floats:
        return expose_canvas(canvas, t, camera_at(self.settings.camera, t, self.settings.seed), self.margin_px)

    def _record(self, photons: Floats, t: int) -> NDArray[np.uint16]:
        return record(photons, self.settings.camera, np.random.default_rng([self.settings.seed, 2, t]))

    def _field(self, canvas: NDArray[np.int32]) -> NDArray[np.int32]:
        inner = slice(self.margin_px, -self.margin_px)
        return np.ascontiguousarray(canvas[inner, inner])

    def _objects(self, t: int, scene: Scene) -> pd.DataFrame:
        here, level = scene.here, scene.level
        ratio = np.exp(self.contrast[t, here])
        table = pd.DataFrame(
            {
                "track": here + 1,
                "y_px": self.paths.centre_px[t, here, 0],
                "x_px": self.paths.centre_px[t, here, 1],
                "nucleus_px": scene.nucleus_px,
                "cytoplasm_px": scene.cytoplasm_px,
                "nuclear": ratio * level,
                "cytoplasmic": level,
                "ratio": ratio,
                "amount": level * (ratio * scene.nucleus_px + scene.cytoplasm_px),
            }
        )
        seen = np.union1d(self._field(scene.nuclei), self._field(scene.cells))
        return table[table["track"].isin(seen)].reset_index(drop=True)


@lru_cache(maxsize=1)
def _drawn() -> NucleusShapes:
    return NucleusShapes.drawn()
