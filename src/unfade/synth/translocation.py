"""Translocation movies: fields of cells whose nuclei fade and come back, with exact truth, fast enough to train on.

The light of a cell is thickness x texture x concentration. Over the nucleus the concentration is the nuclear one; the
nucleus' own texture grows with the contrast, so that a nucleus of zero contrast leaves no trace (unless
`nuclei.residue` asks for one). Every cell keeps its reporter: what leaves the nucleus brightens the cytoplasm.
After paper lexy, section 2.1.2 (synthetic sequences), widened to many cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unfade.records import Calibration, Kind, LabelImage, Labels, Lineage, Movie, Table
from unfade.synth import shapes
from unfade.synth.course import ratios
from unfade.synth.deformation import Paths, paths
from unfade.synth.fading import TranslocationSettings
from unfade.synth.optics import expose_fast, record
from unfade.synth.shapes import NucleusShapes

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CHANNELS = ("reporter", "nuclear marker")
_SOFT = 0.15  # difference of thickness over which one cell gives way to another
_FULL = 0.4  # |log ratio| at which a nucleus shows all of its texture
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
    """All frames as arrays, for training: no table is made."""

    image: NDArray[np.uint16]  # (T, C, Y, X) counts
    nuclei: LabelImage  # (T, Y, X) track ids
    cells: LabelImage  # (T, Y, X)


@dataclass(frozen=True)
class _Cells:
    """What stays the same over the movie; one entry per cell."""

    shape: Ints  # place in the nucleus shapes
    outline: Floats  # (N, S, S) thickness of the cell's body in its own coordinates
    stretch: NDArray[np.float64]  # (N, 2, 2) from the nucleus' frame of the cell to its body
    offset: NDArray[np.float64]  # (N, 2) of the nucleus from the body's middle, in units of the body's radius
    ratio: NDArray[np.float64]  # (N,) body's radius over the nucleus'
    grain: Ints  # (N, 3) tile and start in it
    amount: NDArray[np.float64]  # (N,) reporter: concentration 1 times the area at first
    marker: NDArray[np.float64]  # (N,) of the marker
    contrast: NDArray[np.float64]  # (T, N) logarithm of nuclear over cytoplasmic concentration


@dataclass(frozen=True)
class _Scene:
    """One frame on its canvas (the field and a margin), before optics."""

    reporter: Floats
    marker: Floats
    nuclei: NDArray[np.int32]
    cells: NDArray[np.int32]
    rows: tuple[NDArray[Any], ...]  # place of the cell, nucleus_px, cytoplasm_px, cytoplasmic concentration


class TranslocationMovie:
    """A synthetic movie; frames are drawn when asked for, always the same for the same settings and shapes."""

    def __init__(self, settings: TranslocationSettings | None = None, stills: NucleusShapes | None = None) -> None:
        self.settings = settings or TranslocationSettings()
        self.shapes = _drawn() if stills is None else stills
        nuclei, bodies = self.settings.nuclei, self.settings.bodies
        largest = nuclei.diameter_px / 2 * np.exp(2 * nuclei.diameter_spread)
        reach = largest * bodies.ratio * np.exp(0.6 * bodies.elongation)
        self.margin_px = int(np.ceil(reach)) + 2
        self._painted = lru_cache(maxsize=_KEPT)(self._paint)

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
        return paths(self.settings, self.margin_px, np.random.default_rng([self.settings.seed, 0]))

    @cached_property
    def _cells(self) -> _Cells:
        rng = np.random.default_rng([self.settings.seed, 1])
        bodies, n = self.settings.bodies, len(self.paths.parents)
        source = _founders(self.paths.parents)  # daughters take after their mother
        stretch = np.exp(0.5 * np.abs(rng.normal(0, bodies.elongation, n)))[source]
        turn = rng.uniform(0, 2 * np.pi, n)
        sine, cosine = np.sin(turn), np.cos(turn)
        axes = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
        to_body = axes * np.stack([stretch, 1 / stretch], -1)[:, None]  # rotation, then stretch along the body's axes
        ratio = np.maximum(bodies.ratio * np.exp(rng.normal(0, 0.12, n)), 1.15)
        way = np.exp(1j * rng.uniform(0, 2 * np.pi, n)) * bodies.offset * np.sqrt(rng.random(n)) * (1 - 1 / ratio)
        offset = np.stack([way.imag, way.real], -1)
        choice = rng.integers(0, len(shapes.body_outlines(bodies.roughness)), n)
        outline = _thickness(shapes.body_outlines(bodies.roughness)[choice], offset, ratio, to_body, bodies.doming)
        amount = np.exp(rng.normal(0, bodies.expression_spread, n))
        amount = np.where(rng.random(n) < bodies.silent, 0.03, 1.0) * amount
        contrast = ratios(self.settings.course, self.settings.frames, n, rng)
        contrast = contrast[:, source] * (1 - self.paths.rounding)  # no envelope holds the reporter in mitosis
        return _Cells(
            rng.integers(0, len(self.shapes), n)[source],
            outline,
            to_body,
            offset,
            ratio,
            np.stack([rng.integers(0, 4, n), *rng.integers(0, shapes.TILE_SIDE, (2, n))], -1),
            amount[source],
            np.exp(rng.normal(0, 0.2, n))[source],
            contrast,
        )

    def _paint(self, t: int) -> _Scene:
        """All cells of frame `t` on the canvas."""
        margin, cells, way = self.margin_px, self._cells, self.paths
        canvas = (self.settings.height_px + 2 * margin, self.settings.width_px + 2 * margin)
        centre = way.centre_px[t] + margin
        body_radius = way.radius_px[t] * cells.ratio
        to_frame = way.affine[t] @ cells.stretch * body_radius[:, None, None]
        middle = centre - np.einsum("nij,nj->ni", to_frame, cells.offset)
        side = 2 * int(np.ceil(shapes.BODY_REACH * _extent(to_frame).max(initial=1.0))) + 3
        near = (middle > -side / 2).all(1) & (middle < np.array(canvas) + side / 2).all(1)
        here = np.flatnonzero(way.alive[t] & near)
        pad = side + 1
        shape = (canvas[0] + 2 * pad, canvas[1] + 2 * pad)
        corner, body, light = self._bodies(here, middle[here] + pad, to_frame[here], side)
        place, depth, grain = self._nuclei(here, centre[here] + pad, t, corner, side)
        inside = np.clip(0.5 - depth, 0, 1)
        body = _shared(body, corner, inside, place, shape, self.settings.bodies.exclusion)
        share = _texture_share(cells.contrast[t, here], self.settings.nuclei.residue)[:, None, None]
        light, held = self._light(body, light, inside, grain, place, share, t, here)
        reporter, marker = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        nuclei, owners = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        best, deepest = np.full(shape, 1e-3, np.float32), np.zeros(shape, np.float32)
        small = depth.shape[1]
        stain = inside * grain * cells.marker[here].astype(np.float32)[:, None, None]
        for k, n in enumerate(here.tolist()):
            y, x = corner[k]
            at = (slice(y, y + side), slice(x, x + side))
            reporter[at] += light[k]
            claim = body[k] > best[at]
            owners[at][claim] = n + 1
            best[at][claim] = body[k][claim]
            y, x = corner[k] + place[k]
            at = (slice(y, y + small), slice(x, x + small))
            marker[at] += stain[k]
            claim = depth[k] < deepest[at]
            nuclei[at][claim] = n + 1
            deepest[at][claim] = depth[k][claim]
        self._litter(reporter, pad)
        crop = (slice(pad, -pad), slice(pad, -pad))
        owners = np.where(nuclei > 0, nuclei, owners)
        return _Scene(reporter[crop], marker[crop], nuclei[crop], owners[crop], (here, *held))

    def _bodies(
        self, here: Ints, middle: NDArray[np.float64], to_frame: NDArray[np.float64], side: int
    ) -> tuple[Ints, Floats, Floats]:
        """Corners of the patches, thickness and texture of the cells, `(n, side, side)`."""
        cells, bodies = self._cells, self.settings.bodies
        corner = np.floor(middle).astype(np.int64) - side // 2
        scale = (shapes.BODY_SIDE - 1) / 2 / shapes.BODY_REACH
        v, u = _positions(corner, middle, np.linalg.inv(to_frame) * scale, side)
        # texture is fixed to the cell, in pixels of its first size
        pitch = np.float32(self.settings.nuclei.diameter_px / 2 * bodies.ratio / scale)
        tiles = np.stack([shapes.grain_tile(k, bodies.grain_px) for k in range(4)])
        mask = shapes.TILE_SIDE - 1
        start = cells.grain[here][:, :, None, None]
        ty = ((v * pitch).astype(np.int32) + start[:, 1].astype(np.int32)) & mask
        tx = ((u * pitch).astype(np.int32) + start[:, 2].astype(np.int32)) & mask
        texture = tiles.reshape(-1)[(start[:, 0].astype(np.int32) * shapes.TILE_SIDE + ty) * shapes.TILE_SIDE + tx]
        texture = np.maximum(1 + np.float32(bodies.grain) * texture, 0.1)
        half = np.float32((shapes.BODY_SIDE - 1) / 2 + 0.5)
        row = np.clip(v + half, 0, shapes.BODY_SIDE - 1).astype(np.int32)
        column = np.clip(u + half, 0, shapes.BODY_SIDE - 1).astype(np.int32)
        flat = cells.outline[here].reshape(-1)
        first = (np.arange(len(here), dtype=np.int32) * shapes.BODY_SIDE**2)[:, None, None]
        return corner, flat[first + row * shapes.BODY_SIDE + column], texture

    def _nuclei(
        self, here: Ints, centre: NDArray[np.float64], t: int, corner: Ints, side: int
    ) -> tuple[Ints, Floats, Floats]:
        """Place of each nucleus' window in its cell's patch, depth in px and texture in it, `(n, s, s)`."""
        radius = self.paths.radius_px[t, here]
        to_frame = self.paths.affine[t, here] * radius[:, None, None]
        window = min(2 * int(np.ceil(1.5 * _extent(to_frame).max(initial=1.0))) + 3, side)
        place = np.clip(np.floor(centre).astype(np.int64) - window // 2 - corner, 0, side - window)
        scale = (shapes.NUCLEUS_SIDE - 1) / 2 / shapes.NUCLEUS_REACH
        v, u = _positions(corner + place, centre, np.linalg.inv(to_frame) * scale, window)
        last = shapes.NUCLEUS_SIDE - 1
        v, u = np.clip(v + last / 2, 0, last - 1e-3), np.clip(u + last / 2, 0, last - 1e-3)
        row, column = v.astype(np.int32), u.astype(np.int32)
        v -= row
        u -= column
        at = (here.astype(np.int32)[:, None, None] * shapes.NUCLEUS_SIDE + row) * shapes.NUCLEUS_SIDE + column
        pair = self._atlas
        upper = pair[at] * (1 - u)[..., None] + pair[at + 1] * u[..., None]
        at += shapes.NUCLEUS_SIDE
        lower = pair[at] * (1 - u)[..., None] + pair[at + 1] * u[..., None]
        both = upper + (lower - upper) * v[..., None]
        return place, both[..., 0] * radius.astype(np.float32)[:, None, None], both[..., 1]

    @cached_property
    def _atlas(self) -> Floats:
        chosen = self._cells.shape
        return np.stack([self.shapes.depth[chosen], self.shapes.grain[chosen]], axis=-1).reshape(-1, 2)

    def _light(
        self,
        body: Floats,
        texture: Floats,
        inside: Floats,
        grain: Floats,
        place: Ints,
        share: Floats,
        t: int,
        here: Ints,
    ) -> tuple[Floats, tuple[NDArray[Any], ...]]:
        """Light of each cell in its patch, and its areas and concentration; all reporter is accounted for."""
        cells = self._cells
        at = _windows(place, inside.shape[1], body.shape[1])
        ratio = np.exp(cells.contrast[t, here])
        flat = body * texture
        under = body.reshape(-1)[at] * (1 + (texture.reshape(-1)[at] - 1) * (1 - inside * share))
        own = inside * under * (1 + self.settings.nuclei.texture * share * (grain - 1))
        rest = (1 - inside) * under
        outside = flat.sum((1, 2), dtype=np.float64) - flat.reshape(-1)[at].sum((1, 2), dtype=np.float64)
        nuclear, around = own.sum((1, 2), dtype=np.float64), outside + rest.sum((1, 2), dtype=np.float64)
        area = np.pi * (self.settings.nuclei.diameter_px / 2 * self.settings.bodies.ratio) ** 2
        level = cells.amount[here] * area * self._thick / np.maximum(ratio * nuclear + around, 1e-6)
        flat.reshape(-1)[at] = rest + own * ratio.astype(np.float32)[:, None, None]
        flat *= level.astype(np.float32)[:, None, None]
        return flat, (nuclear, around, level)

    def _litter(self, canvas: Floats, pad: int) -> None:
        """Add bright round spots that are no nuclei; they stay where they are."""
        debris, rng = self.settings.debris, np.random.default_rng([self.settings.seed, 3])
        low, size = pad + self.margin_px, np.array([self.settings.height_px, self.settings.width_px])
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

    @cached_property
    def _thick(self) -> float:
        """Mean thickness of a disc of radius 1, so that concentrations are near 1."""
        return 1 / (1 + self.settings.bodies.doming)

    def _expose(self, canvas: Floats, t: int) -> Floats:
        return expose_fast(canvas, t, self.settings.camera, self.margin_px)

    def _record(self, photons: Floats, t: int) -> NDArray[np.uint16]:
        return record(photons, self.settings.camera, np.random.default_rng([self.settings.seed, 2, t]))

    def _field(self, canvas: NDArray[np.int32]) -> NDArray[np.int32]:
        inner = slice(self.margin_px, -self.margin_px)
        return np.ascontiguousarray(canvas[inner, inner])

    def _objects(self, t: int, scene: _Scene) -> pd.DataFrame:
        here, nucleus, cytoplasm, level = scene.rows
        ratio = np.exp(self._cells.contrast[t, here])
        table = pd.DataFrame(
            {
                "track": here + 1,
                "y_px": self.paths.centre_px[t, here, 0],
                "x_px": self.paths.centre_px[t, here, 1],
                "nucleus_px": nucleus,
                "cytoplasm_px": cytoplasm,
                "nuclear": ratio * level,
                "cytoplasmic": level,
                "ratio": ratio,
                "amount": level * (ratio * nucleus + cytoplasm),
            }
        )
        seen = np.union1d(self._field(scene.nuclei), self._field(scene.cells))
        return table[table["track"].isin(seen)].reset_index(drop=True)


@lru_cache(maxsize=1)
def _drawn() -> NucleusShapes:
    return NucleusShapes.drawn()


def _founders(parents: Ints) -> Ints:
    """Place of the founder each cell descends from; mothers come before daughters."""
    out = np.arange(len(parents))
    for n in np.flatnonzero(parents >= 0):
        out[n] = out[parents[n]]
    return out


def _thickness(
    distance: Floats,
    offset: NDArray[np.float64],
    ratio: NDArray[np.float64],
    stretch: NDArray[np.float64],
    doming: float,
) -> Floats:
    """Thickness `(N, S, S)` of bodies from the scaled distance; every body reaches a little beyond its nucleus."""
    axis = np.linspace(-shapes.BODY_REACH, shapes.BODY_REACH, shapes.BODY_SIDE, dtype=np.float32)
    y = axis[None, :, None] - offset[:, 0].astype(np.float32)[:, None, None]
    x = axis[None, None, :] - offset[:, 1].astype(np.float32)[:, None, None]
    back = stretch.astype(np.float32)[:, :, :, None, None]
    far = np.hypot(back[:, 0, 0] * y + back[:, 0, 1] * x, back[:, 1, 0] * y + back[:, 1, 1] * x)
    bump = far * (ratio.astype(np.float32) / np.float32(1.45))[:, None, None]
    near = np.minimum(distance, bump)
    return np.asarray(np.maximum(1 - near**2, 0) ** np.float32(doming), np.float32)


def _extent(to_frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the unit square of each map reaches along an axis of the frame."""
    return np.asarray(np.sqrt((to_frame**2).sum(2)).max(1))


def _positions(
    corner: Ints, middle: NDArray[np.float64], inverse: NDArray[np.float64], side: int
) -> tuple[Floats, Floats]:
    """Every pixel of every patch in the own coordinates of its shape: `(N, side, side)` along y and x."""
    run = np.arange(side)
    dy = (corner[:, :1] + run - middle[:, :1]).astype(np.float32)[:, :, None]
    dx = (corner[:, 1:] + run - middle[:, 1:]).astype(np.float32)[:, None, :]
    m = inverse.astype(np.float32)[:, :, :, None, None]
    return m[:, 0, 0] * dy + m[:, 0, 1] * dx, m[:, 1, 0] * dy + m[:, 1, 1] * dx


def _windows(place: Ints, window: int, side: int) -> Ints:
    """Flat places `(N, window, window)` of windows that begin at `place` in patches `(N, side, side)`."""
    run = np.arange(window)
    rows = (place[:, :1] + run)[:, :, None] * side
    columns = (place[:, 1:] + run)[:, None, :]
    return (np.arange(len(place)) * side**2)[:, None, None] + rows + columns


def _shared(
    body: Floats, corner: Ints, inside: Floats, place: Ints, shape: tuple[int, int], exclusion: float
) -> Floats:
    """Thickness after cells gave way to thicker ones; nobody gives way on the ground of his own nucleus."""
    if exclusion == 0:
        return body
    side = body.shape[1]
    claim = body.copy()
    claim.reshape(-1)[_windows(place, inside.shape[1], side)] += inside
    highest = np.zeros(shape, np.float32)
    for k, (y, x) in enumerate(corner.tolist()):
        at = highest[y : y + side, x : x + side]
        np.maximum(at, claim[k], out=at)
    over = sliding_window_view(highest, (side, side))[corner[:, 0], corner[:, 1]] - claim
    return body * (1 - np.float32(exclusion) * np.minimum(over / np.float32(_SOFT), 1))


def _texture_share(contrast: NDArray[np.float64], residue: float) -> Floats:
    """How much of its own texture a nucleus shows: all at full contrast, only `residue` at none."""
    grown = np.minimum(np.abs(contrast) / _FULL, 1)
    return np.asarray(residue + (1 - residue) * grown, np.float32)
