"""Batches of stills with estimates of what a movie would have shown before (paper lexy, 2.2.3, 2.2.4, 2.4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field

from unfade.augment.estimates import draw_estimate
from unfade.augment.intensity import vary
from unfade.augment.policy import Policy, place, taken, tinted
from unfade.augment.spatial import draw_affine
from unfade.augment.unreliable import UnreliableSettings, spoil
from unfade.datasets.stills import Still
from unfade.ops.normalise import scaled_sequence
from unfade.ops.relabel import of_kind
from unfade.train.sampler import Batch, CropSampler, SamplerSettings
from unfade.train.sequences import Encoder


class EstimateSettings(SamplerSettings):
    """How crops, previous masks and references are drawn."""

    crop_px: int = Field(128, ge=32, description="side of a crop, px; a multiple of the network's stride")
    intensity: bool = Field(False, description="vary contrast, blur, noise and clipping as nuclei-unet does")
    policy: Policy = Field(Policy(), description="further augmentations; none = rotations and flips alone (2.4.3)")
    unreliable: UnreliableSettings = Field(UnreliableSettings(), description="how estimates are spoilt; none = paper")


class EstimateSampler(CropSampler):
    """Item i is batch i: inputs `image (B, 1, 1, Y, X)`, `previous (B, 1, 1, Y, X)`, `reference (B, 1, 2, Y, X)`.

    Frames of a movie count as stills, normalised as the system's view says.
    The previous mask is a distortion of the true one whose Dice with it is 0.80 on average; the reference is frame and
    mask at twice that distortion. Every crop is a function of (seed, step).
    """

    settings_type = EstimateSettings
    settings: EstimateSettings

    def __init__(
        self, stills: Sequence[Still], system: Encoder, settings: EstimateSettings, seed: int, steps: int
    ) -> None:
        super().__init__(stills, system, settings, seed, steps)
        self.images = [scaled_sequence(still.image[:, 0], system.view.normalise)[:, None] for still in stills]

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
        n = int(rng.choice(len(self.images), p=self.weight))
        t = int(rng.integers(len(self.labels[n])))
        image, labels = self.images[n][t], self.labels[n][t : t + 1]
        affine = draw_affine(rng, labels.shape[1:], (s.crop_px, s.crop_px), self._zoom(rng, self.diameters[n]))
        crop, truth = taken(image, labels, place(rng, affine, s.policy))
        crop = tinted(rng, vary(rng, crop) if s.intensity else crop, s.policy)
        return crop[None], truth

    def _estimates(
        self, rng: np.random.Generator, image: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Previous mask `(Y, X)` and reference frame with mask `(C + 1, Y, X)`."""
        mask = (of_kind(labels, "nucleus") > 0).astype(np.float32)
        near = draw_estimate(rng, mask)
        far = near.stronger(2.0)
        previous = spoil(rng, near.mask(mask), self.settings.unreliable)
        anchor = spoil(rng, far.mask(mask), self.settings.unreliable)
        return previous, np.concatenate([far.image(image), anchor[None]])
