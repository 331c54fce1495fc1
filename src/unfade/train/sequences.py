"""Batches of windows in time: what a network sees of a movie at once, augmented alike in all its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from pydantic import Field
from torch.utils.data import Dataset

from unfade.augment.intensity import noise_only, vary
from unfade.augment.spatial import draw_affine
from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.ops.normalise import PooledLevels, scaled
from unfade.records import View
from unfade.settings import Settings
from unfade.train.sampler import Batch, encoded


class WindowSamplerSettings(Settings):
    """How windows of movies are drawn."""

    crop_px: int = Field(160, ge=32, description="side of a crop, px; a multiple of the network's stride")
    batch: int = Field(8, ge=1, description="windows per batch")
    spread: float = Field(0.15, ge=0, description="spread of the logarithm of the zoom around the wanted diameter")
    varied: float = Field(0.5, ge=0, le=1, description="share of windows whose intensities are varied")
    stretched: float = Field(0.4, ge=0, le=1, description="share of windows in which time runs at another pace")
    reversed: float = Field(0.3, ge=0, le=1, description="share of windows in which time runs backwards")
    empty: float = Field(0.03, ge=0, le=1, description="share of windows that are noise without objects")
    cut: float = Field(0.2, ge=0, le=1, description="share of windows in which the movie begins or ends anywhere")


class Encoder(Protocol):
    """The part of a system that the sampler needs."""

    @property
    def view(self) -> View:
        """What it sees."""
        ...

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets of labels `(1, Y, X)`, those of the frame whose objects are to be found."""
        ...


class WindowSampler(Dataset[Batch]):
    """Item i is batch i: `{"inputs": {"image": (B, L, 1, Y, X)}, "targets": {name: (B, 1, …)}}`.

    L are the frames at the offsets of the system's view. Time may run backwards (a signal that leaves becomes one that
    returns), faster or slower, and the movie may begin or end next to the frame in question.
    """

    settings_type = WindowSamplerSettings

    def __init__(
        self, movies: Sequence[Still], system: Encoder, settings: WindowSamplerSettings, seed: int, steps: int
    ) -> None:
        if all(len(movie.labels) == 1 for movie in movies):
            raise SettingsError("These are stills; a system that looks at several frames learns from movies.")
        self.system, self.settings, self.seed, self.steps = system, settings, seed, steps
        self.images = [_normalised(movie.image[:, 0]) for movie in movies]
        self.labels = [movie.labels for movie in movies]
        self.diameters = [movie.only(system.view.kinds[-1]).diameter_px for movie in movies]
        weight = np.array([labels.size for labels in self.labels], float)
        self.weight = weight / weight.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        return encoded(self.system, (self._window(rng) for _ in range(self.settings.batch)))

    def _window(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        s = self.settings
        if rng.random() < s.empty:
            size = (s.crop_px, s.crop_px)
            return noise_only(rng, (len(self.system.view.offsets), *size))[:, None], np.zeros((1, *size), np.int32)
        n = int(rng.choice(len(self.images), p=self.weight))
        image, labels = self.images[n], self.labels[n]
        t = int(rng.integers(len(labels)))
        frames = image[self._frames(rng, t, len(labels))]
        middle = float(np.sqrt(np.prod(self.system.view.diameter_px)))
        zoom = middle / self.diameters[n] * float(np.exp(rng.normal(0, s.spread)))
        affine = draw_affine(rng, labels.shape[1:], (s.crop_px, s.crop_px), zoom)
        crop = affine.image(frames)
        if rng.random() < s.varied:
            crop = vary(rng, crop)
        return crop[:, None], affine.labels(labels[t : t + 1])

    def _frames(self, rng: np.random.Generator, t: int, count: int) -> np.ndarray:
        """Numbers of the frames of a window around frame `t` of a movie of `count` frames."""
        s = self.settings
        offsets = np.array(self.system.view.offsets, float)
        if rng.random() < s.stretched:
            offsets *= rng.uniform(0.5, 2.0)
        if rng.random() < s.reversed:
            offsets = -offsets
        first, last = 0, count - 1
        if rng.random() < s.cut:
            first, last = int(rng.integers(0, t + 1)), int(rng.integers(t, count))
        return np.asarray(np.clip(t + offsets.round().astype(int), first, last))


def _normalised(frames: np.ndarray) -> np.ndarray:
    """Frames `(T, Y, X)` of a movie, all scaled by the same intensities."""
    pooled = PooledLevels()
    for t in np.unique(np.linspace(0, len(frames) - 1, PooledLevels.FRAMES).round().astype(int)):
        pooled.add(frames[t])
    ends = pooled.ends()
    return np.stack([scaled(frame, ends) for frame in frames])
