"""Batches of sequences for networks that see their own previous mask: estimates at first, then their own output.

The first frame sees an estimate. Later frames see an estimate too (teacher forcing) or, with a probability that may
grow while training goes on (scheduled sampling), what the network itself has just found; at 1 every sequence is a
rollout as prediction runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import Dataset

from unfade.augment.estimates import DICE, distort_objects
from unfade.augment.intensity import vary
from unfade.augment.spatial import draw_affine
from unfade.augment.temporal import draw_frames
from unfade.augment.unreliable import UnreliableSettings, spoil
from unfade.datasets.stills import Still
from unfade.errors import SettingsError
from unfade.ops.normalise import scaled_sequence
from unfade.ops.relabel import NUCLEUS, nuclei_of
from unfade.train.estimates import ScaleSettings
from unfade.train.sampler import Batch
from unfade.train.sequences import Encoder


class RolloutSettings(ScaleSettings):
    """How sequences are drawn from movies."""

    crop_px: int = Field(128, ge=32, description="side of a crop, px; a multiple of the network's stride")
    batch: int = Field(4, ge=1, description="sequences per batch")
    frames: int = Field(4, ge=1, description="frames of a sequence")
    fastest: int = Field(2, ge=1, description="frames of the movie from one step to the next, at most")
    reverse: float = Field(0.3, ge=0, le=1, description="share of sequences in which time runs backwards")
    varied: float = Field(0.5, ge=0, le=1, description="share of sequences whose intensities are varied")
    dice: float = Field(DICE, gt=0, le=1, description="Dice of an estimate with the mask it is made from")
    own: tuple[float, float] = Field((0.0, 1.0), description="share of later frames that see the own output, from, to")
    ramp: float = Field(0.5, gt=0, le=1, description="part of the training over which that share grows")
    unreliable: UnreliableSettings = Field(
        UnreliableSettings(dropped=0.15, wrong=0.1, eroded=0.2), description="how estimates are spoilt"
    )

    def held(self) -> Self:
        """The same without augmentation and spoiling, every frame but the first fed with the network's own output."""
        plain = {"native": 1.0, "zoom": 0.0, "stretch": 0.0, "fastest": 1, "reverse": 0.0, "varied": 0.0}
        return self.changed(**plain, dice=DICE, own=(1.0, 1.0), unreliable={"dropped": 0, "wrong": 0, "eroded": 0})


class RolloutSampler(Dataset[Batch]):
    """Item i is batch i: inputs `image (B, L, 1, Y, X)`, `previous (B, L, 1, Y, X)`, `own (B, L)`, `reference`.

    `reference (B, 1, 2, Y, X)` is a frame that is not among the L, the first of the movie or one before the sequence
    where there is one, and an estimate of its mask.
    """

    settings_type = RolloutSettings

    def __init__(
        self, movies: Sequence[Still], system: Encoder, settings: RolloutSettings, seed: int, steps: int
    ) -> None:
        if settings.frames > 1 and all(len(movie.labels) == 1 for movie in movies):
            raise SettingsError("These are stills; for rollouts give movies, or choose the sampler 'estimates'.")
        self.system, self.settings, self.seed, self.steps = system, settings, seed, steps
        self.images = [scaled_sequence(movie.image[:, 0], system.view.normalise) for movie in movies]
        self.labels = [movie.labels for movie in movies]
        self.marked = any((labels >= NUCLEUS).any() for labels in self.labels)
        self.diameters = [movie.only(system.view.kinds[-1]).diameter_px for movie in movies]
        weight = np.array([labels.size for labels in self.labels], float)
        self.weight = weight / weight.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        share = self.share(step)
        inputs: dict[str, list[np.ndarray]] = {"image": [], "previous": [], "own": [], "reference": []}
        targets: list[dict[str, np.ndarray]] = []
        for _ in range(self.settings.batch):
            image, labels, previous, reference = self._sequence(rng)
            inputs["image"].append(image)
            inputs["previous"].append(previous)
            inputs["own"].append((rng.random(len(image)) < share).astype(np.float32))
            inputs["reference"].append(reference)
            targets.append(self.system.encode(labels, image))
        return {
            "inputs": {k: torch.from_numpy(np.stack(v)) for k, v in inputs.items()},
            "targets": {k: torch.from_numpy(np.stack([t[k] for t in targets])) for k in targets[0]},
        }

    def share(self, step: int) -> float:
        """Share of later frames that see the network's own output at this step."""
        first, last = self.settings.own
        done = min(1.0, step / max(self.steps * self.settings.ramp, 1))
        return first + (last - first) * done

    def _sequence(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Image `(L, 1, Y, X)`, labels `(L, Y, X)`, previous masks `(L, 1, Y, X)`, reference `(1, 2, Y, X)`."""
        s = self.settings
        n = int(rng.choice(len(self.images), p=self.weight))
        image, labels = self.images[n], self.labels[n]
        frames = draw_frames(rng, len(labels), s.frames, s.fastest, s.reverse)
        step = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        before = int(np.clip(frames[0] - step, 0, len(labels) - 1))
        seen = np.array([_anchor(rng, frames, len(labels)), before, *frames])
        zoom = s.draw_zoom(rng, self.diameters[n], self.system.view)
        affine = draw_affine(rng, labels.shape[1:], (s.crop_px, s.crop_px), zoom, s.stretch)
        crop = affine.image(image[seen])
        if rng.random() < s.varied:
            crop = vary(rng, crop)
        truth = affine.labels(labels[seen])
        masks = [
            spoil(rng, distort_objects(rng, nuclei_of(mask, self.marked), s.dice), s.unreliable) for mask in truth[:-1]
        ]
        reference = np.stack([crop[0], masks[0]])
        return crop[2:, None], truth[2:], np.stack(masks[1:])[:, None], reference[None]


def _anchor(rng: np.random.Generator, frames: np.ndarray, count: int) -> int:
    """Number of a reference frame: the first of the movie or one before `frames`, seen as time runs there.

    Where nothing comes before, it is one between or after them; in a movie that is all in the sequence, its first.
    """
    every = np.arange(count) if frames[-1] >= frames[0] else np.arange(count)[::-1]
    past = every[: int(np.flatnonzero(every == frames[0])[0])]
    if len(past):
        return int(past[0] if rng.random() < 0.5 else rng.choice(past))
    others = np.setdiff1d(every, frames)
    return int(rng.choice(others)) if len(others) else int(frames[0])
