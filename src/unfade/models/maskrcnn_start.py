"""What a new Mask R-CNN starts from: torchvision's weights of COCO, or of ImageNet for the trunk alone.

Paper shape-aware, III.B: "we initialize the model with Mask RCNN pre-trained weights, use Kaiming normal weight
initialization to initialize weights in the modified box branch and mask branch".
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from unfade.errors import WeightsError
from unfade.models.maskrcnn import MaskRCNN
from unfade.models.pretrained import first_kernel, imagenet_state


def load_start(network: MaskRCNN, source: Literal["imagenet", "coco"]) -> None:
    """Take over what fits of torchvision's weights; branches for other classes keep their Kaiming normal start.

    Raises
    ------
    WeightsError
        If the weights cannot be had, or the network is built otherwise.
    """
    if source == "imagenet":
        trunk = imagenet_state(network.build.backbone)
        state = {f"backbone.body.{name}": tensor for name, tensor in trunk.items()}
    else:
        state = {_own_name(name): tensor for name, tensor in coco_state(network).items()}
    take(network, state)


def coco_state(network: MaskRCNN) -> dict[str, Tensor]:
    """Tensors of torchvision's `maskrcnn_resnet50_fpn`, trained on COCO.

    Raises
    ------
    WeightsError
        If they are neither cached nor can be fetched, or are of another build.
    """
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn

    build = network.build
    if (build.backbone, build.levels, build.width, build.box_width) != ("resnet50", 4, 256, 1024):
        raise WeightsError("COCO weights are those of the full ResNet50-FPN; set start = 'none' for another build.")
    try:
        state = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.get_state_dict(progress=False, check_hash=True)
    except Exception as error:
        raise WeightsError(
            f"COCO weights of Mask R-CNN cannot be had here ({type(error).__name__}); set start = 'none' for a random "
            "start, or --weights FILE to go on from trained weights."
        ) from None
    whole = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    whole.load_state_dict(state)  # which knows the names that older files give to the pyramid
    return dict(whole.state_dict())


def take(network: MaskRCNN, state: dict[str, Tensor]) -> int:
    """Load every tensor that the network has in the same shape, the first kernel for its channels; give how many."""
    first = "backbone.body.conv1.weight"
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    if first in state:
        fitting[first] = first_kernel(state[first], network.build.channels)
    network.load_state_dict(fitting, strict=False)
    _kaiming_predictors(network)
    return len(fitting)


def _own_name(name: str) -> str:
    name = name.replace("roi_heads.mask_head.mask_fcn", "mask_head.trunk.")
    if name.startswith("mask_head.trunk."):
        number, kind = name.removeprefix("mask_head.trunk.").split(".")
        return f"mask_head.trunk.{int(number) - 1}.0.{kind}"
    return name.replace("roi_heads.mask_head.", "mask_head.trunk.")


def _kaiming_predictors(network: MaskRCNN) -> None:
    """The parts that name classes: those of the box branch; the mask branch is Kaiming normal already."""
    for layer in network.roi_heads.box_predictor.children():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            with torch.no_grad():
                layer.bias.zero_()
