"""Safetensors files, read and written whole: the only format weights come in."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unfade.errors import WeightsError


def write_tensors(
    path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None, half: bool = False
) -> None:
    """Write a state dict, floating point in half precision if asked for; `path` appears only once it is complete."""
    out = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        out[name] = (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
    part = path.with_name(path.name + ".part")
    save_file(out, part, metadata=metadata)
    part.chmod(0o644)  # it is written for its owner alone, but weights are shared
    part.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State dict (floating point as float32) and metadata of a safetensors file.

    Raises
    ------
    WeightsError
        If the file is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); fetch it again.") from None
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}, metadata
