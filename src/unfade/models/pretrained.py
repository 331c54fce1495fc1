"""Encoders that start from weights trained elsewhere: ImageNet through torchvision, or a local file.

Never a silent random start: weights that cannot be had are an error that names the alternatives.

The first layer. ImageNet networks see three colours; ours see frames of one or more channels and, beside them, masks.
A kernel's sum over the colours is shared equally by the frame's channels, so that a frame gives what a grey picture
gave; a mask that comes as a further channel starts at zero weight, so that at the start the encoder sees the frame
undisturbed and learns what the mask is worth. An encoder that sees nothing but masks takes them for a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from unfade.errors import WeightsError
from unfade.ops.tensorfile import read_tensors

NONE, IMAGENET = "none", "imagenet"


@runtime_checkable
class Pretrained(Protocol):
    """An encoder for which ImageNet weights exist."""

    imagenet: ClassVar[str]  # torchvision's name of the network

    @property
    def full(self) -> bool:
        """Whether it is built as torchvision's network, so that its weights fit."""
        ...

    def load_trunk(self, state: dict[str, Tensor]) -> None:
        """Take over a torchvision state of that network."""
        ...


def pretrained_encoders(network: nn.Module) -> list[Pretrained]:
    """The encoders of a network that ImageNet weights fit."""
    return [module for module in network.modules() if isinstance(module, Pretrained) and module.full]


def unfit_encoders(network: nn.Module) -> list[Pretrained]:
    """The encoders of a network for which ImageNet weights exist but which are built otherwise."""
    return [module for module in network.modules() if isinstance(module, Pretrained) and not module.full]


def load_encoders(network: nn.Module, source: str) -> None:
    """Start the encoders of `network` from `source`: `imagenet`, `none` (left as they are) or a file.

    Raises
    ------
    WeightsError
        If the weights cannot be had or do not fit, or the network has no encoder that takes any.
    """
    if source == NONE:
        return
    encoders = pretrained_encoders(network)
    if not encoders:
        raise WeightsError(
            f"No encoder of this network takes weights '{source}', which fit VGG16 and ResNets of full width without "
            "further normalisation; use --encoder-weights none."
        )
    for encoder in encoders:
        encoder.load_trunk(imagenet_state(encoder.imagenet) if source == IMAGENET else file_state(Path(source)))


def imagenet_state(name: str) -> dict[str, Tensor]:
    """Tensors of torchvision's ImageNet network `name`, from its cache or fetched.

    Raises
    ------
    WeightsError
        If they are neither cached nor can be fetched.
    """
    from torchvision.models import get_model_weights

    try:
        weights = get_model_weights(name)["IMAGENET1K_V1"]
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except Exception as error:
        raise WeightsError(
            f"ImageNet weights of {name} cannot be had here ({type(error).__name__}); use --encoder-weights none for a "
            "random start, or --encoder-weights FILE for a local copy."
        ) from None


def file_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a local copy, safetensors or what `torch.save` wrote.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or holds something else than tensors.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}; use --encoder-weights imagenet, none or another file.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(f"{path} cannot be read as tensors ({type(error).__name__}); fetch it again.") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"{path} holds no network state; save the state dict of a torchvision network.")
    return found


def first_kernel(weight: Tensor, channels: int, masks: int = 0) -> Tensor:
    """A first kernel `(O, channels, k, k)` from one of any number of colours; the last `masks` channels are masks."""
    total = weight.sum(dim=1, keepdim=True)
    if masks == channels:
        masks = 0
    frame = channels - masks
    return torch.cat([(total / frame).repeat(1, frame, 1, 1), torch.zeros_like(total).repeat(1, masks, 1, 1)], dim=1)


def take_over(encoder: nn.Module, state: dict[str, Tensor], first: str, channels: int, masks: int, name: str) -> None:
    """Load the tensors of `state` whose names `encoder` has; `first` names the kernel that sees the input.

    Raises
    ------
    WeightsError
        If tensors are missing or have another shape.
    """
    if first not in state:
        raise WeightsError(f"The file holds no {name} trunk: it has no tensor '{first}'.")
    own = {key: state[key] for key in encoder.state_dict() if key in state}
    own[first] = first_kernel(state[first], channels, masks)
    try:
        encoder.load_state_dict(own)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"The file does not fit a {name} trunk: {reason}") from None
