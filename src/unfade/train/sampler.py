"""Batches of augmented crops, each a function of (seed, step): resuming continues the very same sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import Dataset

from unfade.augment.deformation import draw_deformation
from unfade.augment.intensity import noise_only, textured, vary
from unfade.augment.spatial import draw_affine
from unfade.datasets.stills import Still
from unfade.ops.normalise import levels, scaled
from unfade.records import View
from unfade.settings import Settings

Batch = dict[str, dict[str, torch.Tensor]]


class SamplerSettings(Settings):
    """How crops are drawn."""

    crop_px: int = Field(192, ge=32, description="side of a crop, px; a multiple of the network's stride")
    batch: int = Field(8, ge=1, description="crops per batch")
    diameter_px: tuple[float, float] = Field(
        (15.0, 42.0), description="range the median object diameter is zoomed to, px"
    )
    max_zoom: float = Field(3.0, ge=1, description="no still is enlarged or shrunk more than this")
    native: float = Field(0.25, ge=0, le=1, description="share of crops near the still's own scale")
    empty: float = Field(0.03, ge=0, le=1, description="share of crops that are noise without objects")
    turns: bool = Field(True, description="turn crops by any angle; false = horizontal flips alone")
    stretch: float = Field(0.1, ge=0, description="spread of the ratio of the sides")
    elastic_px: float = Field(0.0, ge=0, description="elastic deformation: spread of the control points, px; 0 = none")
    elastic_points: int = Field(3, ge=2, description="control points along each side of a crop")
    textured: float = Field(0.0, ge=0, le=1, description="share of crops whose objects get patches or spots inside")
    intensity: bool = Field(True, description="vary contrast, blur, noise and clipping")


class Encoder(Protocol):
    """The part of a system that the sampler needs."""

    @property
    def view(self) -> View:
        """What it sees; where cells come with their nuclei, the last of its kinds is what frames are scaled by."""
        ...

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets of one crop."""
        ...


class CropSampler(Dataset[Batch]):
    """Item i is batch i: `{"inputs": {"image": (B, L, C, Y, X)}, "targets": {name: (B, L, …)}}`."""

    settings_type = SamplerSettings

    def __init__(
        self, stills: Sequence[Still], system: Encoder, settings: SamplerSettings, seed: int, steps: int
    ) -> None:
        self.system, self.settings, self.seed, self.steps = system, settings, seed, steps
        self.images = [np.stack([[scaled(c, levels(c)) for c in frame] for frame in still.image]) for still in stills]
        self.labels = [still.labels for still in stills]
        self.diameters = [still.only(system.view.kinds[-1]).diameter_px for still in stills]
        objects = np.array([len(np.unique(still.labels)) for still in stills], float)
        weight = np.sqrt(objects)
        self.weight = weight / weight.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        return encoded(self.system, (self._crop(rng) for _ in range(self.settings.batch)))

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        s = self.settings
        size = (s.crop_px, s.crop_px)
        n = int(rng.choice(len(self.images), p=self.weight))
        image, labels = self.images[n], self.labels[n]
        frames, channels = image.shape[:2]
        if rng.random() < s.empty:
            noise = np.stack([noise_only(rng, (channels, *size)) for _ in range(frames)])
            return noise, np.zeros((frames, *size), np.int32)
        zoom = self._zoom(rng, self.diameters[n])
        affine = draw_affine(rng, image.shape[-2:], size, zoom, s.stretch, s.turns)
        crop, truth = affine.image(image.reshape(-1, *image.shape[-2:])), affine.labels(labels)
        if s.elastic_px:
            bent = draw_deformation(rng, size, s.elastic_points, s.elastic_px)
            crop, truth = bent.image(crop), bent.labels(truth)
        crop = crop.reshape(frames, channels, *size)
        if s.textured and rng.random() < s.textured:
            crop = np.stack([textured(rng, frame, own) for frame, own in zip(crop, truth, strict=True)])
        if s.intensity:
            crop = vary(rng, crop.reshape(-1, *size)).reshape(crop.shape)
        return crop, truth

    def _zoom(self, rng: np.random.Generator, diameter: float) -> float:
        """Near the still's own scale, or such that its median diameter falls in the wanted range."""
        s = self.settings
        if rng.random() < s.native or not np.isfinite(diameter):
            return float(np.exp(rng.uniform(-0.25, 0.25)))
        low, high = (np.clip(d / diameter, 1 / s.max_zoom, s.max_zoom) for d in s.diameter_px)
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def encoded(system: Encoder, drawn: Iterable[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """One batch of drawn images `(L, C, Y, X)` and the targets that the system makes of their labels `(L, Y, X)`."""
    images, targets = zip(*((image, system.encode(labels, image)) for image, labels in drawn), strict=True)
    return {
        "inputs": {"image": torch.from_numpy(np.stack(images))},
        "targets": {k: torch.from_numpy(np.stack([t[k] for t in targets])) for k in targets[0]},
    }
