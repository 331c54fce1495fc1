"""Progressive motion of nuclei and their cells: where each one is and how it is turned, stretched and sheared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.synth.fading import Deformation, TranslocationSettings

Floats = NDArray[np.float64]

_RELAXING = 3  # rounds of pushing crowded nuclei apart, per frame
_ROUNDING = 3  # frames in which a nucleus rounds up before it divides
_DAUGHTER = 0.8  # radius of a new daughter over that of its mother
_GROWING = 8.0  # time constant of its growth, in frames


@dataclass(frozen=True)
class Paths:
    """All cells of all frames; the first cells are the founders, daughters follow."""

    centre_px: Floats  # (T, N, 2) y, x of the nucleus, drift of the stage included
    affine: Floats  # (T, N, 2, 2) from the shape's own coordinates to the frame, determinant 1
    radius_px: Floats  # (T, N) of the nucleus
    rounding: Floats  # (T, N) 0 = between divisions, 1 = about to divide
    alive: NDArray[np.bool_]  # (T, N)
    parents: NDArray[np.int64]  # (N,) place of the mother, -1 for founders
    drift_px: Floats  # (T, 2)


def paths(settings: TranslocationSettings, margin_px: float, rng: np.random.Generator) -> Paths:
    """Draw founders in the field and `margin_px` around it, their divisions and everybody's motion."""
    nuclei, motion, frames = settings.nuclei, settings.deformation, settings.frames
    field = np.array([settings.height_px, settings.width_px], float)
    room = np.prod(field + 2 * margin_px)
    count = max(1, round(nuclei.coverage * room / (np.pi * nuclei.diameter_px**2 / 4)))
    ends, mother = _divisions(count, nuclei.division_rate, frames, rng)
    n = len(mother)
    born = np.where(mother < 0, 0, ends[mother])
    size = nuclei.diameter_px / 2 * np.exp(rng.normal(0, nuclei.diameter_spread, n))
    daughter = mother >= 0
    size[daughter] = size[mother[daughter]]
    drift = np.cumsum(rng.normal(0, motion.drift_px, (frames, 2)), axis=0)
    drift -= drift[0]
    time = np.arange(frames)[:, None]
    alive = (time >= born) & (time < ends)
    shrunk = 1 - (1 - _DAUGHTER) * np.exp(-np.maximum(time - born, 0) / _GROWING)
    radius = size * np.where(daughter, shrunk, 1.0)
    rounding = np.where(ends < frames, np.clip(1 - (ends - 1 - time) / _ROUNDING, 0, 1), 0.0) * alive
    affine = affines(motion, n, frames, rng)
    where = _wander(settings, margin_px, alive, radius, mother, affine, rng)
    return Paths(where + drift[:, None], _rounded(affine, rounding), radius, rounding, alive, mother, drift)


def affines(motion: Deformation, n: int, frames: int, rng: np.random.Generator) -> Floats:
    """Maps `(T, N, 2, 2)` of determinant 1 whose rotation, stretch and shear go on from frame to frame.

    The rates of each cell are drawn once; a random part comes on top of them. Stretch and shear level off.
    """
    rate = np.array([motion.turn_rad, motion.stretch, motion.shear])
    steps = rng.normal(0, 1, (n, 3)) * rate + motion.jitter * rng.normal(0, 1, (frames, n, 3)) * rate
    steps[0] = 0
    angle, stretch, shear = np.moveaxis(np.cumsum(steps, axis=0), -1, 0)
    angle = angle + rng.uniform(0, 2 * np.pi, n)
    stretch, shear = (motion.limit * np.tanh(v / motion.limit) for v in (stretch, shear))
    long, short, sine, cosine = np.exp(stretch), np.exp(-stretch), np.sin(angle), np.cos(angle)
    # rotation · stretch · shear
    return np.stack(
        [
            np.stack([cosine * long, cosine * long * shear - sine * short], -1),
            np.stack([sine * long, sine * long * shear + cosine * short], -1),
        ],
        -2,
    )


def _rounded(affine: Floats, rounding: Floats) -> Floats:
    """Take half of the stretch and shear away from nuclei that are about to divide."""
    if not rounding.any():
        return affine
    u, s, v = np.linalg.svd(affine)
    return np.asarray(u * (s ** (1 - 0.5 * rounding[..., None]))[..., None, :] @ v)


def _divisions(
    count: int, rate: float, frames: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame in which each cell is gone, and its mother; a movie's end is `frames`, daughters do not divide."""
    ends = np.full(count, frames, np.int64)
    if rate > 0:
        ends = np.minimum(_ROUNDING + rng.geometric(rate, count), frames)
    mother = np.concatenate([np.full(count, -1), np.repeat(np.flatnonzero(ends < frames), 2)]).astype(np.int64)
    return np.concatenate([ends, np.full(len(mother) - count, frames)]), mother


def _wander(
    settings: TranslocationSettings,
    margin_px: float,
    alive: NDArray[np.bool_],
    radius: Floats,
    mother: NDArray[np.int64],
    affine: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Centres `(T, N, 2)` without the stage's drift: persistent random walks that keep nuclei apart."""
    motion, spacing = settings.deformation, settings.nuclei.spacing
    low, high = -margin_px, np.array([settings.height_px, settings.width_px]) + margin_px
    frames, n = alive.shape
    centre = rng.uniform(low, high, (n, 2))
    velocity = rng.normal(0, motion.speed_px, (n, 2))
    renew = np.sqrt(1 - motion.persistence**2)
    out = np.empty((frames, n, 2))
    for t in range(frames):
        if t > 0:
            velocity = motion.persistence * velocity + renew * rng.normal(0, motion.speed_px, (n, 2))
            centre = centre + velocity
            new = np.flatnonzero(alive[t] & ~alive[t - 1])
            if len(new):
                side = np.where(np.arange(len(new)) % 2, -1.0, 1.0)[:, None]
                axis = affine[t - 1, mother[new], :, 0]
                reach = 0.8 * radius[t - 1, mother[new], None] / np.linalg.norm(axis, axis=1, keepdims=True)
                centre[new] = out[t - 1, mother[new]] + side * axis * reach
        here = np.flatnonzero(alive[t])
        centre[here] = _apart(centre[here], radius[t, here] * spacing, 25 if t == 0 else _RELAXING)
        outside = (centre < low) | (centre > high)
        velocity = np.where(outside, -velocity, velocity)
        centre = np.clip(centre, low, high)
        out[t] = centre
    return out


def _apart(centre: Floats, reach: Floats, rounds: int) -> Floats:
    """Push apart discs that overlap, a few rounds; pairs are found on the grid of a k-d tree."""
    from scipy.spatial import cKDTree

    for _ in range(rounds):
        pairs: NDArray[Any] = cKDTree(centre).query_pairs(2 * float(reach.max()), output_type="ndarray")
        if not len(pairs):
            break
        a, b = pairs.T
        gap = centre[a] - centre[b]
        far = np.maximum(np.hypot(gap[:, 0], gap[:, 1]), 1e-6)
        lack = np.maximum(reach[a] + reach[b] - far, 0)
        if not lack.any():
            break
        push = gap * (0.5 * lack / far)[:, None]
        centre = centre.copy()
        for axis in range(2):
            centre[:, axis] += np.bincount(a, push[:, axis], len(centre)) - np.bincount(b, push[:, axis], len(centre))
    return centre
