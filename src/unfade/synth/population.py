"""A population of cells over time: births, motion, growth, division; no pixel is drawn here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.synth.settings import CellMovieSettings
from unfade.synth.timecourse import ratio

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

LOBES = 5  # harmonics of an outline: 2 stretches it, 3 to 6 make it irregular
_NUCLEUS = np.array([0.15, 0.045, 0.025, 0.012, 0.008])
_CELL = np.array([0.16, 0.10, 0.06, 0.04, 0.02])
_ROUNDING = 3  # frames from the beginning of a division to two daughters
_SHRINKING = 0.08  # share of its radius that a nucleus in division loses per frame
_RIPE = 6  # frames a daughter lives before it may divide
_DAUGHTER = 0.74  # radius of a new daughter over that of a grown cell
_GROWING = 8.0  # time constant of its growth, in frames
_RELAXING = 4  # rounds of pushing crowded nuclei apart, per frame


@dataclass(frozen=True)
class Cells:
    """All cells of one frame; every array has one entry per cell."""

    track: NDArray[np.int32]  # (N,) from 1, never used again
    centre_px: Floats  # (N, 2) y, x of the nucleus; may lie outside the field
    radius_px: Floats  # (N,) of the nucleus
    heading: Complexes  # (N,) its orientation as a unit number x + iy
    nucleus: Complexes  # (N, LOBES) harmonics 2, 3, ... of its outline, relative to the radius
    cell: Complexes  # (N, LOBES) harmonics of the cell's outline
    marker: Floats  # (N,) concentration of the nuclear marker
    amount: Floats  # (N,) concentration times px²: all reporter of the cell
    ratio: Floats  # (N,) nuclear over cytoplasmic concentration of the reporter

    def __len__(self) -> int:
        return len(self.track)


@dataclass(frozen=True)
class Population:
    """All frames and who descends from whom."""

    frames: tuple[Cells, ...]
    parents: tuple[tuple[int, int], ...]  # (child, parent)
    drift_px: Floats = field(repr=False)  # (T, 2) place of the stage; already within the centres


@dataclass(frozen=True)
class _Crowd:
    """What a cell carries from frame to frame; arrays as in `Cells`."""

    track: NDArray[np.int32]
    age: NDArray[np.int64]  # frames since birth
    rounding: NDArray[np.int64]  # frames since a division began, -1 if none did
    born: NDArray[np.bool_]  # by a division within the movie
    centre: Floats  # (N, 2) without the stage's drift
    velocity: Floats  # (N, 2)
    size: Floats  # radius when grown
    heading: Complexes
    nucleus: Complexes
    cell: Complexes
    marker: Floats
    expression: Floats
    before: Floats
    after: Floats

    def pick(self, at: NDArray[Any]) -> _Crowd:
        """The cells at these places."""
        return _Crowd(**{name: value[at] for name, value in vars(self).items()})

    def joined(self, other: _Crowd) -> _Crowd:
        """These cells, then the others."""
        return _Crowd(**{name: np.concatenate([value, vars(other)[name]]) for name, value in vars(self).items()})

    def radius(self) -> Floats:
        """Radii now: daughters grow, cells in division round up and shrink."""
        grown = np.where(self.born, 1 - (1 - _DAUGHTER) * np.exp(-self.age / _GROWING), 1.0)
        return self.size * grown * (1 - _SHRINKING * np.maximum(self.rounding, 0))


def populate(settings: CellMovieSettings, rng: np.random.Generator) -> Population:
    """Let a population live for all frames of a movie; without drift a longer movie begins with the shorter one."""
    growth, field_px = settings.growth, np.array([settings.height_px, settings.width_px], float)
    drift = np.cumsum(rng.spawn(1)[0].normal(0, settings.motion.drift_px, (settings.frames, 2)), axis=0)
    drift -= drift[0]
    edge = growth.cell_ratio * growth.diameter_px / 2 + np.abs(drift).max()
    crowd = _found(settings, field_px, edge, rng)
    frames, parents, next_track = [], [], growth.cells + 1
    for t in range(settings.frames):
        if t > 0:
            crowd = _step(crowd, settings, rng)
            crowd, pairs = _divide(crowd, growth.division_rate, next_track, rng)
            parents += pairs
            next_track += len(pairs)
        crowd = _settle(crowd, growth.spacing, edge, field_px)
        frames.append(_snapshot(crowd, t, settings, drift[t]))
    return Population(tuple(frames), tuple(parents), drift)


def _found(settings: CellMovieSettings, field_px: Floats, edge: float, rng: np.random.Generator) -> _Crowd:
    growth, reporter = settings.growth, settings.reporter
    n = growth.cells
    centre = rng.uniform(-edge, field_px + edge, (n, 2))
    rough = growth.roughness
    crowd = _Crowd(
        track=np.arange(1, n + 1, dtype=np.int32),
        age=np.full(n, _RIPE),
        rounding=np.full(n, -1),
        born=np.zeros(n, bool),
        centre=centre,
        velocity=rng.normal(0, settings.motion.speed_px, (n, 2)),
        size=growth.diameter_px / 2 * np.exp(rng.normal(0, growth.diameter_spread, n)),
        heading=np.exp(1j * rng.uniform(0, 2 * np.pi, n)),
        nucleus=_draw_lobes(rng, n, _NUCLEUS * rough),
        cell=_draw_lobes(rng, n, _CELL * rough),
        marker=np.exp(rng.normal(0, 0.2, n)),
        expression=np.exp(rng.normal(0, reporter.expression_spread, n)),
        before=reporter.ratio_before * np.exp(rng.normal(0, reporter.ratio_spread, n)),
        after=reporter.ratio_after * np.exp(rng.normal(0, reporter.ratio_spread, n)),
    )
    for _ in range(20):  # a crowd of random places needs more rounds than one that moved a little
        crowd = _settle(crowd, growth.spacing, edge, field_px)
    return crowd


def _draw_lobes(rng: np.random.Generator, n: int, size: Floats) -> Complexes:
    drawn = rng.normal(size=(n, LOBES)) + 1j * rng.normal(size=(n, LOBES))
    return np.asarray(size / np.sqrt(2) * drawn, np.complex128)


def _step(crowd: _Crowd, settings: CellMovieSettings, rng: np.random.Generator) -> _Crowd:
    """One frame later: persistent random walk, turning, outlines that change slowly."""
    motion, n = settings.motion, len(crowd.track)
    keep, renew = motion.persistence, np.sqrt(1 - motion.persistence**2)
    velocity = keep * crowd.velocity + renew * rng.normal(0, motion.speed_px, (n, 2))
    hold, fresh = np.sqrt(1 - motion.wobble**2), motion.wobble
    rough = settings.growth.roughness
    return replace(
        crowd,
        age=crowd.age + 1,
        rounding=crowd.rounding + (crowd.rounding >= 0),
        velocity=velocity,
        centre=crowd.centre + velocity,
        heading=crowd.heading * np.exp(1j * rng.normal(0, motion.turning_rad, n)),
        nucleus=hold * crowd.nucleus + fresh * _draw_lobes(rng, n, _NUCLEUS * rough),
        cell=hold * crowd.cell + fresh * _draw_lobes(rng, n, _CELL * rough),
    )


def _divide(
    crowd: _Crowd, rate: float, next_track: int, rng: np.random.Generator
) -> tuple[_Crowd, list[tuple[int, int]]]:
    """Begin divisions, and put two daughters where one has come to its end."""
    begins = (rng.random(len(crowd.track)) < rate) & (crowd.rounding < 0) & (crowd.age >= _RIPE)
    crowd = replace(crowd, rounding=np.where(begins, 0, crowd.rounding))
    ends = crowd.rounding >= _ROUNDING
    mothers = crowd.pick(np.repeat(np.flatnonzero(ends), 2))
    n = len(mothers.track)
    side = np.tile([1.0, -1.0], n // 2)[:, None]
    axis = np.stack([mothers.heading.imag, mothers.heading.real], axis=1)
    daughters = replace(
        mothers,
        track=np.arange(next_track, next_track + n, dtype=np.int32),
        age=np.zeros(n, np.int64),
        rounding=np.full(n, -1),
        born=np.ones(n, bool),
        centre=mothers.centre + side * axis * (0.8 * mothers.size)[:, None],
        heading=mothers.heading * 1j,  # daughters lie across the axis of division
        nucleus=0.5 * mothers.nucleus,
    )
    pairs = list(zip(daughters.track.tolist(), mothers.track.tolist(), strict=True))
    return crowd.pick(~ends).joined(daughters), pairs


def _settle(crowd: _Crowd, spacing: float, edge: float, field_px: Floats) -> _Crowd:
    """Push crowded nuclei apart and turn back those that walk out of reach."""
    centre, radius = crowd.centre.copy(), crowd.radius()
    for _ in range(_RELAXING):
        apart = centre[:, None] - centre[None]
        far = np.linalg.norm(apart, axis=2)
        lack = np.maximum(spacing * (radius[:, None] + radius[None]) - far, 0)
        np.fill_diagonal(lack, 0)
        centre += 0.5 * np.einsum("ij,ijk->ik", lack / np.maximum(far, 1e-6), apart)
    low, high = -edge, field_px + edge
    outside = (centre < low) | (centre > high)
    velocity = np.where(outside, -crowd.velocity, crowd.velocity)
    return replace(crowd, centre=np.clip(centre, low, high), velocity=velocity)


def _snapshot(crowd: _Crowd, t: int, settings: CellMovieSettings, drift: Floats) -> Cells:
    radius = crowd.radius()
    dividing = crowd.rounding >= 0
    round_up = np.where(dividing, 0.4, 1.0)[:, None]
    condensed = np.where(dividing, 1.2 / (1 - _SHRINKING * crowd.rounding) ** 2, 1.0)
    return Cells(
        track=crowd.track,
        centre_px=crowd.centre + drift,
        radius_px=radius,
        heading=crowd.heading,
        nucleus=crowd.nucleus * round_up,
        cell=crowd.cell * round_up,
        marker=crowd.marker * condensed,
        amount=crowd.expression * np.pi * (settings.growth.cell_ratio * np.where(crowd.born, radius, crowd.size)) ** 2,
        ratio=ratio(t, crowd.before, crowd.after, settings.reporter),
    )
