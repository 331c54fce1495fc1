"""Batches of stills with estimates of what a movie would have shown before (paper lexy, 2.2.3, 2.2.4, 2.4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import Dataset

from unfade.augment.estimates import draw_estimates
from unfade.augment.intensity import noise_only, vary
from unfade.augment.policy import Policy, place, taken, tinted
from unfade.augment.spatial import draw_affine
from unfade.augment.unreliable import UnreliableSettings, spoil
from unfade.datasets.stills import Still
from unfade.ops.normalise import scaled_sequence
from unfade.ops.relabel import NUCLEUS, nuclei_of
from unfade.records import View
from unfade.settings import Settings
from unfade.train.sampler import Batch
from unfade.train.sequences import Encoder


class ScaleSettings(Settings):
    """At which scale examples are drawn."""

    diameter_px: tuple[float, float] = Field(
        (15.0, 42.0), description="range the median object diameter is zoomed to, px"
    )
    max_zoom: float = Field(3.0, ge=1, description="no example is enlarged or shrunk more than this")
    native: float = Field(1.0, ge=0, le=1, description="share of examples at the scale at which prediction sees them")
    zoom: float = Field(0.15, ge=0, description="spread of the logarithm of the zoom around that scale; 0 = none")
    stretch: float = Field(0.1, ge=0, description="spread of the ratio of the sides; 0 = none")

    def draw_zoom(self, rng: np.random.Generator, diameter: float, view: View) -> float:
        """The scale of prediction and its spread, or one that brings the median diameter into the wanted range.

        Prediction zooms objects into the range of the system's view and leaves those inside it as they are.
        """
        spread = float(np.exp(rng.normal(0, self.zoom)))
        if not np.isfinite(diameter):
            return spread
        if rng.random() < self.native:
            return spread * min(float(np.clip(diameter, *view.diameter_px)) / diameter, self.max_zoom)
        low, high = (np.clip(d / diameter, 1 / self.max_zoom, self.max_zoom) for d in self.diameter_px)
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))


class EstimateSettings(ScaleSettings):
    """How crops, previous masks and references are drawn."""

    crop_px: int = Field(128, ge=32, description="side of a crop, px; a multiple of the network's stride")
    batch: int = Field(8, ge=1, description="crops per batch")
    native: float = Field(0.25, ge=0, le=1, description="share of crops at the scale at which prediction sees them")
    turns: bool = Field(True, description="turn crops by any angle; false = horizontal flips alone")
    empty: float = Field(0.03, ge=0, le=1, description="share of crops that are noise without objects")
    intensity: bool = Field(False, description="vary contrast, blur, noise and clipping as nuclei-unet does")
    policy: Policy = Field(Policy(), description="further augmentations; none = rotations and flips alone (2.4.3)")
    unreliable: UnreliableSettings = Field(UnreliableSettings(), description="how estimates are spoilt; none = paper")

    def held(self) -> Self:
        """The same without augmentation and spoiling, so that all trainings are validated on the same crops."""
        plain = {"native": 1.0, "zoom": 0.0, "stretch": 0.0, "turns": False, "empty": 0.0, "intensity": False}
        return self.changed(**plain, policy={}, unreliable={})


class EstimateSampler(Dataset[Batch]):
    """Item i is batch i: inputs `image (B, 1, 1, Y, X)`, `previous (B, 1, 1, Y, X)`, `reference (B, 1, 2, Y, X)`.

    Frames of a movie count as stills, normalised as the system's view says.
    The previous mask is a distortion of the true one whose Dice with it is 0.80 on average; the reference is frame and
    mask at twice that distortion. Every crop is a function of (seed, step).
    """

    settings_type = EstimateSettings

    def __init__(
        self, stills: Sequence[Still], system: Encoder, settings: EstimateSettings, seed: int, steps: int
    ) -> None:
        self.system, self.settings, self.seed, self.steps = system, settings, seed, steps
        self.images = [scaled_sequence(still.image[:, 0], system.view.normalise)[:, None] for still in stills]
        self.labels = [still.labels for still in stills]
        self.marked = any((labels >= NUCLEUS).any() for labels in self.labels)
        self.diameters = [still.only(system.view.kinds[-1]).diameter_px for still in stills]
        weight = np.sqrt(np.array([len(np.unique(still.labels)) for still in stills], float))
        self.weight = weight / weight.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        inputs: dict[str, list[np.ndarray]] = {"image": [], "previous": [], "reference": []}
        targets: list[dict[str, np.ndarray]] = []
        for _ in range(self.settings.batch):
            image, labels = self._crop(rng)
            previous, reference = self._estimates(rng, image[0], labels[0])
            inputs["image"].append(image)
            inputs["previous"].append(previous[None, None])
            inputs["reference"].append(reference[None])
            targets.append(self.system.encode(labels, image))
        return {
            "inputs": {k: torch.from_numpy(np.stack(v)) for k, v in inputs.items()},
            "targets": {k: torch.from_numpy(np.stack([t[k] for t in targets])) for k in targets[0]},
        }

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        s = self.settings
        size = (s.crop_px, s.crop_px)
        n = int(rng.choice(len(self.images), p=self.weight))
        t = int(rng.integers(len(self.labels[n])))
        if rng.random() < s.empty:
            return noise_only(rng, (1, *size))[None], np.zeros((1, *size), np.int32)
        image, labels = self.images[n][t], self.labels[n][t : t + 1]
        zoom = s.draw_zoom(rng, self.diameters[n], self.system.view)
        affine = draw_affine(rng, labels.shape[1:], size, zoom, s.stretch, s.turns)
        crop, truth = taken(image, labels, place(rng, affine, s.policy), affine.zoom)
        crop = tinted(rng, vary(rng, crop) if s.intensity else crop, s.policy)
        return crop[None], truth

    def _estimates(
        self, rng: np.random.Generator, image: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Previous mask `(Y, X)` and reference frame with mask `(C + 1, Y, X)`."""
        previous, reference = draw_estimates(rng, nuclei_of(labels, self.marked), image)
        reference[-1] = spoil(rng, reference[-1], self.settings.unreliable)
        return spoil(rng, previous, self.settings.unreliable), reference
