"""Batches of two frames that differ by a known smooth motion, drawn on the fly from single frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy import ndimage
from torch.utils.data import Dataset

from unfade.augment.deformation import draw_deformation
from unfade.augment.spatial import draw_affine
from unfade.datasets.stills import Still
from unfade.ops.normalise import levels, scaled
from unfade.settings import Settings
from unfade.train.sampler import Batch


class PairSamplerSettings(Settings):
    """How pairs are drawn; the defaults suit nuclei of about 20 px."""

    crop_px: int = Field(192, ge=64, description="side of a crop, px; a multiple of 64")
    batch: int = Field(8, ge=1, description="pairs per batch")
    points: int = Field(10, ge=2, description="control points of the deformation along each side of the crop")
    magnitude_px: float = Field(3.0, ge=0, description="largest standard deviation of their displacement, px")
    shift_px: float = Field(2.0, ge=0, description="standard deviation of the shift of the whole crop, px")
    diameter_px: tuple[float, float] = Field((14.0, 32.0), description="range the median object is zoomed to, px")
    fading: float = Field(0.5, ge=0, le=1, description="share of pairs in which the nuclei change brightness")
    bodies: float = Field(0.6, ge=0, le=1, description="share of pairs with a textured cytoplasm around the nuclei")
    noise: float = Field(0.06, ge=0, description="largest standard deviation of the noise of each frame")


class Pair(NamedTuple):
    """Two frames and the flow from the first to the second."""

    image: np.ndarray  # (2, 1, Y, X)
    flow: np.ndarray  # (2, Y, X) px
    nuclei: np.ndarray  # (2, Y, X) labels of both frames


class PairSampler(Dataset[Batch]):
    """Item i is batch i: `{"inputs": {"image": (B, 2, 1, Y, X)}, "targets": {"flow": (B, 1, 2, Y, X)}}`."""

    settings_type = PairSamplerSettings
    truthless = True  # masks only tell which pixels may fade

    def __init__(
        self, stills: Sequence[Still], system: Any, settings: PairSamplerSettings, seed: int, steps: int
    ) -> None:
        self.settings, self.seed, self.steps = settings, seed, steps
        frames = [(still, k) for still in stills for k in range(len(still.labels)) if still.labels[k].any()]
        self.images = [scaled(s.image[k, 0], levels(s.image[k, 0])) for s, k in frames]
        self.labels = [s.labels[k] for s, k in frames]
        self.diameters = [s.diameter_px for s, _ in frames]

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        pairs = [self.pair(rng) for _ in range(self.settings.batch)]
        return {
            "inputs": {"image": torch.from_numpy(np.stack([p.image for p in pairs]))},
            "targets": {"flow": torch.from_numpy(np.stack([p.flow[None] for p in pairs]))},
        }

    def pair(self, rng: np.random.Generator) -> Pair:
        """One pair: a crop as the later frame, itself warped backward as the earlier one."""
        s = self.settings
        size = (s.crop_px, s.crop_px)
        n = int(rng.integers(len(self.images)))
        zoom = float(np.clip(np.exp(rng.uniform(*np.log(s.diameter_px))) / self.diameters[n], 1 / 3, 3))
        affine = draw_affine(rng, self.labels[n].shape, size, zoom)
        image, labels = affine.image(self.images[n][None]), affine.labels(self.labels[n][None])
        inside = ndimage.gaussian_filter((labels[0] > 0).astype(np.float32), 1.0)
        body = self._body(rng, inside) if rng.random() < s.bodies else np.zeros_like(inside)
        flow = draw_deformation(rng, size, s.points, s.magnitude_px * rng.uniform(), s.shift_px * rng.uniform())
        low = np.float32(np.percentile(image, 5))
        gains = np.ones(2)
        if rng.random() < s.fading:
            gains[rng.integers(2)] = np.exp(rng.uniform(-2.0, 0.3))
        lit = image + (gains[:, None, None] - 1) * inside * (image - low) + body  # (2, Y, X), both as the later frame
        frames = flow.image(lit[:1])[0], lit[1]
        pair = np.stack([self._noisy(rng, frame) for frame in frames])[:, None]
        return Pair(pair, flow.flow.numpy(), np.stack([flow.labels(labels)[0], labels[0]]))

    def _body(self, rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
        """Cytoplasm: light that falls off around the nuclei, with a texture that moves along."""
        wide = ndimage.gaussian_filter(inside, rng.uniform(4, 12))
        grain = ndimage.gaussian_filter(rng.standard_normal(inside.shape).astype(np.float32), rng.uniform(1, 3))
        grain *= rng.uniform(0.1, 0.5) / max(float(grain.std()), 1e-6)
        out = wide / max(float(wide.max()), 1e-6) * np.clip(1 + grain, 0, None)
        return np.asarray(out * rng.uniform(0.1, 0.6), np.float32)

    def _noisy(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """Noise and brightness of its own."""
        light = image * np.exp(rng.uniform(-0.15, 0.15))
        return np.asarray(light + rng.normal(0, rng.uniform(0, self.settings.noise), image.shape), np.float32)
