"""Batches of consecutive frames whose objects keep their ids, for networks that track (paper hourglass, 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from pydantic import Field
from scipy import ndimage
from torch.utils.data import Dataset

from unfade.augment.intensity import noise_only
from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.ops.normalise import centred
from unfade.ops.warp import resized, resized_labels, sample_image, sample_labels
from unfade.records import View
from unfade.settings import Settings
from unfade.train.sampler import Batch, encoded

UNKNOWN = -1  # label of pixels outside the frame


class TrackedSamplerSettings(Settings):
    """How sequences of frames are drawn; the defaults are the paper's."""

    crop_px: int = Field(256, ge=32, description="side of a crop, px; a multiple of the network's stride")
    batch: int = Field(1, ge=1, description="sequences per batch")
    length: int = Field(8, ge=1, description="consecutive frames of a sequence (l)")
    outlined: float = Field(0.5, ge=0, le=1, description="share of sequences drawn so that a frame is fully outlined")
    shift: float = Field(0.65, ge=0, description="largest shift of intensities, which lie in -1..1")
    scale: tuple[float, float] = Field((0.35, 1.65), description="range of factors on intensities")
    mirror: float = Field(0.5, ge=0, le=1, description="chance of mirroring, for each axis")
    turn: bool = Field(True, description="rotate by any angle")
    zoom: tuple[float, float] = Field((0.5, 1.5), description="range of zooms")
    elastic_px: float = Field(10.0, ge=0, description="largest move of a knot of the elastic grid, px")
    empty: float = Field(0.0, ge=0, le=1, description="share of sequences that are noise without objects")
    knots: int = Field(6, ge=4, description="knots per side of the elastic grid, joined by cubic splines")


class Encoder(Protocol):
    """The part of a system that the sampler needs."""

    @property
    def view(self) -> View:
        """What it sees."""
        ...

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets of labels `(L, Y, X)` and their image."""
        ...


class TrackedSampler(Dataset[Batch]):
    """Item i is batch i: `{"inputs": {"image": (B, L, 1, Y, X)}, "targets": {name: (B, L, …)}}`.

    Frames are smoothed and scaled one by one, then brought to the size at which the system sees them.
    """

    settings_type = TrackedSamplerSettings
    tracked: ClassVar[bool] = True  # it learns from whole sequences, also from frames that have only marks

    def __init__(
        self, movies: Sequence[Still], system: Encoder, settings: TrackedSamplerSettings, seed: int, steps: int
    ) -> None:
        if all(len(movie.labels) < settings.length for movie in movies):
            raise SettingsError(f"No sequence has {settings.length} frames; give movies, or a smaller 'length'.")
        self.system, self.settings, self.seed, self.steps = system, settings, seed, steps
        movies = [movie for movie in movies if len(movie.labels) >= settings.length]
        sizes = [_size(system.view, movie) for movie in movies]
        self.images = [
            np.stack([resized(centred(frame), size) for frame in movie.image[:, 0]])
            for movie, size in zip(movies, sizes, strict=True)
        ]
        self.labels = [resized_labels(movie.labels, size) for movie, size in zip(movies, sizes, strict=True)]
        self.full = [movie.outlined for movie in movies]
        weight = np.array([len(labels) for labels in self.labels], float)
        self.weight = weight / weight.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        return encoded(self.system, (self._sequence(rng) for _ in range(self.settings.batch)))

    def _sequence(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        s = self.settings
        if s.empty and rng.random() < s.empty:
            return self._noise(rng)
        n = int(rng.choice(len(self.images), p=self.weight))
        first = self._first(rng, self.full[n])
        span = slice(first, first + s.length)
        at, outside = self._positions(rng, self.labels[n].shape[1:])
        image = sample_image(torch.from_numpy(self.images[n][span]), at).numpy()
        labels = sample_labels(torch.from_numpy(self.labels[n][span]), at).numpy()
        labels[:, outside] = UNKNOWN
        return self._lit(rng, image)[:, None], labels

    def _noise(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Frames of nothing but noise, all background."""
        s = self.settings
        shape = (s.length, s.crop_px, s.crop_px)
        image = np.stack([centred(frame) for frame in noise_only(rng, shape)])
        return self._lit(rng, image)[:, None], np.zeros(shape, np.int32)

    def _lit(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """Intensities of a sequence scaled and shifted as a whole."""
        s = self.settings
        return image * np.float32(rng.uniform(*s.scale)) + np.float32(rng.uniform(-s.shift, s.shift))

    def _first(self, rng: np.random.Generator, full: np.ndarray) -> int:
        """First frame of a sequence that holds a fully outlined frame, or of any sequence."""
        length = self.settings.length
        last = len(full) - length
        if rng.random() < self.settings.outlined and full.any():
            frame = int(rng.choice(np.flatnonzero(full)))
            return int(rng.integers(max(0, frame - length + 1), min(frame, last) + 1))
        return int(rng.integers(last + 1))

    def _positions(self, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[torch.Tensor, np.ndarray]:
        """Source positions `(2, H, W)` of the pixels of a crop, and which lie outside the frame `(H, W)`."""
        s, side = self.settings, self.settings.crop_px
        angle = rng.uniform(-np.pi, np.pi) if s.turn else 0.0
        flip = np.where(rng.random(2) < s.mirror, -1.0, 1.0)
        zoom = rng.uniform(*s.zoom)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        grid = np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2
        knots = rng.uniform(-s.elastic_px, s.elastic_px, (2, s.knots, s.knots))
        grid = grid + np.stack([ndimage.zoom(part, side / s.knots, order=3) for part in knots])
        at = np.tensordot(turn * flip / zoom, grid, axes=1)
        for axis, length in enumerate(shape):
            half = side / zoom / 2
            low, high = min(half, length / 2), max(length - half, length / 2)
            at[axis] += rng.uniform(low, high)
        tall, wide = shape
        outside = (at[0] < -0.5) | (at[1] < -0.5) | (at[0] > tall - 0.5) | (at[1] > wide - 0.5)
        return torch.from_numpy(at.astype(np.float32)), outside


def _size(view: View, movie: Still) -> tuple[int, int]:
    """Size at which frames are seen: the fixed one, or the one at which objects have the wanted diameter."""
    if view.size_px is not None:
        return view.size_px
    zoom = float(np.sqrt(np.prod(view.diameter_px))) / movie.diameter_px
    height, width = movie.labels.shape[1:]
    return (round(height * zoom), round(width * zoom)) if np.isfinite(zoom) else (height, width)
