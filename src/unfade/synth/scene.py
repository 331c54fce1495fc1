"""Painting translocation movies: the cells of one frame as light, masks and the amounts behind them.

The light of a cell is thickness x texture x concentration, kept as small pictures in the cell's own coordinates
(`Cast`) that every frame turns, stretches and moves. Over the nucleus the concentration is the nuclear one; the
nucleus' own texture grows with the contrast, so that a nucleus of zero contrast leaves no trace. All reporter of a
cell is accounted for: what leaves the nucleus brightens the cytoplasm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unfade.synth import shapes
from unfade.synth.course import ratios
from unfade.synth.deformation import Paths
from unfade.synth.fading import Nuclei, TranslocationSettings
from unfade.synth.shapes import NucleusShapes

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

_SOFT = 0.15  # difference of thickness over which one cell gives way to another
_FULL = 0.4  # |log ratio| at which a nucleus shows all of its texture
_TILES = 4  # textures that the cells of one movie share
_ROUND, _RIM = 1.45, 0.3  # radii from a nucleus' middle that are its cell's own ground, and how softly that ends
_SUPPORT = 0.15  # a nucleus' window reaches this far beyond its outline, in radii
_TEXEL_PX = 0.8  # no texel of a cell's body is larger


@dataclass(frozen=True)
class Cast:
    """What stays the same over the movie; one entry per cell."""

    depth: Floats  # (N, S, S) of the nucleus' shape
    grain: Floats  # (N, S, S) its texture
    nucleus_reach: Doubles  # (N,) how far it goes, in radii
    thickness: Floats  # (N, B, B) of the body
    lit: Floats  # (N, B, B) thickness x texture
    ground: Floats  # (N, B, B) 1 around the nucleus, where its cell does not give way, whatever the nucleus' shape
    body_reach: Doubles  # (N,)
    to_body: Doubles  # (N, 2, 2) turn and stretch of the body against its nucleus
    offset: Doubles  # (N, 2) of the nucleus from the body's middle, in units of the body's radius
    ratio: Doubles  # (N,) body's radius over the nucleus'
    amount: Doubles  # (N,) reporter: concentration times px² of thickness 1
    marker: Doubles  # (N,) concentration of the marker
    contrast: Doubles  # (T, N) logarithm of nuclear over cytoplasmic concentration


@dataclass(frozen=True)
class Scene:
    """One frame on its canvas (the field and a margin), before optics."""

    reporter: Floats  # (Y, X) concentration x thickness
    marker: Floats
    nuclei: NDArray[np.int32]  # 1 + place of the cell
    cells: NDArray[np.int32]
    here: Ints  # (n,) places of the cells that were painted
    nucleus_px: Doubles  # (n,) area of the nucleus times thickness and texture
    cytoplasm_px: Doubles
    level: Doubles  # (n,) cytoplasmic concentration


@dataclass(frozen=True)
class _Patches:
    """The cells of one frame, each in a patch, and their nuclei, each in a window of that patch."""

    corner: Ints  # (n, 2) of the patch on the padded canvas
    place: Ints  # (n, 2) of the window in the patch
    body: Floats  # (n, side, side) thickness
    lit: Floats  # (n, side, side) thickness x texture
    ground: Floats  # (n, side, side) where the cell does not give way
    depth: Floats  # (n, window, window) px from the nucleus' outline, negative inside
    grain: Floats  # (n, window, window) texture of the nucleus

    @property
    def window(self) -> Ints:
        """Flat places of the windows' pixels in the patches, `(n, window, window)`."""
        side, run = self.body.shape[1], np.arange(self.depth.shape[1])
        first = np.arange(len(self.place)) * side**2 + self.place[:, 0] * side + self.place[:, 1]
        return np.asarray(first[:, None, None] + (run[:, None] * side + run)[None])


def cast(settings: TranslocationSettings, way: Paths, stills: NucleusShapes, rng: np.random.Generator) -> Cast:
    """Draw what each cell looks like; daughters take after their founder in shape, level and answer."""
    bodies, n, source = settings.bodies, len(way.parents), _founders(way.parents)
    ratio = np.maximum(bodies.ratio * np.exp(rng.normal(0, 0.12, n)), 1.15)
    stretch, turn = (
        np.exp(0.5 * bodies.elongation * np.minimum(np.abs(rng.normal(size=n)), 2)),
        rng.uniform(0, 2 * np.pi, n),
    )
    sine, cosine = np.sin(turn), np.cos(turn)
    axes = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    to_body = axes * np.stack([stretch, 1 / stretch], -1)[:, None]
    room = bodies.offset * np.sqrt(rng.random(n)) * (1 - 1 / ratio)
    angle = rng.uniform(0, 2 * np.pi, n)
    offset = np.stack([room * np.sin(angle), room * np.cos(angle)], -1)
    radius_px = settings.nuclei.diameter_px / 2 * bodies.ratio
    side = 96 * int(np.ceil(2 * shapes.BODY_REACH * radius_px / _TEXEL_PX / 96))
    outlines = shapes.body_outlines(bodies.roughness, min(side, 384))
    thickness, ground, reach = _thickness(
        outlines[rng.integers(0, len(outlines), n)], offset, ratio, to_body, bodies.doming
    )
    texel_px = 2 * shapes.BODY_REACH * radius_px / (thickness.shape[1] - 1)
    texture = _texture(thickness.shape, bodies.grain, bodies.grain_px / texel_px, rng)
    expression = np.exp(rng.normal(0, bodies.expression_spread, n)) * np.where(rng.random(n) < bodies.silent, 0.03, 1)
    contrast = ratios(settings.course, settings.frames, n, rng)[:, source]
    shape = rng.integers(0, len(stills), n)[source]
    depth = stills.depth[shape]
    return Cast(
        depth,
        stills.grain[shape],
        _reach(depth < _SUPPORT, shapes.NUCLEUS_REACH),
        thickness,
        thickness * texture,
        ground,
        reach,
        to_body,
        offset,
        ratio,
        expression[source] * np.pi * radius_px**2 / (1 + bodies.doming),  # concentrations are near 1
        np.exp(rng.normal(0, 0.2, n))[source],
        contrast * (1 - way.rounding),  # no envelope holds the reporter in mitosis
    )


def paint(settings: TranslocationSettings, way: Paths, cells: Cast, t: int, margin: int) -> Scene:
    """All cells of frame `t` on a canvas that reaches `margin` px beyond the field."""
    canvas = (settings.height_px + 2 * margin, settings.width_px + 2 * margin)
    to_frame = way.affine[t] @ cells.to_body * (way.radius_px[t] * cells.ratio)[:, None, None]
    middle = way.centre_px[t] + margin - np.einsum("nij,nj->ni", to_frame, cells.offset)
    reach = _extent(to_frame) * cells.body_reach + 2
    near = (middle + reach[:, None] > 0).all(1) & (middle - reach[:, None] < np.array(canvas)).all(1)
    here = np.flatnonzero(way.alive[t] & near)
    side = 2 * int(np.ceil(reach[here].max(initial=1.0))) + 1
    shape = (canvas[0] + 2 * side + 2, canvas[1] + 2 * side + 2)
    patches = _patches(way, cells, t, here, middle[here] + side + 1, to_frame[here], (side, margin))
    inside = np.clip(np.float32(0.5) - patches.depth, 0, 1)
    patches = _shared(patches, shape, settings.bodies.exclusion)
    light, amounts = _light(patches, inside, cells, t, here, settings)
    stain = inside * patches.grain * cells.marker[here].astype(np.float32)[:, None, None]
    layers = _laid(patches, light, stain, here, shape)
    crop = (slice(side + 1, -side - 1), slice(side + 1, -side - 1))
    reporter, marker, nuclei, owners = (layer[crop] for layer in layers)
    return Scene(reporter, marker, nuclei, np.where(nuclei > 0, nuclei, owners), here, *amounts)


def _founders(parents: Ints) -> Ints:
    """Place of the founder each cell descends from; mothers come before daughters."""
    out = np.arange(len(parents))
    for n in np.flatnonzero(parents >= 0):
        out[n] = out[parents[n]]
    return out


def _thickness(
    distance: Floats, offset: Doubles, ratio: Doubles, to_body: Doubles, doming: float
) -> tuple[Floats, Floats, Doubles]:
    """Thickness and ground `(N, B, B)` of bodies and their reach; every body goes a little beyond its nucleus."""
    axis = np.linspace(-shapes.BODY_REACH, shapes.BODY_REACH, distance.shape[1], dtype=np.float32)
    y = axis[None, :, None] - offset[:, 0].astype(np.float32)[:, None, None]
    x = axis[None, None, :] - offset[:, 1].astype(np.float32)[:, None, None]
    m = (to_body * (ratio / _ROUND)[:, None, None]).astype(np.float32)[:, :, :, None, None]
    bump = (m[:, 0, 0] * y + m[:, 0, 1] * x) ** 2 + (m[:, 1, 0] * y + m[:, 1, 1] * x) ** 2
    near = np.minimum(distance**2, bump)
    reach = _reach(near < 1, shapes.BODY_REACH)
    ground = np.clip((1 - bump) / np.float32(_RIM), 0, 1)
    return np.maximum(1 - near, 0) ** np.float32(doming), ground, reach


def _reach(inside: NDArray[np.bool_], half: float) -> Doubles:
    """Distance of the farthest point inside from the patch's middle."""
    axis = np.linspace(-half, half, inside.shape[1], dtype=np.float32)
    far = axis[:, None] ** 2 + axis**2
    return np.asarray(np.sqrt(np.where(inside, far, 0).max((1, 2))), np.float64)


def _texture(shape: tuple[int, ...], strength: float, size: float, rng: np.random.Generator) -> Floats:
    """Texture of each cell `(N, B, B)`, mean about 1, cut from tiles that repeat; `size` in texels."""
    n, side, _ = shape
    choice, start = rng.integers(0, _TILES, n), rng.integers(0, shapes.TILE_SIDE, (n, 2))
    run = np.arange(side)
    at = (start[:, :, None] + run) % shapes.TILE_SIDE
    near = round(1.25 ** round(np.log(size) / np.log(1.25)), 3)  # few sizes, so that tiles are kept
    tiles = np.stack([shapes.grain_tile(k, near) for k in range(_TILES)])
    picked = tiles[choice[:, None, None], at[:, 0, :, None], at[:, 1, None, :]]
    return np.asarray(np.maximum(1 + np.float32(strength) * picked, 0.1), np.float32)


def _extent(to_frame: Doubles) -> Doubles:
    """Largest factor by which each map enlarges a distance."""
    a, b, c, d = (to_frame[:, i, j] for i in (0, 1) for j in (0, 1))
    square, det = a**2 + b**2 + c**2 + d**2, a * d - b * c
    return np.asarray(np.sqrt((square + np.sqrt(np.maximum(square**2 - 4 * det**2, 0))) / 2))


def _positions(corner: Ints, middle: Doubles, inverse: Doubles, side: int, half: float) -> tuple[Floats, Floats]:
    """Every pixel of every patch as row and column of its picture, whose middle is at `half`: `(n, side, side)`."""
    run = np.arange(side)
    dy = (corner[:, :1] + run - middle[:, :1]).astype(np.float32)[:, :, None]
    dx = (corner[:, 1:] + run - middle[:, 1:]).astype(np.float32)[:, None, :]
    m = inverse.astype(np.float32)[:, :, :, None, None]
    last, base = np.float32(2 * half - 1e-3), np.float32(half)
    row, column = (m[:, 0, 0] * dy + base) + m[:, 0, 1] * dx, (m[:, 1, 0] * dy + base) + m[:, 1, 1] * dx
    for v in (row, column):
        np.maximum(v, 0, out=v)
        np.minimum(v, last, out=v)
    return row, column


def _patches(
    way: Paths, cells: Cast, t: int, here: Ints, middle: Doubles, to_frame: Doubles, size: tuple[int, int]
) -> _Patches:
    """Turn, stretch and move the pictures of the cells `here`: bodies to the nearest texel, nuclei between texels."""
    side, margin = size
    corner = np.floor(middle).astype(np.int64) - side // 2
    texels = cells.thickness.shape[1]
    inverse = np.linalg.inv(to_frame) * ((texels - 1) / 2 / shapes.BODY_REACH)
    row, column = _positions(corner, middle, inverse, side, (texels - 1) / 2)
    row += np.float32(0.5)
    column += np.float32(0.5)
    at = row.astype(np.int32)
    at *= texels
    at += column.astype(np.int32)
    at += (here * texels**2).astype(np.int32)[:, None, None]
    body, lit, ground = (picture.reshape(-1).take(at) for picture in (cells.thickness, cells.lit, cells.ground))

    radius = way.radius_px[t, here]
    to_nucleus = way.affine[t, here] * radius[:, None, None]
    window = 2 * int(np.ceil((_extent(to_nucleus) * cells.nucleus_reach[here]).max(initial=1.0))) + 3
    window = min(window, side)
    centre = way.centre_px[t, here] + margin + side + 1
    place = np.clip(np.floor(centre).astype(np.int64) - window // 2 - corner, 0, side - window)
    last = cells.depth.shape[1]
    inverse = np.linalg.inv(to_nucleus) * ((last - 1) / 2 / shapes.NUCLEUS_REACH)
    row, column = _positions(corner + place, centre, inverse, window, (last - 1) / 2)
    first = row.astype(np.int32)
    second = column.astype(np.int32)
    row -= first
    column -= second
    at = (here * last**2).astype(np.int32)[:, None, None] + first * last + second
    flat = cells.depth.reshape(-1)
    upper, lower = flat.take(at), flat.take(at + last)
    upper += (flat.take(at + 1) - upper) * column
    lower += (flat.take(at + (last + 1)) - lower) * column
    upper += (lower - upper) * row
    upper *= radius.astype(np.float32)[:, None, None]
    return _Patches(corner, place, body, lit, ground, upper, cells.grain.reshape(-1).take(at))


def _shared(patches: _Patches, shape: tuple[int, int], exclusion: float) -> _Patches:
    """Cells give way to thicker ones; nobody gives way around his own nucleus.

    That ground is a disc. Were it the nucleus itself, its outline would show in its neighbours' light.
    """
    if exclusion == 0:
        return patches
    side = patches.body.shape[1]
    claim = patches.body + patches.ground
    highest = np.zeros(shape, np.float32)
    for k, (y, x) in enumerate(patches.corner.tolist()):
        at = highest[y : y + side, x : x + side]
        np.maximum(at, claim[k], out=at)
    over = sliding_window_view(highest, (side, side))[patches.corner[:, 0], patches.corner[:, 1]]
    over -= claim
    np.minimum(over, np.float32(_SOFT), out=over)
    over *= np.float32(-exclusion / _SOFT)
    over += 1
    return replace(patches, body=patches.body * over, lit=patches.lit * over)


def _light(
    patches: _Patches, inside: Floats, cells: Cast, t: int, here: Ints, settings: TranslocationSettings
) -> tuple[Floats, tuple[Doubles, Doubles, Doubles]]:
    """Light of each cell in its patch; areas of nucleus and cytoplasm, and the cytoplasm's concentration."""
    at, contrast = patches.window, cells.contrast[t, here]
    share = texture_share(contrast, settings.nuclei.residue)[:, None, None]
    flat = patches.lit.reshape(-1)
    lit, plain = flat[at], patches.body.reshape(-1)[at]
    under = lit + (plain - lit) * (inside * share)  # the cytoplasm's texture gives way to the nucleus' own
    under *= _shaded(patches.depth, settings.nuclei)
    own = inside * under * (1 + np.float32(settings.nuclei.texture) * share * (patches.grain - 1))
    rest = (1 - inside) * under
    nuclear = own.sum((1, 2), dtype=np.float64)
    around = patches.lit.sum((1, 2), dtype=np.float64) - lit.sum((1, 2), dtype=np.float64)
    around += rest.sum((1, 2), dtype=np.float64)
    ratio = np.exp(contrast)
    level = cells.amount[here] / np.maximum(ratio * nuclear + around, 1e-6)
    light = patches.lit * level.astype(np.float32)[:, None, None]
    light.reshape(-1)[at] = (rest + own * ratio.astype(np.float32)[:, None, None]) * level.astype(np.float32)[
        :, None, None
    ]
    return light, (nuclear, around, level)


def _shaded(depth: Floats, nuclei: Nuclei) -> Floats:
    """Share of the light that the nuclear envelope, which holds no reporter, leaves `(n, window, window)`."""
    if nuclei.rim == 0:
        return np.ones((1, 1, 1), np.float32)
    return np.asarray(1 - nuclei.rim * np.exp(-0.5 * (depth / nuclei.rim_px) ** 2), np.float32)


def texture_share(contrast: Doubles, residue: float) -> Floats:
    """How much of its own texture a nucleus shows: all at full contrast, only `residue` at none."""
    grown = np.minimum(np.abs(contrast) / _FULL, 1)
    return np.asarray(residue + (1 - residue) * grown, np.float32)


def _laid(
    patches: _Patches, light: Floats, stain: Floats, here: Ints, shape: tuple[int, int]
) -> tuple[NDArray[Any], ...]:
    """Reporter and marker added up; nuclei and bodies, each pixel to the one that lies deepest or is thickest there."""
    reporter, marker = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    nuclei, owners = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    thickest, deepest = np.full(shape, 1e-3, np.float32), np.zeros(shape, np.float32)
    side, window = patches.body.shape[1], patches.depth.shape[1]
    for k, n in enumerate(here.tolist()):
        y, x = patches.corner[k].tolist()
        at = (slice(y, y + side), slice(x, x + side))
        reporter[at] += light[k]
        claim = patches.body[k] > thickest[at]
        np.copyto(owners[at], n + 1, where=claim)
        np.copyto(thickest[at], patches.body[k], where=claim)
        y, x = (patches.corner[k] + patches.place[k]).tolist()
        at = (slice(y, y + window), slice(x, x + window))
        marker[at] += stain[k]
        claim = patches.depth[k] < deepest[at]
        np.copyto(nuclei[at], n + 1, where=claim)
        np.copyto(deepest[at], patches.depth[k], where=claim)
    return reporter, marker, nuclei, owners
