"""What the systems of paper lexy share: one binary map, its losses, and nuclei from it.

"Automated Deep Learning Approach for Nucleus Segmentation in Fluorescence LEXY Videos" (Bosboom): a network gives one
map, nucleus or not. Here the map also becomes single nuclei, so that these systems run and score like all others; the
paper's next step, a second map for the cytosol, is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from unfade.errors import TruthError
from unfade.instances.confidence import mask_confidence
from unfade.instances.shape import Splitting, by_shape, closed_gap, encode_mask
from unfade.losses.boundary import boundary_loss, hausdorff_loss
from unfade.losses.crossentropy import weighted_crossentropy
from unfade.losses.hard_pixels import hard_pixel_loss, hard_pixels_of
from unfade.losses.overlap import dice_loss
from unfade.losses.regression import absolute_difference, squared_difference
from unfade.models.lexy_unet import EncoderName, build_encoder
from unfade.ops.device import Precision, autocast, pick_device
from unfade.ops.relabel import NUCLEUS, nuclei_of
from unfade.records import Instances, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System

Batch = dict[str, dict[str, Tensor]]

EXTRA = {
    "l1": absolute_difference,
    "l2": squared_difference,
    "hausdorff": hausdorff_loss,
    "boundary": boundary_loss,
}


class MaskSettings(Settings):
    """The network of paper lexy, its loss and how its map becomes nuclei."""

    encoder: EncoderName = Field("plain", description="plain (U-Net's own), vgg16 or resnet34")
    width: int = Field(64, ge=4, le=256, description="channels of the first level; 64 as the papers have it")
    batch_norm: bool = Field(False, description="batch normalisation after every convolution (ResNet34 has its own)")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of channels dropped at the bottleneck while training")
    cytosol: bool = Field(False, description="a second map for the cytosol; needs labels of nuclei and of cells")
    gap: bool = Field(False, description="learn touching nuclei with a gap between them")
    loss: Literal["dice", "bce", "combined"] = Field("dice", description="dice, weighted BCE, or both (equations 1-3)")
    nucleus_weight: float = Field(2.0, gt=0, description="w of the weighted BCE")
    beta: float = Field(1.0, ge=0, description="weight of Dice beside BCE in the combined loss")
    l1: float = Field(0.0, ge=0, description="weight of the mean absolute difference")
    l2: float = Field(0.0, ge=0, description="weight of the mean squared difference")
    hausdorff: float = Field(0.0, ge=0, description="weight of the Hausdorff loss")
    boundary: float = Field(0.0, ge=0, description="weight of the boundary distance loss")
    hard: float = Field(0.0, ge=0, description="weight of the cross-entropy of the hard pixels")
    hard_pixels: int = Field(6000, ge=1, description="K, hard pixels of 256x256; smaller crops have their share")
    diameter_px: tuple[float, float] = Field((14.0, 40.0), description="median diameters trained for, from and to, px")
    normalise: Literal["frame", "movie", "background"] = Field(
        "movie", description="0 and 1 from each frame, the whole movie, or its background and brightest (LEXY)"
    )
    splitting: Splitting = Field(Splitting(), description="how the map becomes nuclei")


CROPS = 27_154  # training crops of stills, section 2.1.2
FRAMES = 279  # nine of the ten videos of 21 to 41 frames (2.1.1), at 31 frames each


def paper_recipe(preset: str, epochs: int, batch: int) -> dict[str, Any]:
    """Settings of a training as in section 2.4, for the presets `paper` (stills) and `paper-videos` (LEXY-like).

    Adam at a constant 0.0001; for stills `epochs` of `batch` crops with rotations and flips, for videos 10 epochs of 32
    with perspective and random crops too. An epoch is taken as the paper's number of stills, 27,154 crops, or of frames
    in the nine videos that are not left out, about 279; `steps` sets another length. One validation an epoch, crops of
    128 px, and no limit of gradients, average of weights or warm-up are choices.
    """
    if not preset.startswith("paper"):
        return {}
    videos = preset == "paper-videos"
    count, epochs, batch = (FRAMES, 10, 32) if videos else (CROPS, epochs, batch)
    course = {"rate": 1e-4, "decay": 0.0, "schedule": "constant", "warmup": 0, "average": 0.0, "clip": 0.0}
    length = {"steps": ceil(epochs * count / batch), "check_every": ceil(count / batch)}
    plain = {"native": 1.0, "zoom": 0.0, "stretch": 0.0, "empty": 0.0, "intensity": False}
    crops = {"crop_px": 128, "batch": batch, **plain}
    policy = {"policy": {"perspective": 0.5}} if videos else {}
    return {"draw": "estimates", "train": course | length, "sampler": crops | policy}


class MaskSystem(System):
    """Everything but the network: targets, loss, probabilities and nuclei of binary maps `(B, L, K, Y, X)`."""

    settings_type: ClassVar[type[Settings]] = MaskSettings
    of_network: ClassVar[frozenset[str]] = frozenset({"encoder", "width", "batch_norm", "dropout", "cytosol"})
    settings: MaskSettings

    @property
    def view(self) -> View:
        """One frame; tiles are joined as maps."""
        s = self.settings
        return View(diameter_px=s.diameter_px, stride=self.stride, reach_px=2 * self.stride, normalise=s.normalise)

    @property
    def stride(self) -> int:
        """Image sides are multiples of this: 16 for the plain encoder, 32 for the deeper ones."""
        return 16 if self.settings.encoder == "plain" else 32

    @property
    def maps(self) -> int:
        """Number of output maps."""
        return 1 + self.settings.cytosol

    def encoder(self, channels: int, masks: int = 0) -> Any:
        """A fresh encoder for `channels` inputs, the last `masks` of them masks."""
        s = self.settings
        return build_encoder(s.encoder, channels, s.width, masks, s.batch_norm)

    def learnt(self, stills: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Nuclei; where the cytosol is learnt, cells with their nuclei marked."""
        if not self.settings.cytosol:
            return super().learnt(stills)
        if not any((labels >= NUCLEUS).any() for labels in stills):
            raise TruthError("The cytosol map needs labels of whole cells with their nuclei marked; or set it off.")
        return list(stills)

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Targets `{"maps": (L, K, Y, X)}` of nuclei `(L, Y, X)`.

        Where the cytosol is learnt, labels are those of whole cells, with `ops.relabel.NUCLEUS` added in the nucleus.
        """
        nuclei = nuclei_of(labels, marked=self.settings.cytosol)
        maps = [np.stack([encode_mask(frame, self.settings.gap) for frame in nuclei])]
        if self.settings.cytosol:
            maps.append(((labels > 0) & (nuclei == 0)).astype(np.float32))
        return {"maps": np.stack(maps, axis=1)}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """The chosen loss and whatever else has a weight, one term each."""
        s = self.settings
        maps, truth = outputs["maps"].flatten(0, 2), targets["maps"].flatten(0, 2)
        terms = {}
        if s.loss in ("bce", "combined"):
            terms["bce"] = weighted_crossentropy(maps, truth, s.nucleus_weight)
        if s.loss in ("dice", "combined"):
            terms["dice"] = dice_loss(maps, truth) * (s.beta if s.loss == "combined" else 1.0)
        for name, term in EXTRA.items():
            if weight := getattr(s, name):
                terms[name] = weight * term(maps, truth)
        if s.hard:
            terms["hard"] = s.hard * hard_pixel_loss(maps, truth, hard_pixels_of(s.hard_pixels, *maps.shape[-2:]))
        return terms

    def activate(self, outputs: Maps) -> Tensor:
        """Probabilities of nucleus and, where it is learnt, cytosol."""
        return outputs["maps"].float().sigmoid()

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Nuclei with their mean probability and entropy."""
        s = self.settings
        labels = np.stack([by_shape(frame[0], s.splitting, zoom) for frame in maps])
        if s.gap:
            labels = np.stack(
                [closed_gap(a, frame[0], s.splitting.threshold) for a, frame in zip(labels, maps, strict=True)]
            )
        return Instances.of(labels, *mask_confidence(maps[:, 0], labels))

    def measure(
        self, network: nn.Module, batches: Dataset[Batch], device: str = "auto", precision: Precision = "auto"
    ) -> dict[str, float]:
        """Mean Dice of the thresholded nucleus maps over all crops of the batches, and the loss, in evaluation mode.

        Previous masks and references are those of the batches, as in training (paper lexy, tables 1, 3 and 5).
        """
        place = pick_device(device)
        network.eval()
        dice, losses = [], []
        for number in range(len(batches)):  # type: ignore[arg-type]
            batch = batches[number]
            inputs, targets = ({k: v.to(place) for k, v in batch[part].items()} for part in ("inputs", "targets"))
            with torch.inference_mode():
                with autocast(place, precision):
                    outputs, _ = self.forward(network, inputs)
                outputs = {k: v.float() for k, v in outputs.items()}
                losses.append(float(torch.stack(list(self.loss(outputs, targets).values())).sum()))
                found = self.activate(outputs)[:, :, 0] > self.settings.splitting.threshold
                truth = targets["maps"][:, :, 0] > 0.5
            shared, both = (found & truth).sum((2, 3)), found.sum((2, 3)) + truth.sum((2, 3))
            dice += (2 * shared[both > 0] / both[both > 0]).tolist()
        return {"Dice": sum(dice) / max(len(dice), 1), "validation loss": sum(losses) / max(len(losses), 1)}

    def probabilities(self, maps: Tensor) -> Tensor | None:
        """Background and nucleus, `(B, 2, Y, X)`."""
        inside = maps[:, 0]
        return torch.stack([1 - inside, inside], dim=1)
