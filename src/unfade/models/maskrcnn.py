"""Mask R-CNN for cells: He et al., "Mask R-CNN", ICCV 2017, put together from torchvision's parts.

Papers shape-aware (III.B) and imperfect (4): ResNet-FPN, region proposals, a branch for boxes, a branch for masks. The
network sees frames at the size they come in (engines rescale them), 1 or 3 channels, and hundreds of objects at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from unfade.errors import SettingsError
from unfade.models.maskheads import MaskHead, MergingNetwork
from unfade.ops.boxes import boxes_of
from unfade.ops.turns import Turn, boxes_back, boxes_turned, turned, turned_back

RATIOS = (0.5, 1.0, 2.0)
COLOUR_MEAN, COLOUR_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as COCO weights expect
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Build:
    """How the network is put together."""

    backbone: Literal["resnet18", "resnet50"] = "resnet50"
    channels: int = 1
    classes: int = 1  # logits of a mask: 1 = foreground, else one per class
    anchors_px: tuple[int, ...] = (16, 32, 64, 128, 256)  # side of the anchors of each level
    levels: int = 4  # stages of the backbone that are used; fewer see less far and weigh less
    width: int = 256  # channels of the feature pyramid and of the mask branch
    box_width: int = 1024  # of the box branch
    mask_px: int = 28  # side of a mask
    heads: int = 1  # answers of the mask branch
    noise: bool = False  # whether it gives a noise scale too
    merge: bool = False  # whether a network makes one answer of all heads
    dropout: float = 0.0  # in the mask branch
    proposals: int = 1000  # per image in training
    regions: int = 128  # regions per image that the branches learn from
    most: int = 2000  # objects per image or tile
    least_score: float = 0.5
    nms_iou: float = 0.5
    least_px: int = 4  # objects of the truth with fewer pixels teach nothing


@dataclass(frozen=True)
class Sight:
    """What the backbone made of one image `(1, C, Y, X)`."""

    features: dict[str, Tensor]
    size: tuple[int, int]


class MaskRCNN(nn.Module):
    """Boxes and masks of the objects of an image; in training the losses of the boxes, and mask logits of regions.

    A network of three channels takes grey images too.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, build: Build) -> None:
        super().__init__()
        self.build = build
        self.backbone = _backbone(build)
        self.rpn = _proposals(build)
        self.roi_heads = _box_branch(build)
        self.mask_pool = MultiScaleRoIAlign(_names(build), build.mask_px // 2, 2)
        self.mask_head = MaskHead(build.width, build.classes, build.heads, build.noise, build.dropout, build.width)
        self.merger = MergingNetwork(build.classes, build.heads, build.noise) if build.merge else None
        self.learns_merging = False
        self.keeps_norm = False  # whether running means of the backbone stay, as for weights trained elsewhere
        mean, spread = (COLOUR_MEAN, COLOUR_SPREAD) if build.channels == 3 else ((0.0,), (1.0,))
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(spread).reshape(1, -1, 1, 1), persistent=False)

    @property
    def tells_heads(self) -> bool:
        """Whether its answers hold those of several heads."""
        return self.build.heads > 1

    def learn_merging(self) -> None:
        """Keep everything but the merging network as it is, in training too (paper imperfect, 4: "then merged")."""
        self.learns_merging = True
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith("merger."))

    def learn_heads(self) -> None:
        """Leave the merging network for later."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not name.startswith("merger."))

    def train(self, mode: bool = True) -> MaskRCNN:
        """Training mode; running means of a network that is kept stay as they are."""
        super().train(mode)
        if mode and self.learns_merging:
            for part in (self.backbone, self.mask_head):
                part.eval()
        if mode and self.keeps_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Outputs:
        """Objects of `image (B, C, Y, X)`, or what is learnt from its `labels (B, Y, X)` in training.

        Training: `rpn`, `rpn_box`, `class`, `box` (losses) and, for the P regions that hold an object, `mask_logits`
        `(P, H, K, m, m)`, `log_sigma` if there is noise, `merged_*` if heads are merged, `region (P, 4)`, `which (P,)`
        and `id (P,)`. Else: `boxes (N, 4)`, `scores (N,)`, `mask_logits`, … of a batch of one.
        """
        if not self.training or labels is None:
            sight = self.look(image)
            boxes, scores = self.detect(sight)
            return {"boxes": boxes, "scores": scores, **self.masks(sight, boxes)}
        features = self._features(image)
        sizes = [(image.shape[2], image.shape[3])] * len(image)
        found = [boxes_of(frame, self.build.least_px) for frame in labels.long()]
        truth = [{"boxes": boxes, "labels": torch.ones_like(ids)} for ids, boxes in found]
        proposals, losses = self.rpn(ImageList(image, sizes), features, truth)
        regions, matched, kinds, moves = self.roi_heads.select_training_samples(proposals, truth)
        logits, shifts = self._boxes(features, regions, sizes)
        by_class, by_box = fastrcnn_loss(logits, shifts, kinds, moves)
        positive = [kind > 0 for kind in kinds]
        chosen = [region[p] for region, p in zip(regions, positive, strict=True)]
        ids = [found[k][0][matched[k][p]] if len(found[k][0]) else matched[k][:0] for k, p in enumerate(positive)]
        which = torch.repeat_interleave(
            torch.arange(len(image), device=image.device), torch.tensor([len(c) for c in chosen], device=image.device)
        )
        return {
            "rpn": losses["loss_objectness"],
            "rpn_box": losses["loss_rpn_box_reg"],
            "class": by_class,
            "box": by_box,
            **self._masks(features, chosen, sizes),
            "region": torch.cat(chosen),
            "which": which,
            "id": torch.cat(ids),
        }

    def look(self, image: Tensor) -> Sight:
        """Features of one image `(1, C, Y, X)`."""
        return Sight(self._features(image), (image.shape[2], image.shape[3]))

    def detect(self, sight: Sight) -> tuple[Tensor, Tensor]:
        """Boxes `(N, 4)` and scores `(N,)` of the objects in sight, best first."""
        some = sight.features["0"]
        proposals, _ = self.rpn(ImageList(some.new_empty(1, 1, *sight.size), [sight.size]), sight.features)
        logits, shifts = self._boxes(sight.features, proposals, [sight.size])
        boxes, scores, _ = self.roi_heads.postprocess_detections(logits, shifts, proposals, [sight.size])
        return boxes[0], scores[0]

    def masks(self, sight: Sight, boxes: Tensor) -> Outputs:
        """`mask_logits (N, H, K, m, m)` of given boxes, with `log_sigma` and `merged_*` where it has them."""
        return self._masks(sight.features, [boxes], [sight.size])

    def turned(self, turn: Turn) -> TurnedMaskRCNN:
        """This network on the image turned, its answers turned back."""
        return TurnedMaskRCNN(self, turn)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        image = (image.expand(-1, self.build.channels, -1, -1) - self.mean) / self.spread
        return {name: level.float() for name, level in self.backbone(image).items()}  # anchors need float32

    def _boxes(self, features: Any, regions: list[Tensor], sizes: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        heads = self.roi_heads
        pooled = heads.box_head(heads.box_roi_pool(features, regions, sizes))
        logits, shifts = heads.box_predictor(pooled)
        return logits.float(), shifts.float()

    def _masks(self, features: Any, regions: list[Tensor], sizes: list[tuple[int, int]]) -> Outputs:
        side, build = self.build.mask_px, self.build
        if sum(len(r) for r in regions) == 0:
            empty = features["0"].new_zeros((0, build.heads, build.classes, side, side))
            logits, sigma = empty, (empty[:, :, :1] if build.noise else None)
        else:
            logits, sigma = self.mask_head(self.mask_pool(features, regions, sizes))
        out = {"mask_logits": logits} | ({} if sigma is None else {"log_sigma": sigma})
        if self.merger is not None:
            merged, noise = self.merger(logits, sigma)  # of no region too: a batch without objects is learnt from
            out |= {"merged_logits": merged} | ({} if noise is None else {"merged_sigma": noise[:, :1]})
        return out


class TurnedMaskRCNN(nn.Module):
    """A network that sees images turned; boxes and masks lie in the image as it is."""

    def __init__(self, network: MaskRCNN, turn: Turn) -> None:
        super().__init__()
        self.network, self.turn = network, turn

    def look(self, image: Tensor) -> Sight:
        """Features of the turned image; `size` is that of the image as it is."""
        sight = self.network.look(turned(image, self.turn))
        return Sight(sight.features, (image.shape[2], image.shape[3]))

    def detect(self, sight: Sight) -> tuple[Tensor, Tensor]:
        """Boxes and scores."""
        boxes, scores = self.network.detect(self._inner(sight))
        return boxes_back(boxes, self.turn, *sight.size), scores

    def masks(self, sight: Sight, boxes: Tensor) -> Outputs:
        """Answers of the mask branch, turned back."""
        out = self.network.masks(self._inner(sight), boxes_turned(boxes, self.turn, *sight.size))
        return {name: turned_back(maps, self.turn) for name, maps in out.items()}

    def _inner(self, sight: Sight) -> Sight:
        return Sight(sight.features, sight.size[::-1] if self.turn[2] else sight.size)


class _Head(RPNHead):  # type: ignore[misc]
    """Scores and shifts in float32, also where convolutions run in half precision."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Per level."""
        scores, shifts = super().forward(x)
        return [s.float() for s in scores], [s.float() for s in shifts]


def _backbone(build: Build) -> BackboneWithFPN:
    trunk = getattr(resnet, build.backbone)(weights=None)
    if build.channels != 3:
        trunk.conv1 = nn.Conv2d(build.channels, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(trunk.conv1.weight, mode="fan_out", nonlinearity="relu")
    first = trunk.inplanes // 8
    taken = {f"layer{k + 1}": name for k, name in enumerate(_names(build))}
    return BackboneWithFPN(trunk, taken, [first * 2**k for k in range(build.levels)], build.width, LastLevelMaxPool())


def _names(build: Build) -> list[str]:
    return [str(k) for k in range(build.levels)]


def _proposals(build: Build) -> RegionProposalNetwork:
    if len(build.anchors_px) != build.levels + 1:
        raise SettingsError(
            f"A network of {build.levels} levels needs {build.levels + 1} sizes of anchors, got {build.anchors_px}."
        )
    anchors = AnchorGenerator(tuple((side,) for side in build.anchors_px), (RATIOS,) * len(build.anchors_px))
    many = max(2 * build.most, 1000)
    return RegionProposalNetwork(
        anchors,
        _Head(build.width, len(RATIOS)),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 2 * build.proposals, "testing": many},
        post_nms_top_n={"training": build.proposals, "testing": many},
        nms_thresh=0.7,
    )


def _box_branch(build: Build) -> RoIHeads:
    return RoIHeads(
        MultiScaleRoIAlign(_names(build), 7, 2),
        TwoMLPHead(build.width * 49, build.box_width),
        FastRCNNPredictor(build.box_width, 2),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=build.regions,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=build.least_score,
        nms_thresh=build.nms_iou,
        detections_per_img=build.most,
    )
