"""What systems of boxes and masks share: the network, its losses, and how its answers become objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.errors import SettingsError
from unfade.instances import boxes
from unfade.losses.focal import focal_loss
from unfade.losses.heteroscedastic import expected_log_likelihood, mean_probability
from unfade.losses.hypotheses import best_heads, evolving_top
from unfade.losses.shape_aware import shape_aware_weight
from unfade.models.maskrcnn import Build, MaskRCNN
from unfade.models.maskrcnn_start import load_start
from unfade.ops.boxes import sampled
from unfade.ops.entropy import entropy, parts_of
from unfade.ops.relabel import NUCLEUS, of_kind
from unfade.records import Instances, Kind, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System


class RegionSettings(Settings):
    """What the network is, what it learns from, and how its answers become objects."""

    backbone: Literal["resnet18", "resnet50"] = Field("resnet50", description="trunk of the feature pyramid")
    levels: int = Field(4, ge=2, le=4, description="stages of the trunk that are used")
    channels: Literal[1, 3] = Field(1, description="channels of a frame; 3 = the one channel three times, as for COCO")
    classes: Literal[1, 3] = Field(1, description="of a mask: 1 = foreground, 3 = background, cytosol, nucleus")
    width: int = Field(256, ge=16, le=512, description="channels of the pyramid and of the mask branch")
    box_width: int = Field(1024, ge=32, description="channels of the box branch")
    mask_px: int = Field(28, ge=14, le=112, multiple_of=2, description="side of a mask; larger ones have finer edges")
    anchors_px: tuple[int, ...] = Field((16, 32, 64, 128, 256), description="side of anchors, one per level and one")
    heads: int = Field(1, ge=1, le=16, description="answers of the mask branch; more than one learn winner-takes-all")
    evolving: bool = Field(False, description="whether several heads learn at first and ever fewer later")
    noise: bool = Field(False, description="whether the network tells its noise scale (data uncertainty)")
    samples: int = Field(10, ge=1, description="noisy samples T of the logits; the paper names no number")
    merge: bool = Field(False, description="whether a network makes one answer of all heads")
    learn: Literal["heads", "merging"] = Field("heads", description="heads first, the merging network after them")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of maps the mask branch leaves out in training")
    loss: Literal["bce", "focal", "shape-aware"] = Field("shape-aware", description="loss of the masks")
    alpha: float = Field(10.0, ge=0, description="weight of the outline in the shape-aware loss")
    sigma_px: float = Field(5.0, gt=0, description="reach of the outline's weight, px as the network sees them")
    most_ratio: float = Field(
        10.0, ge=1, description="largest weight of foreground, and one over the smallest; crops may hold little of it"
    )
    diameter_px: tuple[float, float] = Field((40.0, 120.0), description="median diameters trained for, from and to, px")
    kind: Kind = Field("cell", description="what an object is where masks have one class")
    most: int = Field(2000, ge=1, description="largest number of objects per tile")
    least_score: float = Field(0.5, gt=0, lt=1, description="objects the network is less sure of are left out")
    nms_iou: float = Field(0.5, gt=0, lt=1, description="boxes that overlap more are one object")
    proposals: int = Field(1000, ge=50, description="proposals per crop that regions are drawn from in training")
    regions: int = Field(128, ge=8, description="regions per crop that the branches learn from")
    least_px: int = Field(9, ge=1, description="smaller objects of the truth teach nothing, px")
    start: Literal["none", "imagenet", "coco"] = Field("none", description="what a new network starts from")

    @model_validator(mode="after")
    def _loss_is_used(self) -> Self:
        if self.loss == "focal" and (self.noise or self.classes == 3):
            raise ValueError("the focal loss is for one class without a noise scale; set loss = 'bce'")
        if self.heads == 1 and (self.merge or self.evolving):
            raise ValueError("one head is neither merged nor evolving; set heads = 4, or merge and evolving to false")
        if self.learn == "merging" and not self.merge:
            raise ValueError("there is no merging network to learn; set merge = true")
        if self.loss == "shape-aware" and self.classes == 3:
            raise ValueError("the shape-aware loss is for one class; with cytosol and nucleus set loss = 'bce'")
        return self


class RegionSystem(System):
    """Objects of one frame as boxes with masks that may overlap."""

    of_network: ClassVar[frozenset[str]] = frozenset(
        {"backbone", "levels", "channels", "classes", "width", "box_width", "mask_px", "anchors_px", "heads", "noise"}
        | {"merge"}
    )
    fresh: ClassVar[dict[str, Any]] = {"learn": "heads"}
    shown: ClassVar[tuple[str, ...]] = ("labels",)  # proposals are drawn around the truth
    settings: RegionSettings

    @property
    def view(self) -> View:
        """One frame of one channel; tiles are joined as objects and overlap by more than one."""
        s = self.settings
        kinds: tuple[Kind, ...] = ("nucleus", "cell") if s.classes == 3 else (s.kind,)
        reach = round(0.75 * s.diameter_px[1])
        return View(join="instances", kinds=kinds, diameter_px=s.diameter_px, stride=32, reach_px=reach)

    def network(self) -> nn.Module:
        """A fresh network with a random start."""
        s = self.settings
        names = Build.__dataclass_fields__.keys() & type(s).model_fields.keys()
        network = MaskRCNN(Build(**{name: getattr(s, name) for name in names}))
        network.keeps_norm = s.start != "none"  # batches of two are too small to learn means from
        if s.learn == "merging":
            network.learn_merging()
        elif s.merge:
            network.learn_heads()
        return network

    def begin(self, network: nn.Module) -> bool:
        """Weights of COCO or ImageNet, where a training shall start from those."""
        if self.settings.learn == "merging":
            raise SettingsError("The merging network learns after the heads; give the weights of trained heads.")
        start = self.settings.start
        if start == "none" or not isinstance(network, MaskRCNN):
            return False
        load_start(network, start)
        return True

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Losses of boxes and logits of masks, see `MaskRCNN.forward`; frames do not see each other."""
        image = inputs["image"].flatten(0, 1)
        labels = inputs.get("labels")
        found: Maps = network(image, None if labels is None else labels.flatten(0, 1) % NUCLEUS)
        return found, None

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Labels without specks, distances to outlines and class ratio; see `instances.boxes.encode`."""
        s = self.settings
        return boxes.encode(of_kind(labels, s.kind) if s.classes == 1 else labels, s.least_px)

    def left_out(self, labels: np.ndarray) -> int:
        """Objects of fewer than `least_px` pixels, which make no box."""
        s = self.settings
        shown = of_kind(labels, s.kind) if s.classes == 1 else labels
        return sum(boxes.without_specks(frame, s.least_px)[1] for frame in shown)

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Four terms of the boxes and one of the masks."""
        s = self.settings
        terms = {name: outputs[name] for name in ("rpn", "rpn_box", "class", "box")}
        prefix = ("merged_logits", "merged_sigma") if s.learn == "merging" else ("mask_logits", "log_sigma")
        logits, log_sigma = outputs[prefix[0]], outputs.get(prefix[1])
        if len(logits) == 0:  # no object in the whole batch
            return {**terms, "mask": logits.sum()}
        truth, weight = self._mask_targets(outputs, targets, logits.shape[-1])
        heads = logits.shape[1]
        each = self._each_pixel(logits.flatten(0, 1), log_sigma, truth.repeat_interleave(heads, 0))
        each = each.reshape(-1, heads, *each.shape[1:])
        per_head = (each * weight[:, None]).sum((2, 3)) / weight.sum((1, 2)).clamp_min(1e-6)[:, None]
        done = float(targets["progress"]) if "progress" in targets else 1.0
        top = heads if s.learn == "merging" else (evolving_top(done, heads) if s.evolving else 1)
        return {**terms, "mask": best_heads(per_head, top)}

    def told(self, answers: Sequence[Maps]) -> tuple[Tensor, Tensor]:
        """Class probabilities `(N, K, m, m)` and parts of the uncertainty `(N, 3, m, m)` from answers of members.

        Every head of every member counts as one. Where a network joins its heads itself, its own answer gives the
        probabilities and the total; the model part is what its heads disagree by, at most all of it (a choice: the
        paper compares rankings by the total alone).
        """
        members = torch.cat([self.activate(answer) for answer in answers])
        parts = parts_of(members.transpose(1, 2).contiguous())
        if "merged_logits" not in answers[0]:
            return members.mean(0), parts.transpose(0, 1)
        joined = torch.stack([self._chances(a["merged_logits"], a.get("merged_sigma"))[0] for a in answers]).mean(0)
        total = entropy(joined, axis=1)
        model = parts[2].minimum(total)
        return joined, torch.stack([total, total - model, model], dim=1)

    def activate(self, outputs: Maps) -> Tensor:
        """Class probabilities of every head `(H, N, K, m, m)`, those with a noise scale averaged over its samples."""
        return self._chances(outputs["mask_logits"], outputs.get("log_sigma"))

    def painted(self, regions: boxes.Regions, shape: tuple[int, int]) -> Instances:
        """Objects of regions in a frame `(Y, X)`."""
        return boxes.paint(regions, shape, (self.settings.kind,))

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """Objects of class maps `(k, K, Y, X)` of single frames: what encode's targets say, back as objects."""
        frames = [np.where(frame[0] % NUCLEUS > 0, frame[0] % NUCLEUS, 0) for frame in maps]
        return Instances.of(np.stack(frames).astype(np.int32), kind=self.settings.kind)

    def _chances(self, logits: Tensor, log_sigma: Tensor | None) -> Tensor:
        flat = logits.float().flatten(0, 1)
        if log_sigma is None:
            chance = torch.softmax(_two(flat), dim=1)
        else:
            noise = _noise((self.settings.samples, *flat.shape), flat)
            chance = mean_probability(*_with_background(flat, log_sigma.flatten(0, 1), noise))
        return chance.reshape(*logits.shape[:2], *chance.shape[1:]).transpose(0, 1)

    def _mask_targets(self, outputs: Maps, targets: Maps, side: int) -> tuple[Tensor, Tensor]:
        """Class numbers and weights `(P, m, m)` of the regions that hold an object."""
        s = self.settings
        region, which, ids = outputs["region"], outputs["which"].round().long(), outputs["id"].round().long()
        labels = sampled(targets["labels"].flatten(0, 1), which, region, side)
        truth = (labels % NUCLEUS == ids[:, None, None]).long()
        if s.classes == 3:
            truth = truth * (1 + (labels >= NUCLEUS).long())
        if s.loss != "shape-aware" or s.classes == 3:
            return truth, torch.ones_like(truth, dtype=torch.float32)
        distance = sampled(targets["distance"].flatten(0, 1), which, region, side)
        ratio = targets["ratio"].flatten()[which].clamp(1 / s.most_ratio, s.most_ratio)[:, None, None]
        return truth, shape_aware_weight(distance, truth, ratio, s.alpha, s.sigma_px)

    def _each_pixel(self, logits: Tensor, log_sigma: Tensor | None, truth: Tensor) -> Tensor:
        """Loss of every pixel `(N, m, m)` of logits `(N, K, m, m)`."""
        if log_sigma is not None:
            noise = torch.randn((self.settings.samples, *logits.shape), device=logits.device)
            noisy = _with_background(logits, log_sigma.flatten(0, 1), noise)
            return expected_log_likelihood(noisy[0], noisy[1], truth, noisy[2])
        if logits.shape[1] > 1:
            return F.cross_entropy(logits, truth, reduction="none")
        if self.settings.loss == "focal":
            return focal_loss(logits[:, 0], truth.float())
        return F.binary_cross_entropy_with_logits(logits[:, 0], truth.float(), reduction="none")


def _two(logits: Tensor) -> Tensor:
    """Logits of background and foreground where there is only that of foreground."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)


def _with_background(logits: Tensor, log_sigma: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same for noisy logits; background as the reference has no noise of its own."""
    if logits.shape[1] > 1:
        return logits, log_sigma, noise
    return _two(logits), log_sigma, torch.cat([torch.zeros_like(noise), noise], dim=2)


def _noise(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Unit noise that is the same for every region, so that tiles and repeated runs agree."""
    one = (shape[0], 1, *shape[2:])
    drawn = torch.randn(one, generator=torch.Generator().manual_seed(0))
    return drawn.to(like.device).expand(shape)
