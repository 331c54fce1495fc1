"""Cells to concentrations and masks: outlines on a fine grid, averaged over pixels, so edges are sub-pixel exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unfade.synth.population import LOBES, Cells

FINE = 4  # points of the fine grid per pixel and axis
_REACH = 1.6  # no outline goes further than this times its mean radius
_WAVES = 14  # random waves that make up a texture

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Painted:
    """One frame before any optics; the field only, whole cells accounted for."""

    marker: Floats  # (Y, X) concentration of the nuclear marker, averaged over each pixel
    reporter: Floats  # (Y, X) concentration of the reporter
    nuclei: NDArray[np.int32]  # (Y, X) track ids
    cells: NDArray[np.int32]  # (Y, X) track ids, nucleus included
    objects: pd.DataFrame  # one row per cell with a pixel in the field, whole or in part


@dataclass(frozen=True)
class _Patch:
    """The surroundings of one cell on the fine grid, in the cell's own coordinates."""

    at: tuple[slice, slice]
    own: Floats  # (2, h, w) y, x in units of the nuclear radius, turned with the cell
    nucleus: Floats  # (h, w) distance from the centre over the outline's radius there: inside below 1
    cell: Floats


def paint(cells: Cells, size_px: tuple[int, int], cell_ratio: float, seed: int) -> Painted:
    """Draw the cells of one frame; what lies outside the field of `size_px` (Y, X) still takes up its reporter."""
    reach = _REACH * cell_ratio * cells.radius_px[:, None]
    beyond = np.maximum(reach - cells.centre_px, cells.centre_px + reach - np.array(size_px) + 1)
    margin = int(np.ceil(max(float(beyond.max(initial=0.0)), 0.0))) + 1
    shape = ((size_px[0] + 2 * margin) * FINE, (size_px[1] + 2 * margin) * FINE)
    patches = [_patch(cells, n, margin, cell_ratio) for n in range(len(cells))]
    nuclei = _claim(patches, [p.nucleus for p in patches], shape)
    bodies = _claim(patches, [p.cell for p in patches], shape)
    bodies = np.where(nuclei > 0, nuclei, bodies)  # a nucleus lies on top of a neighbour's cytoplasm
    marker, reporter = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    rows = []
    for n, patch in enumerate(patches):
        inside = nuclei[patch.at] == n + 1
        around = (bodies[patch.at] == n + 1) & ~inside
        rng = np.random.default_rng([seed, int(cells.track[n])])
        grain = _grain(patch, inside, rng, strength=0.22, holes=int(rng.integers(1, 4)))
        marker[patch.at][inside] = cells.marker[n] * grain
        area, rest = inside.sum() / FINE**2, around.sum() / FINE**2
        outside = cells.amount[n] / (cells.ratio[n] * area + rest) if area + rest > 0 else 0.0
        reporter[patch.at][inside] = cells.ratio[n] * outside * _grain(patch, inside, rng, strength=0.1, holes=1)
        reporter[patch.at][around] = outside * _grain(patch, around, rng, strength=0.12)
        rows.append((_middle(patch, inside, margin), area, rest, outside))
    crop = (slice(margin, margin + size_px[0]), slice(margin, margin + size_px[1]))
    ids = np.concatenate([[0], cells.track]).astype(np.int32)
    nucleus_image = ids[_majority(nuclei, crop)]
    cell_image = np.where(nucleus_image > 0, nucleus_image, ids[_majority(bodies, crop)])
    objects = _table(cells, rows)
    seen = np.union1d(nucleus_image, cell_image)
    return Painted(
        _mean(marker)[crop],
        _mean(reporter)[crop],
        nucleus_image,
        cell_image,
        objects[objects["track"].isin(seen)].reset_index(drop=True),
    )


def _patch(cells: Cells, n: int, margin: int, cell_ratio: float) -> _Patch:
    radius, centre = cells.radius_px[n], cells.centre_px[n]
    low = np.floor((centre - _REACH * cell_ratio * radius + margin) * FINE).astype(int)
    high = np.ceil((centre + _REACH * cell_ratio * radius + margin) * FINE).astype(int)
    # A pixel's centre has whole coordinates; its fine points lie evenly within half a pixel of it.
    y = (np.arange(low[0], high[0]) + 0.5) / FINE - 0.5 - margin - centre[0]
    x = (np.arange(low[1], high[1]) + 0.5) / FINE - 0.5 - margin - centre[1]
    z = ((x[None] + 1j * y[:, None]) * np.conj(cells.heading[n]) / radius).astype(np.complex64)
    far = np.abs(z)
    unit = z / np.maximum(far, 1e-6)
    powers = unit[None] ** np.arange(2, LOBES + 2, dtype=np.float32)[:, None, None]
    nucleus = 1 + np.tensordot(cells.nucleus[n].astype(np.complex64), powers, 1).real
    cell = cell_ratio * (1 + np.tensordot(cells.cell[n].astype(np.complex64), powers, 1).real)
    at = (slice(low[0], high[0]), slice(low[1], high[1]))
    return _Patch(
        at,
        np.stack([z.imag, z.real]),
        far / np.clip(nucleus, 0.3, _REACH),
        far / np.clip(cell, 0.6, cell_ratio * _REACH),
    )


def _claim(patches: list[_Patch], distances: list[Floats], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Every point goes to the outline it lies deepest in: 1 + place of the cell, 0 where there is none."""
    owner, best = np.zeros(shape, np.int32), np.ones(shape, np.float32)
    for n, (patch, distance) in enumerate(zip(patches, distances, strict=True)):
        closer = distance < best[patch.at]
        owner[patch.at][closer] = n + 1
        best[patch.at][closer] = distance[closer]
    return owner


def _grain(
    patch: _Patch, where: NDArray[np.bool_], rng: np.random.Generator, strength: float, holes: int = 0
) -> Floats:
    """Texture at the points `where`, fixed to the cell, with a mean of exactly 1; holes are nucleoli."""
    wave, phase = rng.normal(0, 5.0, (_WAVES, 2)), rng.uniform(0, 2 * np.pi, _WAVES)
    centres = rng.uniform(-0.45, 0.45, (holes, 2))
    if not where.any():
        return np.zeros(0, np.float32)
    points = patch.own[:, where]
    grain = np.ones(points.shape[1], np.float32)
    for (ky, kx), shift in zip(wave.astype(np.float32), phase.astype(np.float32), strict=True):
        grain += np.float32(strength * np.sqrt(2 / _WAVES)) * np.cos(ky * points[0] + kx * points[1] + shift)
    for y, x in centres.astype(np.float32):
        grain *= 1 - 0.55 * np.exp(-((points[0] - y) ** 2 + (points[1] - x) ** 2) / (2 * 0.17**2))
    grain = np.maximum(grain, 0.05)
    return np.asarray(grain / grain.mean(dtype=np.float64), np.float32)


def _middle(patch: _Patch, inside: NDArray[np.bool_], margin: int) -> tuple[float, float]:
    if not inside.any():
        return float("nan"), float("nan")
    y, x = np.nonzero(inside)
    at_y = (patch.at[0].start + y.mean() + 0.5) / FINE - 0.5 - margin
    at_x = (patch.at[1].start + x.mean() + 0.5) / FINE - 0.5 - margin
    return float(at_y), float(at_x)


def _table(cells: Cells, rows: list[Any]) -> pd.DataFrame:
    middle = np.array([r[0] for r in rows], float).reshape(-1, 2)
    area, rest, outside = (np.array([r[k] for r in rows], float) for k in (1, 2, 3))
    return pd.DataFrame(
        {
            "track": cells.track,
            "y_px": middle[:, 0],
            "x_px": middle[:, 1],
            "nucleus_px": area,
            "cytoplasm_px": rest,
            "marker": cells.marker,
            "nuclear": np.where(area > 0, cells.ratio * outside, np.nan),
            "cytoplasmic": np.where(rest > 0, outside, np.nan),
            "ratio": np.where((area > 0) & (rest > 0), cells.ratio, np.nan),
            "amount": cells.amount,
        }
    )


def _mean(fine: Floats) -> Floats:
    height, width = fine.shape
    blocks = fine.reshape(height // FINE, FINE, width // FINE, FINE)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _majority(fine: NDArray[np.int32], crop: tuple[slice, slice]) -> NDArray[np.int32]:
    """The owner of the largest part of each pixel."""
    height, width = fine.shape[0] // FINE, fine.shape[1] // FINE
    points = fine.reshape(height, FINE, width, FINE).swapaxes(1, 2).reshape(height, width, FINE**2)[crop]
    out = points[..., 0].copy()
    mixed = (points != points[..., :1]).any(axis=-1)
    edge = points[mixed]
    votes = (edge[:, :, None] == edge[:, None, :]).sum(axis=2)
    out[mixed] = np.take_along_axis(edge, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return out
