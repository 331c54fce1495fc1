"""Checkpoints: weights as safetensors, optimiser state for `torch.load(weights_only=True)`; written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unfade.errors import WeightsError


def save_weights(path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a state dict; `path` appears only once it is complete."""
    part = path.with_name(path.name + ".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, part, metadata=metadata)
    part.replace(path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file; half precision becomes float32.

    Raises
    ------
    WeightsError
        If the file is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}.")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); fetch it again.") from None
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def save_progress(path: Path, progress: dict[str, Any]) -> None:
    """Write optimiser state, averaged weights and step number."""
    part = path.with_name(path.name + ".part")
    torch.save(progress, part)
    part.replace(path)


def load_progress(path: Path) -> dict[str, Any]:
    """Read what `save_progress` wrote; nothing but tensors and plain values is accepted.

    Raises
    ------
    WeightsError
        If the file is damaged.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}); delete it to start the training anew."
        ) from None
    return found
